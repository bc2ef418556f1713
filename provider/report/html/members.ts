import { count } from '../../core/printable.ts';
import { formatBytes } from '../../core/units.ts';
import type { Report, ReportMember } from '../schema.ts';
import { memberWord, systemWords } from '../words.ts';
import { html, type Markup, percent } from './markup.ts';

const LAYERS = ['compute', 'runtime', 'data'] as const;
const HOLDS: Readonly<Record<(typeof LAYERS)[number], string>> = {
  compute: 'the machine or image that runs',
  runtime: 'memory, registers, open files, sockets',
  data: 'what is on disk or in tables',
};

/** What is in the snapshot, and what is known to be outside it, by member. */
export function drawMembers(report: Report): Markup {
  const largest = Math.max(1, ...report.members.map(({ captured }) => captured?.sizeBytes ?? 0));
  return html`<section class="members" aria-labelledby="members"><h2 id="members">What is in it, and what is not</h2>
<ul class="ledger">${report.members.map((member, index) => drawMember(member, index, largest))}</ul></section>`;
}

function drawMember(member: ReportMember, index: number, largest: number): Markup {
  const { captured, name } = member;
  const head = html`<h3>${name}</h3>`;
  if (captured === null)
    return html`<li id="member-${index}"><div class="who-is">${head}<p class="alarming">The certificate ties a member of this name; the snapshot has none.</p></div></li>`;
  const system = systemWords(captured);
  return html`<li id="member-${index}">
<div class="who-is">${head}<p><code>${captured.driver}</code>${system === '' ? undefined : html` <span>${system}</span>`}</p><p class="endpoint"><code>${captured.endpoint}</code></p></div>
<div class="holds"><p class="amount"><strong>${formatBytes(captured.sizeBytes)}</strong> <span>${captured.summary}</span></p>
<svg class="gauge" width="100%" height="6" aria-hidden="true" focusable="false"><rect class="gauge-ground" width="100%" height="6"/><rect class="gauge-fill" width="${percent(captured.sizeBytes / largest)}" height="6"/></svg>
<ul class="layers" aria-label="Layers">${LAYERS.map((layer) => drawLayer(layer, captured.layers.includes(layer)))}</ul>
<p class="fine-print">${memberWord(member)} at the cut; ${count(captured.objects, 'object')} fingerprinted; a restore can be ${captured.fidelity}. <a href="#evidence-${index}">Evidence</a></p></div>
<div class="lacks">${drawOutside(captured.outside)}</div>
</li>`;
}

function drawLayer(layer: (typeof LAYERS)[number], isIn: boolean): Markup {
  return html`<li class="${isIn ? 'in' : 'out'}" title="${HOLDS[layer]}"><span aria-hidden="true">${isIn ? '■' : '□'}</span> ${layer}<span class="unseen">${isIn ? ' is in it' : ' is not in it'}</span></li>`;
}

function drawOutside(outside: readonly { code: string; message: string }[]): Markup {
  if (outside.length === 0) return html`<p class="nothing">Nothing is known to be outside.</p>`;
  return html`<h4>Not in the snapshot</h4><ul>${outside.map(({ code, message }) => html`<li>${message} <code>${code}</code></li>`)}</ul>`;
}
