import { formatBytes } from './units.ts';

/** What a driver has brought back into a member's caches before its release. */
export interface Warmth {
  /** What lay in its caches at the cut, in bytes; undefined where the snapshot does not know. */
  readonly hotBytes?: number | undefined;
  readonly warmedBytes: number;
  /** Why it is less than all that was hot, for people: a sentence. */
  readonly reason?: string;
}

/** Of a cache that may be filled; the rest is for what else needs it at once. */
export const SHARE_OF_CACHE = 0.9;
/** An index is built anew, in the order of its keys: from so much of it on, all of it is taken for hot. */
export const WHOLE_INDEX = 0.5;
/** A restore is not to wait for its caches for ever. */
export const WARM_MS = 600_000;
export const NOT_IN_TIME = `Not all was read within ${WARM_MS / 60_000} minutes.`;

/**
 * What there is room for, the first first; what does not fit is left out, or cut to what does.
 * @param cut the same, of that size, which is less than its own and more than nothing
 */
export function fitting<T>(
  wanted: readonly T[],
  sizeOf: (one: T) => number,
  room: number,
  cut?: (one: T, size: number) => T,
): { readonly chosen: readonly T[]; readonly size: number; readonly left: number } {
  const chosen: T[] = [];
  let size = 0;
  let left = 0;
  for (const one of wanted) {
    const own = sizeOf(one);
    const free = Math.max(0, room - size);
    const fits = own <= free ? own : cut === undefined ? 0 : Math.floor(free);
    if (fits > 0) chosen.push(fits < own ? cut!(one, fits) : one);
    size += fits;
    left += own - fits;
  }
  return { chosen, size, left };
}

/** For people. */
export function warmthSentence({ hotBytes, warmedBytes, reason }: Warmth): string {
  if (hotBytes === undefined) return reason ?? 'What was hot is not known.';
  const back = `${formatBytes(hotBytes)} were hot at the cut, ${formatBytes(warmedBytes)} were read back.`;
  return reason === undefined ? back : `${back} ${reason}`;
}
