import type { Clock } from './context.ts';
import { throwIfAborted } from './errors.ts';
import {
  CONTENT_DIFFERS,
  type Comparison,
  compareFingerprints,
  type Difference,
  type Fingerprint,
  type FingerprintEntry,
} from './fingerprint.ts';
import { compareItems, type Items, itemWords } from './items.ts';
import { formatMs, nsToMs } from './units.ts';

/** What lies within an object of a fingerprint; undefined where nothing does that could be told apart. */
export type ItemsOf = (entry: FingerprintEntry) => Promise<Items | undefined>;

/** One of two states that are compared. */
export interface ReadableState {
  fingerprint(): Fingerprint;
  /** In the same state; legal once the fingerprint was read to its end. */
  readonly itemsOf?: ItemsOf;
}

/** So many differing objects are looked into; the others are named by themselves. */
const OBJECTS_MOST = 50;
/** Looking into objects may take as long as comparing them did, several times over, or this. */
const LOOK_MS = 120_000;
const LOOK_FACTOR = 5;

/**
 * Compares the fingerprints, and then looks into what differs, as far as both sides can. Equal objects cost nothing
 * beyond their digest. What keeps it from looking into one is said in its message, and fails nothing.
 */
export async function compareStates(
  left: ReadableState,
  right: ReadableState,
  { clock, signal }: { readonly clock: Clock; readonly signal: AbortSignal },
): Promise<Comparison> {
  const startNs = clock.nowNs();
  const changed = new Map<Difference, readonly [FingerprintEntry, FingerprintEntry]>();
  const compared = await compareFingerprints(
    left.fingerprint(),
    right.fingerprint(),
    clock.wallMs(),
    (difference, a, b) => changed.set(difference, [a, b]),
  );
  const [one, other] = [left.itemsOf, right.itemsOf];
  if (one === undefined || other === undefined || changed.size === 0) return compared;
  const lookMs = Math.max(LOOK_MS, LOOK_FACTOR * nsToMs(clock.nowNs() - startNs));
  const endNs = clock.nowNs() + lookMs * 1e6;
  let looked = 0;
  const differences: Difference[] = [];
  for (const difference of compared.differences) {
    const entries = changed.get(difference);
    if (entries === undefined || looked === OBJECTS_MOST) {
      differences.push(difference);
      continue;
    }
    const sides = [one, other] as const;
    const seen = await lookedInto(difference, entries, sides, nsToMs(endNs - clock.nowNs()), signal);
    if (seen !== difference) looked += 1;
    differences.push(seen);
  }
  return { ...compared, differences };
}

async function lookedInto(
  difference: Difference,
  [a, b]: readonly [FingerprintEntry, FingerprintEntry],
  [one, other]: readonly [ItemsOf, ItemsOf],
  leftMs: number,
  outer: AbortSignal,
): Promise<Difference> {
  const said = (words: string): string =>
    difference.message === CONTENT_DIFFERS ? words : `${difference.message}; ${words}`;
  const timeoutMs = Math.max(0, Math.ceil(leftMs));
  const late = AbortSignal.timeout(timeoutMs);
  const unseen = (why: string): Difference => ({
    ...difference,
    message: `${difference.message} (not looked into: ${why})`,
  });
  try {
    const [left, right] = [await one(a), await other(b)];
    if (left === undefined || right === undefined) return difference;
    if (timeoutMs === 0) return unseen('no time was left');
    const signal = AbortSignal.any([outer, late]);
    const within = await compareItems(left, right, { timeoutMs, signal });
    const words = itemWords(within);
    return words === '' ? difference : { ...difference, message: said(words), within };
  } catch (error) {
    throwIfAborted(outer);
    if (late.aborted) return unseen(`it would have taken longer than ${formatMs(timeoutMs)}`);
    return unseen(error instanceof Error ? error.message : String(error));
  }
}
