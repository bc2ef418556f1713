import { formatMs } from '../../core/units.ts';
import type { Verdict } from '../../core/verdict.ts';
import { type ProbeView, probeLines } from './probes.ts';
import { table, widthOfTable } from './screen/table.ts';
import {
  clampWidth,
  count,
  flow,
  type Line,
  paragraph,
  piece,
  printable,
  type RenderOptions,
  spread,
  type Tone,
  toText,
} from './screen/text.ts';

export interface MemberVerdictView {
  readonly verdict: Verdict;
  readonly equal: number;
  readonly differenceCount: number;
  /** Of a restore. */
  readonly restoreMs?: number;
}

export interface DifferenceView {
  readonly member: string;
  readonly object: string;
  readonly kind: 'missing' | 'extra' | 'changed';
  readonly message: string;
}

/** What an original has done since the cut. */
export interface LostWorkView {
  readonly read: boolean;
  readonly message: string;
  readonly changes: Readonly<Record<string, number>>;
}

/** What was brought back into a member's caches. */
export interface WarmthView {
  readonly known: boolean;
  readonly warmMs: number;
  readonly message: string;
  /** How the user's own requests were answered after the release. */
  readonly samples?: Readonly<Record<string, { readonly message: string; readonly timeToWarmMs?: number }>>;
}

/** What a Restore and a comparison give, as their outputs name it. */
export interface VerdictView {
  readonly verdict: Verdict;
  readonly results: Readonly<Record<string, MemberVerdictView>>;
  readonly differences: readonly DifferenceView[];
  readonly restoreMs?: number;
  /** Where what was overwritten is kept; empty when nothing was. */
  readonly safetyReference?: string;
  readonly probeResults?: Readonly<Record<string, ProbeView>>;
  readonly warmth?: Readonly<Record<string, WarmthView>>;
  readonly lostWork?: Readonly<Record<string, LostWorkView>>;
}

/** So many differences are shown by name; `--json` names all that were kept. */
const SHOWN_DIFFERENCES = 20;
const MAX_NAME = 20;
const INDENT = '  ';

const TONES: Readonly<Record<Verdict, Tone>> = {
  identical: 'good',
  equivalent: 'good',
  drifted: 'bad',
  unverified: 'caution',
};

/** Whether it is the same: the verdict of each member, what differs by name, and how long it took. */
export function renderVerdict(title: string, view: VerdictView, options: RenderOptions): string {
  const width = clampWidth(options.width);
  const { ascii } = options;
  const lines = [
    spread(
      [piece(printable(title, ascii), 'strong')],
      [piece(view.verdict, TONES[view.verdict])],
      width,
      ascii,
    ),
    ...memberLines(view, width, ascii),
    ...differenceLines(view, width, ascii),
    ...probeLines(view.probeResults, { width, ascii }),
    ...warmthLines(view, width, ascii),
    ...lostWorkLines(view, width, ascii),
    ...flow(facts(view), width, INDENT),
  ];
  return toText(lines, options);
}

function memberLines(view: VerdictView, width: number, ascii?: boolean): Line[] {
  const rows = Object.entries(view.results).map(([name, result]): Line[] => [
    [piece(printable(name, ascii))],
    [piece(result.verdict, TONES[result.verdict])],
    [piece(result.equal.toLocaleString('en-US'))],
    [piece(result.equal === 1 ? 'object equal' : 'objects equal', 'faint')],
    result.differenceCount === 0
      ? []
      : [piece(`${result.differenceCount.toLocaleString('en-US')} different`, 'bad')],
    result.restoreMs === undefined ? [] : [piece(formatMs(result.restoreMs), 'faint')],
  ]);
  return table(rows, [{ maxWidth: MAX_NAME }, {}, { align: 'end' }, {}, {}, {}], { width, ascii });
}

function differenceLines(view: VerdictView, width: number, ascii?: boolean): Line[] {
  const total = Object.values(view.results).reduce((sum, { differenceCount }) => sum + differenceCount, 0);
  if (total === 0) return [];
  const shown = view.differences.slice(0, SHOWN_DIFFERENCES);
  const hidden = total - shown.length;
  return [
    [piece(`${INDENT}${count(total, 'difference')}`)],
    ...namedDifferences(shown, width, ascii),
    ...(hidden > 0 ? [[piece(`    and ${hidden.toLocaleString('en-US')} more`, 'faint')]] : []),
  ];
}

/** One a line; how it differs stands below where it does not fit beside it. */
function namedDifferences(shown: readonly DifferenceView[], width: number, ascii?: boolean): Line[] {
  const rows = shown.map(({ member, object, kind }): Line[] => [
    [piece(printable(member, ascii))],
    [piece(kind, 'bad')],
    [piece(printable(object, ascii))],
  ]);
  const messages = shown.map(({ message }): Line => [piece(printable(message, ascii), 'faint')]);
  const columns = [{ maxWidth: MAX_NAME }, {}, {}];
  const options = { width, indent: '    ', ascii };
  const withMessages = rows.map((cells, index) => [...cells, messages[index]!]);
  if (widthOfTable(withMessages, [...columns, {}], options) <= width)
    return table(withMessages, [...columns, {}], options);
  return table(rows, columns, options).flatMap((line, index) => [
    line,
    ...paragraph(messages[index]!.map(({ text }) => text).join(''), width, '      ', 'faint'),
  ]);
}

/** What lay in caches at the cut and is there again; by member that has some. */
function warmthLines({ warmth = {} }: VerdictView, width: number, ascii?: boolean): Line[] {
  const all = Object.entries(warmth);
  if (all.length === 0) return [];
  return [
    [piece(`${INDENT}what lay in caches at the cut`)],
    ...all.flatMap(([name, { known, message, warmMs, samples = {} }]) => [
      ...paragraph(
        printable(`${name}: ${message}${warmMs > 0 ? ` (${formatMs(warmMs)})` : ''}`, ascii),
        width,
        '    ',
        known ? undefined : 'caution',
      ),
      ...Object.entries(samples).flatMap(([sample, one]) =>
        paragraph(
          printable(`${sample}: ${one.message}`, ascii),
          width,
          '      ',
          one.timeToWarmMs === undefined ? 'caution' : undefined,
        ),
      ),
    ]),
  ];
}

/** What a switch to the restored would lose, or do a second time; by member that was named as an original. */
function lostWorkLines({ lostWork = {} }: VerdictView, width: number, ascii?: boolean): Line[] {
  const all = Object.entries(lostWork);
  if (all.length === 0) return [];
  return [
    [piece(`${INDENT}what the originals have done since the cut`)],
    ...all.flatMap(([name, { read, message, changes }]) => [
      ...paragraph(printable(`${name}: ${message}`, ascii), width, '    ', read ? undefined : 'caution'),
      ...Object.entries(changes).flatMap(([probe, change]) =>
        paragraph(printable(`${probe}: ${signed(change)}`, ascii), width, '      ', 'faint'),
      ),
    ]),
  ];
}

function signed(change: number): string {
  return `${change > 0 ? '+' : ''}${change.toLocaleString('en-US')}`;
}

function facts(view: VerdictView): Line[] {
  const phrases: Line[] = [];
  if (view.restoreMs !== undefined) phrases.push([piece(`restored in ${formatMs(view.restoreMs)}`)]);
  if (view.safetyReference) phrases.push([piece(`what was overwritten is kept as ${view.safetyReference}`)]);
  return phrases;
}
