import type { Fingerprint, FingerprintEntry } from '../../core/fingerprint.ts';
import { DIGEST_BYTES } from './content-digest.ts';
import type { ObjectName } from './names.ts';

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
  readonly object: ObjectName;
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
 * Collects a fingerprint's rows in any order and gives them back sorted. A row takes about 70 bytes and the rest of its
 * name: a million keys need some 100 MB. That is the bound of fingerprinting, as keys come in no order.
 */
export class FingerprintTable {
  /** By prefix of the names. */
  private readonly sections = new Map<string, Section>();
  length = 0;

  add(row: TableRow): void {
    const { prefix } = row.object;
    let section = this.sections.get(prefix);
    if (section === undefined) {
      section = new Section(prefix);
      this.sections.set(prefix, section);
    }
    section.add(row);
    this.length += 1;
  }

  /** In code-unit order. A key that a scan saw twice comes once, as it was seen last. */
  async *entries(): Fingerprint {
    const sections = [...this.sections.values()].sort((a, b) => (a.prefix < b.prefix ? -1 : 1));
    for (const section of sections) yield* section.entries();
  }
}

/** Rows whose names have one prefix: parallel arrays, as an object a row would take three times as much. */
class Section {
  readonly prefix: string;
  private readonly names: string[] = [];
  private kinds = new Uint8Array(64);
  private digests = Buffer.allocUnsafe(64 * DIGEST_BYTES);
  /** By row: size, expiry and end of life; NaN where there is none. */
  private numbers = new Float64Array(64 * 3);

  constructor(prefix: string) {
    this.prefix = prefix;
  }

  add(row: TableRow): void {
    const index = this.names.length;
    if (index === this.kinds.length) this.grow();
    this.names.push(row.object.rest);
    this.kinds[index] = KINDS.indexOf(row.kind);
    this.digests.set(row.digest, index * DIGEST_BYTES);
    this.numbers[index * 3] = row.size;
    this.numbers[index * 3 + 1] = row.expireAtMs ?? Number.NaN;
    this.numbers[index * 3 + 2] = row.mayVanishAtMs ?? row.expireAtMs ?? Number.NaN;
  }

  *entries(): Generator<FingerprintEntry> {
    const { names } = this;
    const order = new Uint32Array(names.length);
    for (let index = 0; index < order.length; index += 1) order[index] = index;
    order.sort((a, b) => (names[a]! < names[b]! ? -1 : names[a]! > names[b]! ? 1 : a - b));
    for (const [position, index] of order.entries()) {
      const next = order[position + 1];
      if (next === undefined || names[next] !== names[index]) yield this.entry(index);
    }
  }

  private entry(index: number): FingerprintEntry {
    const kind = KINDS[this.kinds[index]!]!;
    const size = this.numbers[index * 3]!;
    const expireAtMs = this.numbers[index * 3 + 1]!;
    const mayVanishAtMs = this.numbers[index * 3 + 2]!;
    const digest = this.digests.toString('hex', index * DIGEST_BYTES, (index + 1) * DIGEST_BYTES);
    const expires = Number.isNaN(expireAtMs) ? undefined : expireAtMs;
    return {
      object: this.prefix + this.names[index]!,
      // The expiry time is part of what counts; it stays readable, so that a difference can name it.
      digest: expires === undefined ? `${kind}:${digest}` : `${kind}:${digest}:${expires}`,
      facts: { type: kind, size, ...(expires === undefined ? {} : { expires: readable(expires) }) },
      ...(Number.isNaN(mayVanishAtMs) ? {} : { mayVanishAtMs }),
    };
  }

  private grow(): void {
    const rows = this.kinds.length * 2;
    const kinds = new Uint8Array(rows);
    kinds.set(this.kinds);
    this.kinds = kinds;
    const digests = Buffer.allocUnsafe(rows * DIGEST_BYTES);
    this.digests.copy(digests);
    this.digests = digests;
    const numbers = new Float64Array(rows * 3);
    numbers.set(this.numbers);
    this.numbers = numbers;
  }
}

/** ISO 8601 where a date can say it; Redis takes later times than that. */
function readable(expireAtMs: number): string | number {
  return Math.abs(expireAtMs) <= 8.64e15 ? new Date(expireAtMs).toISOString() : expireAtMs;
}
