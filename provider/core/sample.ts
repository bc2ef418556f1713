import type { Question, QuestionKind } from './probe.ts';
import type { BlobDescriptor } from './store.ts';
import { formatMs } from './units.ts';

/** Requests of a user's own to one member, asked again and again to see how quickly it answers. */
export interface Sample {
  readonly name: string;
  readonly member: string;
  /** In turn; one at least. */
  readonly questions: readonly Question[];
  readonly durationMs: number;
}

/** How quickly requests were answered that were asked one after another on one connection. */
export interface Pace {
  readonly requests: number;
  readonly p50Ms: number;
  readonly p99Ms: number;
  /** The least that a question took which is no work: what is the line's and not the member's. */
  readonly lineMs: number;
  /** What share of what they needed lay in caches, 0 to 1; absent where nobody can tell. */
  readonly hitRate?: number;
}

/** So much was needed until now, and so much of it lay in caches; in units of the system's own. */
export interface CacheHits {
  readonly asked: number;
  readonly found: number;
}

/** What became of a sample before the cut, in a manifest. */
export interface SampleRecord {
  readonly member: string;
  readonly kind: QuestionKind;
  readonly durationMs: number;
  /** Those that were asked, as JSON in a blob of the member; absent without `before`. */
  readonly requests?: BlobDescriptor & { readonly count: number };
  readonly before?: Pace;
  /** Why nothing was measured. */
  readonly error?: { readonly code: string; readonly message: string };
}

/** How long what was restored took until it was as quick as before the cut. */
export interface SampleWarmth {
  readonly member: string;
  readonly before?: Pace;
  /** Of the first window of requests, and of the one that was as before, or else the last. */
  readonly first?: Pace;
  readonly last?: Pace;
  /** How many were answered, in all windows. */
  readonly requests: number;
  /** From the release until the window began that was as before; absent where none was. */
  readonly timeToWarmMs?: number;
  /** Why nothing was measured, or the last thing that failed. */
  readonly error?: string;
}

/** As `npm run bench -- warm` counts: a quarter slower is as before. */
const SLOWER = 1.25;
/** Two runs against the same warm server differ by this much: it is the scheduler's, on both sides of the line. */
const JITTER_MS = 0.2;
/** A page that somebody else has just displaced is no cold cache. */
const FEWER_HITS = 0.01;

/** For half of so much time it has to be as before: one good moment is none. */
export const STEADY_MS = 1_000;

/** Requests that were asked from one moment to another, since the release. */
export interface PaceWindow extends Pace {
  readonly beganMs: number;
  readonly endedMs: number;
}

/**
 * From which window on it is as before: the first that is, with which a second begins of which it is for half at least.
 * Undefined where there is none, or not all of that second was seen yet.
 */
export function warmWindow(windows: readonly PaceWindow[], before: Pace): PaceWindow | undefined {
  const seenMs = windows.at(-1)?.endedMs ?? 0;
  return windows.find((window, index) => {
    const untilMs = window.beganMs + STEADY_MS;
    if (untilMs > seenMs || !isAsBefore(window, before)) return false;
    const goodMs = windows
      .slice(index)
      .filter((one) => one.beganMs < untilMs && isAsBefore(one, before))
      .reduce((sum, one) => sum + Math.min(one.endedMs, untilMs) - one.beganMs, 0);
    return goodMs * 2 >= STEADY_MS;
  });
}

/** The nearest rank: the least of these that no more than the rest exceed. @param ascending one at least */
export function percentile(ascending: readonly number[], share: number): number {
  const rank = Math.ceil(ascending.length * share);
  return ascending[Math.min(ascending.length, Math.max(1, rank)) - 1]!;
}

/**
 * @param timesMs of each request, one at least
 * @param idleMs the least that a question took which is no work
 */
export function paceOf(timesMs: readonly number[], idleMs: number, hits?: CacheHits): Pace {
  const ascending = timesMs.toSorted((a, b) => a - b);
  return {
    requests: ascending.length,
    p50Ms: percentile(ascending, 0.5),
    p99Ms: percentile(ascending, 0.99),
    // No request is quicker than the line.
    lineMs: Math.min(idleMs, ascending[0]!),
    ...hitRateOf(hits),
  };
}

/** Counts of a server's may have been set back meanwhile, and are then none. */
function hitRateOf(hits: CacheHits | undefined): Pick<Pace, 'hitRate'> {
  const { asked, found } = hits ?? { asked: 0, found: 0 };
  return asked > 0 && found >= 0 && found <= asked ? { hitRate: found / asked } : {};
}

/** What was needed, and found, between two looks. */
export function hitsBetween(earlier?: CacheHits, later?: CacheHits): CacheHits | undefined {
  if (earlier === undefined || later === undefined) return undefined;
  return { asked: later.asked - earlier.asked, found: later.found - earlier.found };
}

/** Whether requests are answered as quickly as before, whatever the line between, and as much out of caches. */
export function isAsBefore(now: Pace, before: Pace): boolean {
  const isQuick = ownMs(now) <= ownMs(before) * SLOWER + JITTER_MS;
  const bothKnown = now.hitRate !== undefined && before.hitRate !== undefined;
  return isQuick && (!bothKnown || now.hitRate! >= before.hitRate! - FEWER_HITS);
}

/** Without the line. */
function ownMs({ p99Ms, lineMs }: Pace): number {
  return Math.max(0, p99Ms - lineMs);
}

/** For people. */
export function sampleSentence({ before, error }: Pick<SampleRecord, 'before' | 'error'>): string {
  if (before === undefined) return `Not measured: ${error?.message ?? 'nothing was said'}`;
  const { requests, p50Ms, p99Ms, lineMs, hitRate } = before;
  const hits = hitRate === undefined ? '' : `; ${percent(hitRate)} out of caches`;
  return `${requests.toLocaleString('en-US')} requests before the cut: p50 ${shortMs(p50Ms)}, p99 ${shortMs(p99Ms)}, of which the line took ${shortMs(lineMs)}${hits}.`;
}

/** For people. */
export function sampleWarmthSentence(measured: SampleWarmth): string {
  const { before, first, last, requests, timeToWarmMs, error } = measured;
  if (before === undefined || first === undefined || last === undefined)
    return `Not measured. ${error ?? ''}`.trimEnd();
  const failed = error === undefined ? '' : ` Not all were answered: ${error}`;
  const all = [before, first, last];
  const reached =
    timeToWarmMs === undefined
      ? 'Not as before within the time that there was'
      : `As before from ${shortMs(timeToWarmMs)} after the release on`;
  const [at, begun, ended] = all.map(({ p99Ms }) => shortMs(p99Ms));
  const hits = all.every(({ hitRate }) => hitRate !== undefined)
    ? `; out of caches ${all.map(({ hitRate }) => percent(hitRate!)).join(', then ')}`
    : '';
  return `${reached}: p99 ${at} before the cut, then ${begun}, at last ${ended} (the line: ${shortMs(before.lineMs)}, now ${shortMs(last.lineMs)})${hits}; ${requests.toLocaleString('en-US')} requests.${failed}`;
}

/** Requests are quick: below a millisecond to its hundredth. */
function shortMs(ms: number): string {
  return ms < 1 ? `${ms.toFixed(2)} ms` : formatMs(ms);
}

function percent(share: number): string {
  return `${(share * 100).toFixed(1)} %`;
}
