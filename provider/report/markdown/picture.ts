import type { Report, ReportMember } from '../schema.ts';
import { type Level, levelsOf, place, shareOf, spanOf, ticksOf } from '../timeline.ts';
import { duration, memberWord, tickLabel } from '../words.ts';

/** So wide a block of code is shown by forges without scrolling. */
const COLUMNS = 64;
const MOST_NAME = 16;

/** The last level of the picture of the cut, in characters. Names are of letters that a terminal could show. */
export function drawText(report: Report, nameOf: (member: ReportMember) => string): string {
  const level = levelsOf(report).at(-1)!;
  const names = report.members.map((member) => nameOf(member).slice(0, MOST_NAME));
  const width = Math.max(...names.map(({ length }) => length), 0);
  const rows = report.members.map((member, index) => {
    const head = `${names[index]!.padEnd(width)}  ${memberWord(member).padEnd(8)}`;
    return `${head} ${drawRow(report, member, level)}`.trimEnd();
  });
  return [...rows, `${' '.repeat(width + 10)} ${drawAxis(report, level)}`].join('\n');
}

function drawRow({ judgement }: Report, { ties }: ReportMember, level: Level): string {
  const cells = Array.from({ length: COLUMNS }, () => ' ');
  const put = (from: number, to: number, text: (index: number, last: number) => string): void => {
    for (let column = from; column <= to; column += 1) cells[column] = text(column - from, to - from);
  };
  if (judgement.cutNs !== null) cells[columnOf(shareOf(level, judgement.cutNs))] = '┊';
  for (const kind of ['hold', 'smear', 'mark'] as const)
    for (const tie of ties.filter((one) => one.tie === kind)) {
      const placed = place(level, spanOf(tie));
      if (placed === undefined) continue;
      const [from, to] = [columnOf(placed.from), columnOf(placed.to)];
      const stroke = tie.tie === 'hold' ? (tie.how === 'still' ? '─' : '━') : '≈';
      if (tie.tie === 'mark') cells[Math.round((from + to) / 2)] = '●';
      else
        put(from, to, (index, last) =>
          index === 0 && placed.cutOffBefore ? '◂' : index === last && placed.cutOffAfter ? '▸' : stroke,
        );
    }
  return cells.join('');
}

function columnOf(share: number): number {
  return Math.min(COLUMNS - 1, Math.max(0, Math.round(share * (COLUMNS - 1))));
}

/** Labels at their places, each left out that would touch the one before. */
function drawAxis({ judgement }: Report, level: Level): string {
  const { cutNs } = judgement;
  let line = '';
  for (const { at, ns } of ticksOf(level, cutNs ?? level.fromNs, 4)) {
    const label = Math.abs(ns) < 0.5 ? (cutNs === null ? '0' : 'cut') : tickLabel(ns);
    const start = Math.max(0, columnOf(at) - Math.floor(label.length / 2));
    if (line === '' || start > line.length) line = `${line.padEnd(start)}${label}`;
  }
  return `${line}   (${duration(level.toNs - level.fromNs)} wide)`;
}
