import { count } from '../../core/printable.ts';
import { formatBytes } from '../../core/units.ts';
import type { Report } from '../schema.ts';
import { because, dayAndTime, duration, headline, pausing } from '../words.ts';
import { html, type Markup } from './markup.ts';

/** What the page is about, the one sentence, and the figures that most people came for. */
export function drawMasthead(report: Report): Markup {
  const { name, generation, judgement, cutAt } = report;
  const [day, time] = dayAndTime(cutAt);
  const tone = judgement.sharp && judgement.contradictions.length === 0 ? 'good' : 'bad';
  const why = because(report);
  return html`<header class="masthead">
<div class="claim">
<p class="eyebrow">Snapshot, generation ${generation}</p>
<h1>${name}</h1>
<p class="headline ${tone}">${headline(report)}</p>
${why === undefined ? undefined : html`<p class="because">${why}</p>`}
</div>
<dl class="figures">
${figure('As it was at', time === '' ? day : time, time === '' ? undefined : day)}
${figure('Longest pause', judgement.pauseMs === 0 ? 'none' : duration(judgement.pauseMs * 1e6), pausing(report))}
${figure('Captured', formatBytes(report.sizeBytes), `of ${count(report.members.length, 'member')}`)}
${figure('Stored', formatBytes(report.storedBytes), `${formatBytes(report.newBytes)} of it new`)}
</dl>
</header>`;
}

function figure(label: string, value: string, note: string | undefined): Markup {
  return html`<div><dt>${label}</dt><dd><strong>${value}</strong>${note === undefined ? undefined : html`<span>${note}</span>`}</dd></div>`;
}

/** What a reader must not overlook: what the manifest claims and its proof does not show, and why it is not sharp. */
export function drawDoubts({ judgement }: Report): Markup | undefined {
  const { contradictions, findings, sharp } = judgement;
  if (contradictions.length === 0 && findings.length === 0) return undefined;
  const claims =
    contradictions.length === 0
      ? undefined
      : html`<section class="alarm" aria-labelledby="alarm"><h2 id="alarm">This snapshot claims what its own proof does not show</h2>
<p>The certificate was judged again for this report. Where the two disagree, this page shows what the certificate proves.</p>
<ul>${contradictions.map(({ message }) => html`<li>${message}</li>`)}</ul></section>`;
  const reasons =
    findings.length === 0
      ? undefined
      : html`<section class="doubts" aria-labelledby="doubts"><h2 id="doubts">${sharp ? 'Left out of the judgement' : 'Why no one instant fits'}</h2>
<ul>${findings.map(({ member, message }) => html`<li>${member === '' ? undefined : html`<b>${member}</b>: `}${message}</li>`)}</ul></section>`;
  return html`${claims}${reasons}`;
}
