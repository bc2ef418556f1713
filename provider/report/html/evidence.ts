import { count } from '../../core/printable.ts';
import type { Report, ReportMember, ReportTie } from '../schema.ts';
import { duration, fromCut, memberWord, pauseSentence, tieSentence, tieWord } from '../words.ts';
import { html, type Markup } from './markup.ts';

/** The proof, on demand: every reading and condition on which a hold, mark or smear rests. */
export function drawEvidence(report: Report): Markup {
  const zeroNs = report.judgement.cutNs ?? 0;
  return html`<section class="evidence" aria-labelledby="evidence"><h2 id="evidence">The evidence</h2>
<p class="because">All times are readings of one monotonic clock, the coordinator's, and are told from the cut. No clock of another machine is trusted. A hold counts from the answer of its first reading to the question of its last, and only where all readings and what was captured are equal.</p>
${report.members.map((member, index) => drawMember(member, index, zeroNs))}</section>`;
}

function drawMember(member: ReportMember, index: number, zeroNs: number): Markup {
  const { ties, pauses, name } = member;
  return html`<details id="evidence-${index}"><summary><b>${name}</b> <span>${memberWord(member)}, ${count(ties.length, 'tie')} to time</span></summary>
${ties.length === 0 ? html`<p class="alarming">Nothing ties its captured state to time.</p>` : undefined}
${ties.map((tie, tieIndex) => drawTie(member, tie, `tie-${index}-${tieIndex}`, zeroNs))}
${pauses.map((pause) => html`<p class="pause-line">${pauseSentence(member, pause, zeroNs)}</p>`)}
</details>`;
}

function drawTie(member: ReportMember, tie: ReportTie, id: string, zeroNs: number): Markup {
  return html`<article class="tie-card" id="${id}" tabindex="-1"><h3>${tieWord(tie)}</h3>
<p>${tieSentence(member, tie, zeroNs)}</p>
${tie.fault === null ? undefined : html`<p class="alarming">Left out of the judgement: ${tie.fault}.</p>`}
${tie.tie === 'hold' ? drawReadings(tie, zeroNs) : undefined}
${tie.tie === 'mark' ? drawMark(tie) : undefined}
${tie.tie === 'smear' ? undefined : drawConditions(tie.conditions)}</article>`;
}

function drawReadings(hold: Extract<ReportTie, { tie: 'hold' }>, zeroNs: number): Markup {
  const rows = hold.readings.map(
    ({ sentNs, acknowledgedNs, value }) =>
      html`<tr><td>${fromCut(sentNs, zeroNs)}</td><td>${fromCut(acknowledgedNs, zeroNs)}</td><td>${duration(acknowledgedNs - sentNs)}</td><td><code>${value}</code></td></tr>`,
  );
  const what = count(hold.readings.length, 'reading');
  // What may have to be scrolled sideways can be reached without a mouse.
  return html`<div class="scroll" tabindex="0" role="group" aria-label="${what}"><table><caption>${what}</caption><thead><tr><th scope="col">asked</th><th scope="col">answered</th><th scope="col">took</th><th scope="col">value</th></tr></thead>
<tbody>${rows}<tr class="captured"><td colspan="3">what was captured carries</td><td><code>${hold.captured}</code></td></tr></tbody></table></div>`;
}

function drawMark({ act, epoch, covered }: Extract<ReportTie, { tie: 'mark' }>): Markup {
  const carries = epoch === undefined ? undefined : html`, carrying <code>${epoch}</code>`;
  const why = covered ? ' A hold of the same member shows this state: the mark adds no condition.' : '';
  return html`<p>By the act <code>${act}</code>${carries}.${why}</p>`;
}

function drawConditions(
  conditions: readonly { claim: string; expected: string; observed: string }[],
): Markup | undefined {
  if (conditions.length === 0) return undefined;
  return html`<ul class="conditions">${conditions.map(({ claim, expected, observed }) => {
    const stands = expected === observed;
    return html`<li class="${stands ? 'stands' : 'broken'}"><span aria-hidden="true">${stands ? '✓' : '✗'}</span> ${claim}: <code>${observed}</code>${stands ? undefined : html`, expected <code>${expected}</code>`}</li>`;
  })}</ul>`;
}
