import type { Fingerprint, FingerprintEntry } from '../../core/fingerprint.ts';
import { DIGEST_BYTES } from './content-digest.ts';

/** What an object is: a type of value, or one of the things that are listed beside the keys. */
export type Kind =
  | 'string'
  | 'list'
  | 'set'
  | 'zset'
  | 'hash'
  | 'stream'
  | 'module'
  | 'field'
  | 'group'
  | 'function'
  | 'user';

export interface TableRow {
  readonly object: string;
  readonly kind: Kind;
  /** DIGEST_BYTES long, of all that counts but the expiry time. */
  readonly digest: Uint8Array;
  readonly size: number;
  /** Unix milliseconds, as it is compared. */
  readonly expireAtMs?: number;
  /** Unix milliseconds after which it may be gone, where that is not `expireAtMs`. */
  readonly mayVanishAtMs?: number;
}

const KINDS: readonly Kind[] = [
  'string',
  'list',
  'set',
  'zset',
  'hash',
  'stream',
  'module',
  'field',
  'group',
  'function',
  'user',
];

/**
 * Collects a fingerprint's rows in any order and gives them back sorted. An entry takes about 70 bytes and its name:
 * a million keys need some 100 MB. That is the bound of fingerprinting: keys come in no order, and have to be sorted.
 */
export class FingerprintTable {
  private readonly objects: string[] = [];
  private digests = Buffer.allocUnsafe(1024 * DIGEST_BYTES);
  /** By row: kind, size, expiry and end of life; NaN where there is none. */
  private numbers = new Float64Array(1024 * 4);

  get length(): number {
    return this.objects.length;
  }

  add(row: TableRow): void {
    const index = this.objects.length;
    if ((index + 1) * 4 > this.numbers.length) this.grow();
    this.objects.push(row.object);
    this.digests.set(row.digest, index * DIGEST_BYTES);
    const vanish = row.mayVanishAtMs ?? row.expireAtMs ?? Number.NaN;
    this.numbers.set([KINDS.indexOf(row.kind), row.size, row.expireAtMs ?? Number.NaN, vanish], index * 4);
  }

  /** In code-unit order. A key that a scan saw twice comes once, as it was seen last. */
  async *entries(): Fingerprint {
    const order = new Uint32Array(this.objects.length);
    for (let index = 0; index < order.length; index += 1) order[index] = index;
    const { objects } = this;
    order.sort((a, b) => (objects[a]! < objects[b]! ? -1 : objects[a]! > objects[b]! ? 1 : a - b));
    for (const [position, index] of order.entries()) {
      const next = order[position + 1];
      if (next === undefined || objects[next] !== objects[index]) yield this.entry(index);
    }
  }

  private entry(index: number): FingerprintEntry {
    const [kindIndex = 0, size = 0, expireAtMs = Number.NaN, vanishAtMs = Number.NaN] = this.numbers.subarray(
      index * 4,
      index * 4 + 4,
    );
    const kind = KINDS[kindIndex]!;
    const digest = this.digests.toString('hex', index * DIGEST_BYTES, (index + 1) * DIGEST_BYTES);
    const expires = Number.isNaN(expireAtMs) ? undefined : expireAtMs;
    return {
      object: this.objects[index]!,
      // The expiry time is part of what counts; it stays readable, so that a difference can name it.
      digest: expires === undefined ? `${kind}:${digest}` : `${kind}:${digest}:${expires}`,
      facts: { type: kind, size, ...(expires === undefined ? {} : { expires: readable(expires) }) },
      ...(Number.isNaN(vanishAtMs) ? {} : { mayVanishAtMs: vanishAtMs }),
    };
  }

  private grow(): void {
    const digests = Buffer.allocUnsafe(this.digests.length * 2);
    this.digests.copy(digests);
    this.digests = digests;
    const numbers = new Float64Array(this.numbers.length * 2);
    numbers.set(this.numbers);
    this.numbers = numbers;
  }
}

/** ISO 8601 where a date can say it; Redis takes later times than that. */
function readable(expireAtMs: number): string | number {
  return Math.abs(expireAtMs) <= 8.64e15 ? new Date(expireAtMs).toISOString() : expireAtMs;
}
