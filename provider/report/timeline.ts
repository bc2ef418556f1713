import type { Span } from '../core/judgement.ts';
import type { Report, ReportTie } from './schema.ts';

/**
 * Where things lie in the picture of a cut. Pure geometry, in shares of a width, from 0 to 1.
 *
 * A hold may last seconds around a cut of microseconds. No logarithm and no break in the axis: the picture has levels,
 * each of them linear, each a magnification of the one above around the cut, which lies at the same place in all, so
 * that one straight line goes through them.
 */
export interface Level extends Span {
  /** How many times larger than in the first level everything is drawn. */
  readonly zoom: number;
}

/** What lies in a window, as shares of its width; what reaches beyond it is cut off there. */
export interface Placed {
  readonly from: number;
  readonly to: number;
  readonly cutOffBefore: boolean;
  readonly cutOffAfter: boolean;
}

export interface Tick {
  readonly at: number;
  /** Nanoseconds from the cut. */
  readonly ns: number;
}

/** Nothing is known of what happens in less: it is below what a clock's reading takes. */
const NOTHING_NS = 1000;
/** Room at both ends of the first level, as a share of what it shows. */
const MARGIN = 0.04;
/** The cut never lies nearer to an edge than this, so that both of its sides are seen. */
const EDGE = 0.36;
/** How much of a side is taken by what a level is for. */
const FILLED = 0.85;
/** What takes less than this share of the width is shown larger in a further level, where it takes `LARGE`. */
const SMALL = 0.012;
const LARGE = 0.06;
/** Another level is worth its place from this magnification on. */
const WORTH = 1.8;
/** What is magnified by more than this gets levels in between, up to two. */
const STEP = 60;
const MOST_STEPS = 3;

/** At least one; the first shows everything, and each next one magnifies the one above around the cut. */
export function levelsOf(report: Report): readonly Level[] {
  const spans = spansOf(report);
  const { cutNs } = report.judgement;
  const all = padded(cutNs === null ? spans : [...spans, { fromNs: cutNs, toNs: cutNs }]);
  if (cutNs === null) return [{ ...all, zoom: 1 }];
  const share = Math.min(1 - EDGE, Math.max(EDGE, (cutNs - all.fromNs) / (all.toNs - all.fromNs)));
  const fitting = (span: Span, filled: number): number =>
    Math.max((cutNs - span.fromNs) / share, (span.toNs - cutNs) / (1 - share)) / filled;
  const allNs = fitting(all, 1);
  const lengths = [allNs];
  const add = (lengthNs: number): void => {
    const aboveNs = lengths.at(-1)!;
    if (!(lengthNs > 0) || aboveNs / lengthNs < WORTH) return;
    const ratio = aboveNs / lengthNs;
    const steps = Math.min(MOST_STEPS, Math.ceil(Math.log(ratio) / Math.log(STEP)));
    for (let step = 1; step <= steps; step += 1) lengths.push(aboveNs / ratio ** (step / steps));
  };
  const whole = report.judgement.blur ?? report.judgement.sharedHold;
  if (whole !== null) add(fitting(whole, FILLED));
  const shownNs = lengths.at(-1)!;
  const small = spans.filter(
    ({ fromNs, toNs }) => toNs - fromNs >= NOTHING_NS && toNs - fromNs < SMALL * shownNs,
  );
  add(Math.min(...small.map((span) => Math.max((span.toNs - span.fromNs) / LARGE, fitting(span, FILLED)))));
  return lengths.map((lengthNs) => ({
    fromNs: cutNs - share * lengthNs,
    toNs: cutNs + (1 - share) * lengthNs,
    zoom: allNs / lengthNs,
  }));
}

function spansOf({ members, judgement }: Report): Span[] {
  const spans = members.flatMap(({ ties, pauses }) => [...ties.map(spanOf), ...pauses]).filter(isKnown);
  return judgement.blur === null ? spans : [...spans, judgement.blur];
}

function isKnown({ fromNs, toNs }: Span): boolean {
  return Number.isFinite(fromNs) && Number.isFinite(toNs);
}

function padded(spans: readonly Span[]): Span {
  const fromNs = Math.min(...spans.map((span) => span.fromNs));
  const toNs = Math.max(...spans.map((span) => span.toNs));
  if (!(toNs > fromNs)) return around(Number.isFinite(fromNs) ? fromNs : 0);
  const marginNs = (toNs - fromNs) * MARGIN;
  return { fromNs: fromNs - marginNs, toNs: toNs + marginNs };
}

/** What a picture without any extent shows. */
function around(ns: number): Span {
  return { fromNs: ns - 500_000, toNs: ns + 500_000 };
}

export function spanOf(tie: ReportTie): Span {
  switch (tie.tie) {
    case 'hold':
      return { fromNs: tie.heldFromNs, toNs: tie.heldToNs };
    case 'mark':
      return { fromNs: tie.sentNs, toNs: tie.acknowledgedNs };
    case 'smear':
      return { fromNs: tie.fromNs, toNs: tie.toNs };
  }
}

/** Undefined where nothing of it lies in the window. */
export function place(window: Span, span: Span): Placed | undefined {
  if (span.toNs < window.fromNs || span.fromNs > window.toNs || span.toNs < span.fromNs) return undefined;
  return {
    from: shareOf(window, Math.max(window.fromNs, span.fromNs)),
    to: shareOf(window, Math.min(window.toNs, span.toNs)),
    cutOffBefore: span.fromNs < window.fromNs,
    cutOffAfter: span.toNs > window.toNs,
  };
}

/** Where an instant lies in a window; below 0 or above 1 outside of it. */
export function shareOf(window: Span, ns: number): number {
  return (ns - window.fromNs) / (window.toNs - window.fromNs);
}

const ROUND = [1, 2, 5];

/** At round distances from `zeroNs`, which is one of them; no more than `most`, so that labels have room. */
export function ticksOf(window: Span, zeroNs: number, most: number): readonly Tick[] {
  const lengthNs = window.toNs - window.fromNs;
  const stepNs = stepFor(lengthNs / most);
  const first = Math.ceil((window.fromNs - zeroNs) / stepNs);
  const last = Math.floor((window.toNs - zeroNs) / stepNs);
  return Array.from({ length: Math.max(0, last - first + 1) }, (_, index) => {
    const ns = (first + index) * stepNs;
    return { at: shareOf(window, zeroNs + ns), ns };
  });
}

/** The least round number of nanoseconds that is not below `atLeastNs`. */
function stepFor(atLeastNs: number): number {
  const power = 10 ** Math.floor(Math.log10(atLeastNs));
  const factor = ROUND.find((round) => round * power >= atLeastNs * (1 - 1e-9)) ?? 10;
  return factor * power;
}
