import type { ItemDifferences } from './items.ts';

/**
 * What is compared to decide sameness: one entry an object (a table, a key, a file, a setting), with noise left
 * out by rules that each driver documents. Entries come sorted by `object` in code-unit order, each once, so that
 * two fingerprints are compared as streams whatever their size.
 */
export interface FingerprintEntry {
  /** Path-like and unique within the member: `db/shop/table/public.orders`, `db/0/key/cart:17`, `file/a/b.txt`. */
  readonly object: string;
  /** Equal exactly when all that counts of the object is equal. */
  readonly digest: string;
  /** For people and differences: `rows=1204`, `mode=0644`. Never a secret, never the content. */
  readonly facts?: Readonly<Record<string, string | number>>;
  /** The object may be absent once the wall clock has passed this (an expiry time), without being a difference. */
  readonly mayVanishAtMs?: number;
}

export type Fingerprint = AsyncIterable<FingerprintEntry>;

export interface Difference {
  readonly object: string;
  readonly kind: 'missing' | 'extra' | 'changed';
  /** For people: `rows: 1204 -> 1203`. */
  readonly message: string;
  /** What of it differs, where it was looked into. `message` says it shortly. */
  readonly within?: ItemDifferences;
}

export interface Comparison {
  /** How many objects were equal. */
  readonly equal: number;
  /** The first of them, in order; `differenceCount` counts all. */
  readonly differences: readonly Difference[];
  readonly differenceCount: number;
}

/** How many differences are kept by name; the rest are only counted. */
export const DIFFERENCES_KEPT = 200;

/**
 * Compares two sorted fingerprints. `nowMs` is wall-clock time (Unix milliseconds): objects that were due to
 * vanish before it may be absent. `onChanged` is told of each object that both have and that is kept by name.
 * @throws RangeError when a fingerprint is not strictly sorted: a driver's bug, never a verdict.
 */
export async function compareFingerprints(
  captured: Fingerprint,
  restored: Fingerprint,
  nowMs: number,
  onChanged: (
    difference: Difference,
    captured: FingerprintEntry,
    restored: FingerprintEntry,
  ) => void = () => {},
): Promise<Comparison> {
  const differences: Difference[] = [];
  let equal = 0;
  let differenceCount = 0;
  const differ = (difference: Difference, both?: readonly [FingerprintEntry, FingerprintEntry]): void => {
    differenceCount += 1;
    if (differences.length === DIFFERENCES_KEPT) return;
    differences.push(difference);
    if (both) onChanged(difference, ...both);
  };
  await using left = new Cursor(captured);
  await using right = new Cursor(restored);
  let [a, b] = [await left.next(), await right.next()];
  while (a !== undefined || b !== undefined) {
    if (b === undefined || (a !== undefined && a.object < b.object)) {
      if (!vanished(a!, nowMs))
        differ({ object: a!.object, kind: 'missing', message: `missing${describe(a!)}` });
      a = await left.next();
    } else if (a === undefined || b.object < a.object) {
      if (!vanished(b, nowMs))
        differ({ object: b.object, kind: 'extra', message: `not in the snapshot${describe(b)}` });
      b = await right.next();
    } else {
      if (a.digest === b.digest) equal += 1;
      else differ({ object: a.object, kind: 'changed', message: change(a, b) }, [a, b]);
      [a, b] = [await left.next(), await right.next()];
    }
  }
  return { equal, differences, differenceCount };
}

function vanished(entry: FingerprintEntry, nowMs: number): boolean {
  return entry.mayVanishAtMs !== undefined && entry.mayVanishAtMs <= nowMs;
}

function describe(entry: FingerprintEntry): string {
  const facts = Object.entries(entry.facts ?? {}).map(([name, value]) => `${name}=${value}`);
  return facts.length === 0 ? '' : ` (${facts.join(', ')})`;
}

/** Said where nothing more is known. */
export const CONTENT_DIFFERS = 'content differs';

function change(a: FingerprintEntry, b: FingerprintEntry): string {
  const names = new Set([...Object.keys(a.facts ?? {}), ...Object.keys(b.facts ?? {})]);
  const changed = [...names]
    .filter((name) => a.facts?.[name] !== b.facts?.[name])
    .map((name) => `${name}: ${a.facts?.[name] ?? 'none'} -> ${b.facts?.[name] ?? 'none'}`);
  return changed.length === 0 ? CONTENT_DIFFERS : changed.join(', ');
}

/** Reads a fingerprint one entry at a time, and insists on its order. */
class Cursor implements AsyncDisposable {
  private readonly iterator: AsyncIterator<FingerprintEntry>;
  private last: string | undefined;

  constructor(fingerprint: Fingerprint) {
    this.iterator = fingerprint[Symbol.asyncIterator]();
  }

  async next(): Promise<FingerprintEntry | undefined> {
    const { value, done } = await this.iterator.next();
    if (done) return undefined;
    if (this.last !== undefined && value.object <= this.last)
      throw new RangeError(`fingerprint out of order: ${value.object} after ${this.last}`);
    this.last = value.object;
    return value;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.iterator.return?.();
  }
}

const LINES_A_CHUNK = 512;

/** A fingerprint as NDJSON, some hundred lines a chunk. */
export async function* encodeFingerprint(
  entries: AsyncIterable<FingerprintEntry>,
): AsyncGenerator<Uint8Array> {
  let lines: string[] = [];
  for await (const entry of entries) {
    lines.push(`${JSON.stringify(entry)}\n`);
    if (lines.length < LINES_A_CHUNK) continue;
    yield Buffer.from(lines.join(''));
    lines = [];
  }
  if (lines.length > 0) yield Buffer.from(lines.join(''));
}
