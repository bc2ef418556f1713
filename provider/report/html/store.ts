import { count } from '../../core/printable.ts';
import { formatBytes } from '../../core/units.ts';
import type { Report, ReportGeneration } from '../schema.ts';
import { dayAndTime, sharpness } from '../words.ts';
import { html, type Markup, percent } from './markup.ts';

/** What it takes in the store, and the generations before and after it. */
export function drawStore(report: Report): Markup {
  const { sizeBytes, storedBytes, newBytes } = report;
  const most = Math.max(1, sizeBytes, storedBytes);
  return html`<section class="store" aria-labelledby="store"><h2 id="store">What it takes</h2>
<ul class="amounts">
${amount('captured', sizeBytes, most, 'as a user would count it')}
${amount('stored', storedBytes, most, `${shareWords(storedBytes, sizeBytes)}: compressed, and what is there twice kept once`)}
${amount('new', newBytes, most, newWords(report))}
</ul>
${drawGenerations(report)}</section>`;
}

function amount(kind: string, bytes: number, most: number, note: string): Markup {
  return html`<li><span class="kind">${kind}</span> <strong>${formatBytes(bytes)}</strong>
<svg class="gauge thick" width="100%" height="12" aria-hidden="true" focusable="false"><rect class="gauge-ground" width="100%" height="12"/><rect class="gauge-${kind}" width="${percent(bytes / most)}" height="12"/></svg>
<span class="note">${note}</span></li>`;
}

function newWords({ newBytes, storedBytes }: Report): string {
  if (newBytes >= storedBytes) return 'all of it: nothing that it needs was in the store before';
  return `${shareWords(newBytes, storedBytes, 'of what is stored')}: the rest was in the store before`;
}

function shareWords(part: number, whole: number, of = 'of that'): string {
  if (whole === 0) return `nothing ${of}`;
  const share = (100 * part) / whole;
  return `${share >= 10 || share === 0 ? share.toFixed(0) : share.toFixed(1)} % ${of}`;
}

function drawGenerations(report: Report): Markup {
  const { generations, generation, name } = report;
  const most = Math.max(1, ...generations.map(({ content }) => content?.storedBytes ?? 0));
  return html`<h3>${count(generations.length, 'generation')} of ${name}</h3>
<ol class="generations">${generations.map((one) => drawGeneration(one, one.generation === generation, most))}</ol>`;
}

function drawGeneration(one: ReportGeneration, isThis: boolean, most: number): Markup {
  const { content, pins, generation, cutAt, digest } = one;
  const [day, time] = dayAndTime(cutAt);
  const body =
    content === null
      ? html`<span class="alarming">its manifest cannot be read</span>`
      : html`<svg class="gauge thick" width="100%" height="12" aria-hidden="true" focusable="false"><rect class="gauge-stored" width="${percent(content.storedBytes / most)}" height="12"/><rect class="gauge-new" width="${percent(content.newBytes / most)}" height="12"/></svg>
<span class="note">${formatBytes(content.storedBytes)} stored, ${formatBytes(content.newBytes)} new; ${sharpness(content)}</span>`;
  const pinned = pins.length === 0 ? undefined : html`<span class="note">kept by ${pins.join(', ')}</span>`;
  return html`<li${isThis ? CURRENT : undefined}><span class="number">${generation}</span> <span class="when">${day} ${time}${isThis ? ', this one' : ''}</span> <code class="digest">${digest.slice(0, DIGEST_SHOWN)}</code>
${body}${pinned}</li>`;
}

const CURRENT = html` class="this" aria-current="true"`;
/** So much of a digest tells snapshots of one store apart for people. */
const DIGEST_SHOWN = 'sha256:'.length + 12;
