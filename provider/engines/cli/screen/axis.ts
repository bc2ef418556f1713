import { NS_PER_MS } from '../../../core/units.ts';

/**
 * The axis of a cut's picture: how nanoseconds on the coordinator's clock fall on columns of the screen. Its zero is
 * the cut. A hold may last seconds around a cut of a millisecond, so the axis shows the time around the cut in which
 * things happen, and what reaches further is clipped.
 */
export interface Axis {
  readonly fromNs: number;
  readonly toNs: number;
  /** Where the axis reads zero. */
  readonly zeroNs: number;
  /** What zero is: the cut, or only the beginning where no cut was proved. */
  readonly zero: 'cut' | '0';
  readonly columns: number;
}

export interface Span {
  readonly fromNs: number;
  readonly toNs: number;
}

/** Ends within this of zero are always shown. */
const ALWAYS_SHOWN_NS = NS_PER_MS;
/** An end that lies only so much further out than others is shown as well. */
const STRETCH = 2;
/** Neither side of zero gets less than this share of what the other one gets, if it has anything to show. */
const MIN_SIDE_SHARE = 0.25;
/** What is seen of a side all of whose ends are clipped, as a share of what would have been shown. */
const CLIPPED_SIDE_SHARE = 0.25;

/**
 * About the longest stretch of time on which the shortest span still has a column to itself, as far as there are
 * ends to show, and never so short that a whole span would lie outside.
 */
export function axisAround(
  zero: Pick<Axis, 'zero' | 'zeroNs'>,
  spans: readonly Span[],
  columns: number,
): Axis {
  const { zeroNs } = zero;
  const shortestNs = Math.min(
    ...spans.map((span) => span.toNs - span.fromNs).filter((lengthNs) => lengthNs > 0),
  );
  const limitNs = Math.max(
    ALWAYS_SHOWN_NS,
    Number.isFinite(shortestNs) ? (shortestNs * columns) / 2 : 0,
    ...spans.map((span) => distanceTo(span, zeroNs) * 1.1),
  );
  const before = spans.map((span) => zeroNs - span.fromNs);
  const after = spans.map((span) => span.toNs - zeroNs);
  const reachNs = Math.max(limitNs, STRETCH * Math.max(furthest(before, limitNs), furthest(after, limitNs)));
  const [beforeNs, afterNs] = [sideOf(before, reachNs), sideOf(after, reachNs)];
  const isPoint = beforeNs === 0 && afterNs === 0;
  return {
    ...zero,
    fromNs: zeroNs - (isPoint ? limitNs : beforeNs && Math.max(beforeNs, afterNs * MIN_SIDE_SHARE)),
    toNs: zeroNs + (isPoint ? limitNs : afterNs && Math.max(afterNs, beforeNs * MIN_SIDE_SHARE)),
    columns,
  };
}

/** From zero to the nearest end of a span that does not contain it. */
function distanceTo(span: Span, zeroNs: number): number {
  return Math.max(0, span.fromNs - zeroNs, zeroNs - span.toNs);
}

function furthest(distances: readonly number[], reachNs: number): number {
  return Math.max(0, ...distances.filter((distance) => distance <= reachNs));
}

/** How much is shown on one side of zero: up to its furthest end within reach. */
function sideOf(distances: readonly number[], reachNs: number): number {
  const shown = furthest(distances, reachNs);
  const isClipped = distances.some((distance) => distance > reachNs);
  return isClipped ? Math.max(shown, reachNs * CLIPPED_SIDE_SHARE) : shown;
}

/** The column of a time, from 0 to `columns` - 1; a time outside falls on the edge. */
export function columnAt(axis: Axis, ns: number): number {
  const share = (ns - axis.fromNs) / (axis.toNs - axis.fromNs);
  return Math.min(axis.columns - 1, Math.max(0, Math.round(share * (axis.columns - 1))));
}

export interface Tick {
  readonly column: number;
  readonly label: string;
}

export interface Ticks {
  readonly ticks: readonly Tick[];
  readonly unit: 'ms' | 's';
}

const MS_PER_S = 1000;
const ROUND_STEPS = [1, 2, 5];

/** Ticks at round distances from zero, with labels that do not touch, and the unit that they are in. */
export function ticksOf(axis: Axis): Ticks {
  const nsPerColumn = (axis.toNs - axis.fromNs) / Math.max(1, axis.columns - 1);
  for (let exponent = -6; exponent < 9; exponent += 1)
    for (const round of ROUND_STEPS) {
      const stepMs = round * 10 ** exponent;
      const found = ticksEvery(axis, stepMs);
      const widest = Math.max(...found.ticks.map(({ label }) => label.length));
      if ((stepMs * NS_PER_MS) / nsPerColumn >= widest + 2) return found;
    }
  return ticksEvery(axis, Number.POSITIVE_INFINITY);
}

function ticksEvery(axis: Axis, stepMs: number): Ticks {
  const unit = stepMs >= MS_PER_S ? 's' : 'ms';
  const zero: Tick = { column: columnAt(axis, axis.zeroNs), label: axis.zero };
  const stepNs = stepMs * NS_PER_MS;
  // A step far too short for the screen need not be laid out to be refused.
  if (!Number.isFinite(stepNs) || (axis.toNs - axis.fromNs) / stepNs > axis.columns)
    return { ticks: [zero], unit };
  const step = unit === 's' ? stepMs / MS_PER_S : stepMs;
  const decimals = Math.max(0, -Math.floor(Math.log10(step) + 1e-9));
  const first = Math.ceil((axis.fromNs - axis.zeroNs) / stepNs);
  const last = Math.floor((axis.toNs - axis.zeroNs) / stepNs);
  const ticks: Tick[] = [];
  for (let index = first; index <= last; index += 1) {
    const label = `${index < 0 ? '-' : '+'}${Math.abs(index * step).toFixed(decimals)}`;
    ticks.push(index === 0 ? zero : { column: columnAt(axis, axis.zeroNs + index * stepNs), label });
  }
  return { ticks, unit };
}
