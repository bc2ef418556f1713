import { count, formatWallClock, printable } from '../../core/printable.ts';
import { formatBytes, formatMs } from '../../core/units.ts';
import type { Report, ReportMember, ReportOutcome } from '../schema.ts';
import {
  because,
  comparedWords,
  headline,
  howWords,
  LOST_WORK_TITLE,
  memberWord,
  outcomeSentence,
  outcomeTitle,
  pausing,
  signedCount,
  systemWords,
  WARMTH_TITLE,
} from '../words.ts';
import { drawText } from './picture.ts';
import { code, sentence } from './text.ts';

/** A comment is read between others: so many differences are named. */
const SHOWN_DIFFERENCES = 20;

/** The same facts for a pull request's comment. */
export function renderMarkdown(report: Report): string {
  const { judgement, outcome } = report;
  const parts = [
    `### ${code(report.name)}, generation ${report.generation}: ${sentence(headline(report))}`,
    contradictions(report),
    outcome === null ? '' : outcomePart(outcome),
    `As it was at ${sentence(formatWallClock(report.cutAt))}. ${sentence(`${because(report) ?? ''} ${capitalized(pausing(report))}.`.trim())}`,
    list(
      judgement.findings.map(
        ({ member, message }) => `${member === '' ? '' : `${code(member)}: `}${sentence(message)}`,
      ),
    ),
    fenced(drawText(report, ({ name }) => printable(name))),
    table(['member', 'of', 'at the cut', 'captured', 'layers'], report.members.map(memberRow)),
    probesPart(report),
    samplesPart(report),
    outside(report.members),
    `Captured ${formatBytes(report.sizeBytes)}, stored ${formatBytes(report.storedBytes)}, ${formatBytes(report.newBytes)} of it new; ${count(report.generations.length, 'generation')} in the store.`,
    `${code(report.reference)}. Judge it again: ${code(`stasis verify ${report.reference}`)}`,
  ];
  return `${parts.filter((part) => part !== '').join('\n\n')}\n`;
}

function capitalized(text: string): string {
  return `${text.charAt(0).toUpperCase()}${text.slice(1)}`;
}

function contradictions({ judgement }: Report): string {
  if (judgement.contradictions.length === 0) return '';
  const lines = judgement.contradictions.map(({ message }) => `> - ${sentence(message)}`);
  return ['> [!CAUTION]', '> **This snapshot claims what its own proof does not show.**', ...lines].join(
    '\n',
  );
}

function outcomePart(outcome: ReportOutcome): string {
  const { verdict, members, differences } = outcome;
  const total = members.reduce((sum, { differenceCount }) => sum + differenceCount, 0);
  const shown = differences.slice(0, SHOWN_DIFFERENCES);
  const named = shown.map(({ member, object, kind, message }) =>
    `${code(member)} ${code(object)} **${kind}** ${sentence(howWords(kind, message))}`.trimEnd(),
  );
  const more = total > shown.length ? [`and ${(total - shown.length).toLocaleString('en-US')} more`] : [];
  return [
    `**${sentence(outcomeTitle(outcome))}** **${verdict}**. ${sentence(outcomeSentence(outcome))}`,
    table(
      ['member', 'verdict', 'compared'],
      members.map((one) => [code(one.name), one.verdict, comparedWords(one.equal, one.differenceCount)]),
    ),
    list([...named, ...more]),
    warmthPart(outcome),
    lostWorkPart(outcome),
  ]
    .filter((part) => part !== '')
    .join('\n\n');
}

function warmthPart({ warmth }: ReportOutcome): string {
  if (warmth.length === 0) return '';
  const lines = warmth.flatMap(({ member, message, warmMs, samples }) => [
    `${code(member)}: ${sentence(message)}${warmMs > 0 ? ` (${formatMs(warmMs)})` : ''}`,
    ...samples.map((one) => `${code(member)}, ${code(one.name)}: ${sentence(one.message)}`),
  ]);
  return `**${WARMTH_TITLE}**\n\n${list(lines)}`;
}

function lostWorkPart({ lostWork }: ReportOutcome): string {
  if (lostWork.length === 0) return '';
  const lines = lostWork.map(({ member, message, changes }) =>
    [
      `${code(member)}: ${sentence(message)}`,
      ...changes.map(({ probe, change }) => `${code(probe)} ${signedCount(change)}`),
    ].join(' · '),
  );
  return `**${LOST_WORK_TITLE}**\n\n${list(lines)}`;
}

function probesPart({ probes }: Report): string {
  if (probes.length === 0) return '';
  const rows = probes.map(({ name, member, kind, outcome, message, restored }) => [
    code(name),
    `${kind} of ${code(member)}`,
    outcome === 'answered' ? outcome : `**${outcome}** ${sentence(message)}`,
    restored === null
      ? ''
      : restored.outcome === 'equal'
        ? restored.outcome
        : `**${restored.outcome}** ${sentence(restored.message)}`,
  ]);
  return table(['probe', 'asks', 'at the cut', 'restored'], rows);
}

function samplesPart({ samples }: Report): string {
  return list(
    samples.map(
      ({ name, member, before, message }) =>
        `${code(name)} of ${code(member)}: ${before === null ? '**failed** ' : ''}${sentence(message)}`,
    ),
  );
}

function memberRow(member: ReportMember): string[] {
  const { captured, name } = member;
  if (captured === null) return [code(name), 'not in the snapshot', memberWord(member), '', ''];
  const system = systemWords(captured);
  return [
    code(name),
    `${code(captured.driver)} ${sentence(system)}`.trimEnd(),
    memberWord(member),
    `${formatBytes(captured.sizeBytes)}, ${sentence(captured.summary)}`,
    captured.layers.join(', '),
  ];
}

function outside(members: readonly ReportMember[]): string {
  const lines = members.flatMap(({ name, captured }) =>
    (captured?.outside ?? []).map(({ message }) => `${code(name)}: ${sentence(message)}`),
  );
  if (lines.length === 0) return '';
  return `<details><summary>Not in the snapshot: ${count(lines.length, 'thing')}</summary>\n\n${list(lines)}\n\n</details>`;
}

function list(lines: readonly string[]): string {
  return lines.map((line) => `- ${line}`).join('\n');
}

function table(head: readonly string[], rows: readonly (readonly string[])[]): string {
  const line = (cells: readonly string[]): string => `| ${cells.join(' | ')} |`;
  return [line(head), line(head.map(() => '---')), ...rows.map(line)].join('\n');
}

/** A fence is longer than any run of its sign within. */
function fenced(text: string): string {
  const longest = Math.max(2, ...[...text.matchAll(/`+/g)].map(([ticks]) => ticks.length));
  const fence = '`'.repeat(longest + 1);
  return `${fence}text\n${text}\n${fence}`;
}
