import { count, formatWallClock } from '../core/printable.ts';
import { formatMs } from '../core/units.ts';
import type { Report, ReportMember, ReportOutcome, ReportTie } from './schema.ts';
import { spanOf } from './timeline.ts';

/** What the forms of a report say in words. Nothing here is escaped for any of them. */

/** The one sentence that a reader takes away. */
export function headline({ judgement, members }: Report): string {
  if (judgement.sharp)
    return members.length === 1 ? 'One instant fits it.' : `One instant fits ${allOf(members)}.`;
  if (judgement.blurMs === null) return 'Not all of it is tied to time.';
  return `No one instant fits: all of it lies within ${duration(judgement.blurMs * 1e6)}.`;
}

const NUMBERS = [
  'no',
  'one',
  'both',
  'all three',
  'all four',
  'all five',
  'all six',
  'all seven',
  'all eight',
  'all nine',
];

function allOf(members: readonly ReportMember[]): string {
  return `${NUMBERS[members.length] ?? `all ${members.length}`} members`;
}

/** `sharp`, `blur 6.2 s` or `not tied to time`. */
export function sharpness({
  sharp,
  blurMs,
}: {
  readonly sharp: boolean;
  readonly blurMs: number | null;
}): string {
  if (sharp) return 'sharp';
  return blurMs === null ? 'not tied to time' : `blur ${duration(blurMs * 1e6)}`;
}

/** `paused 37 ms`, or that nobody was. */
export function pausing({ judgement, members }: Report): string {
  const paused = members.filter(({ pauses }) => pauses.length > 0);
  if (paused.length === 0) return 'nobody was kept waiting';
  const whom =
    paused.length === members.length && members.length > 1
      ? 'all'
      : paused.map(({ name }) => name).join(', ');
  return `${whom} kept waiting for ${duration(judgement.pauseMs * 1e6)}${paused.length > 1 ? ' at most' : ''}`;
}

const UNITS: readonly (readonly [number, string])[] = [
  [1e9, 's'],
  [1e6, 'ms'],
  [1e3, 'µs'],
];

/** To three digits, in the unit that suits: `840 ns`, `12.4 µs`, `29.1 ms`, `6.20 s`. */
export function duration(ns: number): string {
  const size = Math.abs(ns);
  if (size < 0.5) return '0';
  // What rounds up to a thousand of a unit is one of the next.
  const [factor, unit] = UNITS.find(([one]) => size >= one * 0.9995) ?? [1, 'ns'];
  const value = size / factor;
  const digits = unit === 'ns' || value >= 99.95 ? 0 : value >= 9.995 ? 1 : 2;
  return `${ns < 0 ? '−' : ''}${value.toFixed(digits)} ${unit}`;
}

/** A distance from the cut, with its sign: `+2 ms`; of round numbers no digit too much. */
export function tickLabel(ns: number): string {
  const size = Math.abs(ns);
  const [factor, unit] = UNITS.find(([one]) => size >= one * 0.9995) ?? [1, 'ns'];
  return `${ns < 0 ? '−' : '+'}${Number((size / factor).toPrecision(6))} ${unit}`;
}

/** A time as seen from the cut, or from the clock's start where no cut was proved. */
export function fromCut(ns: number, zeroNs: number): string {
  const distance = ns - zeroNs;
  return Math.abs(distance) < 0.5 ? '0' : `${distance > 0 ? '+' : ''}${duration(distance)}`;
}

/** One word for how a tie ties. */
export function tieWord(tie: ReportTie): string {
  return tie.tie === 'hold' ? tie.how : tie.tie === 'mark' ? 'marked' : 'smeared';
}

/** One word for how a member was tied to time. */
export function memberWord({ ties }: ReportMember): string {
  const standing = ties.filter(({ fault }) => fault === null);
  const first =
    standing.find(({ tie }) => tie === 'smear') ?? standing.find(({ tie }) => tie === 'hold') ?? standing[0];
  return first === undefined ? 'untied' : tieWord(first);
}

const MEANING: Readonly<Record<string, string>> = {
  frozen: 'executed nothing',
  locked: 'queued or refused every write',
  drained: 'ran on, seen idle, with all that could change it held',
  still: 'ran on; readings at both ends show that nothing changed',
};

/** A tie in a sentence: for a tooltip, a screen reader, the line under the picture. */
export function tieSentence(member: ReportMember, tie: ReportTie, zeroNs: number): string {
  const { fromNs, toNs } = spanOf(tie);
  const when = `${fromCut(fromNs, zeroNs)} to ${fromCut(toNs, zeroNs)}`;
  const doubt = tie.fault === null ? '' : ` Does not count: ${tie.fault}.`;
  const length = duration(toNs - fromNs);
  switch (tie.tie) {
    case 'hold':
      return `${member.name}, ${tie.how} from ${when} (${length}): ${MEANING[tie.how]}.${doubt}`;
    case 'mark':
      return `${member.name}, marked at one instant within ${when} (${length})${tie.covered ? ', while it was held' : ''}.${doubt}`;
    case 'smear':
      return `${member.name}, read bit by bit from ${when} (${length}): ${tie.reason}.${doubt}`;
  }
}

