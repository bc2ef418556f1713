import { count } from '../../core/printable.ts';
import { formatMs } from '../../core/units.ts';
import type { ReportDifference, ReportLostWork, ReportOutcome, ReportWarmth } from '../schema.ts';
import { type DifferenceNode, differenceTree } from '../tree.ts';
import {
  comparedWords,
  howWords,
  LOST_WORK_TITLE,
  outcomeSentence,
  outcomeTitle,
  signedCount,
  WARMTH_TITLE,
} from '../words.ts';
import { html, type Markup, percent } from './markup.ts';

/** Branches are open as long as there are few differences to show. */
const OPEN_UP_TO = 40;

/** Whether it is the same: the verdict by member, and what differs as a tree. */
export function drawOutcome(outcome: ReportOutcome): Markup {
  const isGood = outcome.verdict === 'identical' || outcome.verdict === 'equivalent';
  return html`<section class="outcome" aria-labelledby="outcome"><h2 id="outcome">${outcomeTitle(outcome)}</h2>
<p class="verdict ${isGood ? 'good' : 'bad'}">${outcome.verdict}</p>
<p class="because">${outcomeSentence(outcome)}</p>
<ul class="compared">${outcome.members.map(drawMember)}</ul>
${drawDifferences(outcome)}${drawWarmth(outcome)}${drawLostWork(outcome)}</section>`;
}

function drawMember(member: ReportOutcome['members'][number]): Markup {
  const { equal, differenceCount, restoreMs } = member;
  const total = equal + differenceCount;
  const time =
    restoreMs === null || restoreMs === 0 ? undefined : html` <span>in ${formatMs(restoreMs)}</span>`;
  // One object among millions that differs is still seen.
  const differing = differenceCount === 0 ? 0 : Math.max(0.01, differenceCount / total);
  return html`<li><b>${member.name}</b> <em class="${member.verdict}">${member.verdict}</em>
<svg class="gauge" width="100%" height="6" aria-hidden="true" focusable="false"><rect class="gauge-ground" width="100%" height="6"/><rect class="gauge-same" width="${percent(total === 0 ? 0 : 1 - differing)}" height="6"/><rect class="gauge-different" x="${percent(1 - differing)}" width="${percent(differing)}" height="6"/></svg>
<span>${comparedWords(equal, differenceCount)}</span>${time}</li>`;
}

function drawDifferences({ differences, members }: ReportOutcome): Markup | undefined {
  const total = members.reduce((sum, { differenceCount }) => sum + differenceCount, 0);
  if (total === 0) return undefined;
  const hidden = total - differences.length;
  const isOpen = differences.length <= OPEN_UP_TO;
  return html`<h3>${count(total, 'difference')}</h3>
<ul class="tree">${differenceTree(differences).map((node) => drawNode(node, isOpen))}</ul>
${hidden > 0 ? html`<p class="fine-print">And ${hidden.toLocaleString('en-US')} more, which were counted and not kept by name.</p>` : undefined}`;
}

/** How much of what was hot is back before anybody asks for it. */
function drawWarmth({ warmth }: ReportOutcome): Markup | undefined {
  if (warmth.length === 0) return undefined;
  return html`<h3>${WARMTH_TITLE}</h3>
<ul class="warmth">${warmth.map(drawWarm)}</ul>`;
}

function drawWarm({ member, known, hotBytes, warmedBytes, warmMs, message, samples }: ReportWarmth): Markup {
  const share = hotBytes === 0 ? 0 : Math.min(1, warmedBytes / hotBytes);
  const gauge = html`<svg class="gauge" width="100%" height="6" aria-hidden="true" focusable="false"><rect class="gauge-ground" width="100%" height="6"/><rect class="gauge-same" width="${percent(share)}" height="6"/></svg>`;
  return html`<li><b>${member}</b> ${known ? gauge : undefined}<span class="${known ? 'how' : 'unverified'}">${message}</span>${warmMs > 0 ? html` <span>in ${formatMs(warmMs)}</span>` : undefined}${samples.map(drawSample)}</li>`;
}

function drawSample({ name, timeToWarmMs, message }: ReportWarmth['samples'][number]): Markup {
  return html`<p><b>${name}</b> <span class="${timeToWarmMs === null ? 'unverified' : 'how'}">${message}</span></p>`;
}

/** What a switch to the restored would lose, or do a second time. */
function drawLostWork({ lostWork }: ReportOutcome): Markup | undefined {
  if (lostWork.length === 0) return undefined;
  return html`<h3>${LOST_WORK_TITLE}</h3>
<ul class="lost-work">${lostWork.map(drawLost)}</ul>`;
}

function drawLost({ member, read, message, changes }: ReportLostWork): Markup {
  const counted = changes.map(
    ({ probe, change }) => html` <span class="change"><code>${probe}</code> ${signedCount(change)}</span>`,
  );
  return html`<li><b>${member}</b> <span class="${read ? 'how' : 'unverified'}">${message}</span>${counted}</li>`;
}

function drawNode(node: DifferenceNode, isOpen: boolean): Markup {
  const { label, differences, children, count: tally } = node;
  const items = differences.flatMap(({ within }) => within);
  if (children.length === 0 && items.length === 0)
    return html`${differences.map((one) => html`<li class="difference">${drawDifference(label, one)}</li>`)}`;
  const own =
    differences.length === 0
      ? html`<code>${label}</code>`
      : html`${differences.map((one) => drawDifference(label, one))}`;
  return html`<li><details${isOpen ? OPEN : undefined}><summary>${own} <span class="tally">${tally.toLocaleString('en-US')}</span></summary>
<ul>${items.map((item) => html`<li class="difference">${drawDifference(item.name, { ...item, message: '' })}</li>`)}${children.map((child) => drawNode(child, isOpen))}</ul></details></li>`;
}

const OPEN = html` open`;
const SIGNS: Readonly<Record<ReportDifference['kind'], string>> = { missing: '−', extra: '+', changed: '≠' };

function drawDifference(
  label: string,
  { kind, message }: Pick<ReportDifference, 'kind' | 'message'>,
): Markup {
  return html`<span class="sign" aria-hidden="true">${SIGNS[kind]}</span> <code>${label}</code> <em>${kind}</em> <span class="how">${howWords(kind, message)}</span>`;
}
