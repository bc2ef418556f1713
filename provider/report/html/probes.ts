import type { Report, ReportProbe, ReportSample } from '../schema.ts';
import { html, type Markup } from './markup.ts';

const SIGNS: Readonly<Record<string, string>> = {
  answered: '✓',
  measured: '✓',
  equal: '✓',
  unmet: '≠',
  different: '≠',
};

/** What the user asked at the cut, and what became of it in what was restored; and how quickly it was answered before. */
export function drawProbes({ probes, samples }: Report): Markup | undefined {
  if (probes.length + samples.length === 0) return undefined;
  return html`<section class="probes" aria-labelledby="probes"><h2 id="probes">What was asked</h2>
<ul class="compared">${probes.map(drawProbe)}${samples.map(drawSample)}</ul></section>`;
}

function drawSample({ name, member, kind, before, message }: ReportSample): Markup {
  return html`<li><b>${name}</b> <span>${kind}, of ${member}</span>
${drawAnswer('Before the cut', before === null ? 'failed' : 'measured', before !== null, message)}</li>`;
}

function drawProbe({ name, member, kind, outcome, message, restored }: ReportProbe): Markup {
  return html`<li><b>${name}</b> <span>${kind}, of ${member}</span>
${drawAnswer('At the cut', outcome, outcome === 'answered', message)}${
  restored === null
    ? undefined
    : html`
${drawAnswer('Restored', restored.outcome, restored.outcome === 'equal', restored.message)}`
}</li>`;
}

function drawAnswer(when: string, outcome: string, isGood: boolean, message: string): Markup {
  return html`<p><span class="${isGood ? 'good' : 'bad'}" aria-hidden="true">${SIGNS[outcome] ?? '·'}</span> ${when}: <em>${outcome}</em>. <span>${message}</span></p>`;
}