export function pauseSentence(
  member: ReportMember,
  pause: { fromNs: number; toNs: number },
  zeroNs: number,
): string {
  return `${member.name} kept its clients waiting from ${fromCut(pause.fromNs, zeroNs)} to ${fromCut(pause.toNs, zeroNs)} (${duration(pause.toNs - pause.fromNs)}).`;
}

/** `2026-11-23` and `09:26:41.252 UTC`, or the text as it stands and nothing. */
export function dayAndTime(iso: string): readonly [string, string] {
  const match = /^(\S+) (\S+ UTC)$/.exec(formatWallClock(iso));
  return match ? [match[1]!, match[2]!] : [formatWallClock(iso), ''];
}

/** `1 object equal, 2 differ`. */
export function comparedWords(equal: number, differing: number): string {
  const same = `${count(equal, 'object')} equal`;
  return differing === 0 ? same : `${same}, ${differing.toLocaleString('en-US')} different`;
}

/** Why one instant fits, in a sentence; nothing where it does not: the findings say why. */
export function because({ judgement, members }: Report): string | undefined {
  const { sharp, sharedHold } = judgement;
  if (!sharp) return undefined;
  const standing = members.flatMap(({ ties }) => ties.filter(({ fault }) => fault === null));
  const free = standing.find((tie) => tie.tie === 'mark' && !tie.covered);
  if (sharedHold === null) return 'The one mark is an instant by itself.';
  const held = `What was held was held at once for ${duration(sharedHold.toNs - sharedHold.fromNs)}`;
  if (free !== undefined) return `${held}, and the one mark without a hold of its own lies wholly inside.`;
  const isMarked = standing.some(({ tie }) => tie === 'mark');
  return isMarked
    ? `${held}, and every mark carries the state that its own member's hold shows.`
    : `${held}.`;
}

/** `shop@sha256:3f9a1c2b3f9a`: what tells snapshots of one store apart. */
export function shortReference(reference: string): string {
  return reference.replace(/(sha256:[0-9a-f]{12})[0-9a-f]+$/, '$1');
}

export function outcomeTitle({ kind, with: other }: ReportOutcome): string {
  if (kind === 'restore') return 'Is the restored application the same?';
  return other === 'running' ? 'Is what runs now still the same?' : 'Are both snapshots the same?';
}

const VERDICTS: Readonly<Record<ReportOutcome['verdict'], string>> = {
  identical: 'Every byte and attribute is equal.',
  equivalent: 'All that counts is equal.',
  drifted: 'Something that counts differs.',
  unverified: 'Not everything could be compared.',
};

export function outcomeSentence({
  verdict,
  kind,
  with: other,
  restoreMs,
  safetyReference,
}: ReportOutcome): string {
  const against =
    kind === 'comparison' && other !== null && other !== 'running'
      ? ` Compared with ${shortReference(other)}.`
      : '';
  const took = restoreMs === null ? '' : ` Restored in ${formatMs(restoreMs)}.`;
  const kept = safetyReference === null ? '' : ` What was overwritten is kept as ${safetyReference}.`;
  return `${VERDICTS[verdict]}${against}${took}${kept}`;
}

export const WARMTH_TITLE = 'What lay in caches at the cut';

export const LOST_WORK_TITLE = 'What the originals have done since the cut';

/** `+12` or `−3`. */
export function signedCount(change: number): string {
  return `${change > 0 ? '+' : change < 0 ? '−' : ''}${Math.abs(change).toLocaleString('en-US')}`;
}

/** How an object differs, without what its kind says already. */
export function howWords(kind: string, message: string): string {
  return message.startsWith(kind) ? message.slice(kind.length).trim() : message;
}

/** What system a member came from: `PostgreSQL 15.18`, `linux, file system ext4`. */
export function systemWords({ driver, system }: NonNullable<ReportMember['captured']>): string {
  const { name, product, version, ...others } = system;
  const plain = [product === driver ? undefined : product, version].filter((word) => word !== undefined);
  const more = Object.entries(others).map(([key, value]) => `${spaced(key)} ${value}`);
  return [name ?? plain.join(' '), ...more].filter((word) => word !== '').join(', ');
}

/** `fileSystem` as `file system`. */
function spaced(key: string): string {
  return key.replace(
    /([a-z])([A-Z])/g,
    (_, before: string, after: string) => `${before} ${after.toLowerCase()}`,
  );
}
