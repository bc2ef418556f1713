import { expandLzf } from './lzf.ts';
import { malformed } from './malformed.ts';

/** Thrown by a cursor that needs more bytes than it has: the caller waits for them and starts the item again. */
export const NEED_MORE = Symbol('more bytes are needed');

const ENCODED_INT8 = 0;
const ENCODED_INT16 = 1;
const ENCODED_INT32 = 2;
const ENCODED_LZF = 3;

/** Reads the primitives of RDB from a buffer. Numbers are as Redis writes them: lengths big-endian, the rest little. */
export class Cursor {
  readonly bytes: Buffer;
  at: number;

  constructor(bytes: Buffer, at = 0) {
    this.bytes = bytes;
    this.at = at;
  }

  get ended(): boolean {
    return this.at >= this.bytes.length;
  }

  /** Moves on by this many bytes and tells where they start. */
  skip(count: number): number {
    const start = this.at;
    if (count > this.bytes.length - start) throw NEED_MORE;
    this.at = start + count;
    return start;
  }

  byte(): number {
    return this.bytes[this.skip(1)]!;
  }

  take(count: number): Buffer {
    const start = this.skip(count);
    return this.bytes.subarray(start, start + count);
  }

  /** A length: 6, 14, 32 or 64 bits, by its two highest bits. */
  length(): number {
    const length = this.bigLength();
    if (typeof length === 'number') return length;
    if (length > BigInt(Number.MAX_SAFE_INTEGER)) throw malformed('a length is beyond 2^53');
    return Number(length);
  }

  /** The same encoding holds numbers of 64 bits, such as the parts of a stream's ids. */
  wide(): bigint {
    return BigInt(this.bigLength());
  }

  private bigLength(): number | bigint {
    const first = this.byte();
    switch (first >>> 6) {
      case 0:
        return first;
      case 1:
        return ((first & 63) << 8) | this.byte();
      case 2:
        if (first === 0x80) return this.bytes.readUInt32BE(this.skip(4));
        if (first === 0x81) return this.bytes.readBigUInt64BE(this.skip(8));
        break;
    }
    throw malformed(`0x${first.toString(16)} is no length`);
  }

  /** A string, expanded: plain, a number, or compressed. */
  string(): Buffer {
    const first = this.peek();
    if (first >>> 6 !== 3) return this.take(this.length());
    this.at += 1;
    switch (first & 63) {
      case ENCODED_INT8:
        return decimal(this.bytes.readInt8(this.skip(1)));
      case ENCODED_INT16:
        return decimal(this.bytes.readInt16LE(this.skip(2)));
      case ENCODED_INT32:
        return decimal(this.bytes.readInt32LE(this.skip(4)));
      case ENCODED_LZF: {
        const compressed = this.length();
        const expanded = this.length();
        return expandLzf(this.take(compressed), expanded);
      }
    }
    throw malformed(`string encoding ${first & 63} is not known`);
  }

  /** Passes over a string without making it. */
  skipString(): void {
    const first = this.peek();
    if (first >>> 6 !== 3) {
      this.skip(this.length());
      return;
    }
    this.at += 1;
    const encoding = first & 63;
    if (encoding > ENCODED_LZF) throw malformed(`string encoding ${encoding} is not known`);
    if (encoding !== ENCODED_LZF) {
      this.skip(1 << encoding);
      return;
    }
    const compressed = this.length();
    this.length();
    this.skip(compressed);
  }

  /** The older form of a score: decimal digits after their count, with three counts for what has no digits. */
  textDouble(): number {
    const count = this.byte();
    if (count === 255) return Number.NEGATIVE_INFINITY;
    if (count === 254) return Number.POSITIVE_INFINITY;
    if (count === 253) return Number.NaN;
    return Number(this.take(count).toString('latin1'));
  }

  skipTextDouble(): void {
    const count = this.byte();
    if (count < 253) this.skip(count);
  }

  double(): number {
    return this.bytes.readDoubleLE(this.skip(8));
  }

  /** Milliseconds since the Unix epoch, signed 64 bits; exact up to 2^53. */
  milliseconds(): number {
    return Number(this.bytes.readBigInt64LE(this.skip(8)));
  }

  private peek(): number {
    const first = this.bytes[this.at];
    if (first === undefined) throw NEED_MORE;
    return first;
  }
}

export function decimal(value: number | bigint): Buffer {
  return Buffer.from(String(value), 'latin1');
}
