import { decimal } from './cursor.ts';
import { malformed } from './malformed.ts';

/** The elements of a listpack (since Redis 7): numbers come as decimal text, as every command shows them. */
export function* listpack(bytes: Buffer): Generator<Buffer> {
  if (bytes.length < 7 || bytes.readUInt32LE(0) !== bytes.length)
    throw malformed('a listpack has a wrong size');
  let at = 6;
  while (bytes[at] !== 0xff) {
    const [element, size] = listpackElement(bytes, at);
    yield element;
    at += size + backlengthSize(size);
    if (at >= bytes.length) throw malformed('a listpack has no end');
  }
}

/** The element at an offset, and how many bytes it takes without the length that follows it. */
function listpackElement(bytes: Buffer, at: number): [Buffer, number] {
  const first = bytes[at]!;
  if (first < 0x80) return [decimal(first), 1];
  if (first < 0xc0) return text(bytes, at, 1, first & 0x3f);
  if (first < 0xe0) {
    const value = ((first & 0x1f) << 8) | byteAt(bytes, at + 1);
    return [decimal(value >= 4096 ? value - 8192 : value), 2];
  }
  if (first < 0xf0) return text(bytes, at, 2, ((first & 0x0f) << 8) | byteAt(bytes, at + 1));
  switch (first) {
    case 0xf0:
      return text(bytes, at, 5, bytes.readUInt32LE(at + 1));
    case 0xf1:
      return [decimal(bytes.readInt16LE(at + 1)), 3];
    case 0xf2:
      return [decimal(bytes.readIntLE(at + 1, 3)), 4];
    case 0xf3:
      return [decimal(bytes.readInt32LE(at + 1)), 5];
    case 0xf4:
      return [decimal(bytes.readBigInt64LE(at + 1)), 9];
  }
  throw malformed(`0x${first.toString(16)} is no listpack element`);
}

/** How many bytes tell the size of an element of this size, for walking backwards. */
function backlengthSize(size: number): number {
  if (size <= 127) return 1;
  if (size < 16_384) return 2;
  if (size < 2_097_152) return 3;
  return size < 268_435_456 ? 4 : 5;
}

/** The elements of a ziplist (until Redis 6.2). */
export function* ziplist(bytes: Buffer): Generator<Buffer> {
  if (bytes.length < 11 || bytes.readUInt32LE(0) !== bytes.length)
    throw malformed('a ziplist has a wrong size');
  let at = 10;
  while (bytes[at] !== 0xff) {
    at += bytes[at] === 0xfe ? 5 : 1;
    const [element, size] = ziplistElement(bytes, at);
    yield element;
    at += size;
    if (at >= bytes.length) throw malformed('a ziplist has no end');
  }
}

function ziplistElement(bytes: Buffer, at: number): [Buffer, number] {
  const first = byteAt(bytes, at);
  switch (first >>> 6) {
    case 0:
      return text(bytes, at, 1, first & 0x3f);
    case 1:
      return text(bytes, at, 2, ((first & 0x3f) << 8) | byteAt(bytes, at + 1));
    case 2:
      return text(bytes, at, 5, bytes.readUInt32BE(at + 1));
  }
  switch (first) {
    case 0xc0:
      return [decimal(bytes.readInt16LE(at + 1)), 3];
    case 0xd0:
      return [decimal(bytes.readInt32LE(at + 1)), 5];
    case 0xe0:
      return [decimal(bytes.readBigInt64LE(at + 1)), 9];
    case 0xf0:
      return [decimal(bytes.readIntLE(at + 1, 3)), 4];
    case 0xfe:
      return [decimal(bytes.readInt8(at + 1)), 2];
  }
  if (first >= 0xf1 && first <= 0xfd) return [decimal((first & 0x0f) - 1), 1];
  throw malformed(`0x${first.toString(16)} is no ziplist element`);
}

/** The members of a set of whole numbers: width, count, then the numbers in order. */
export function* intset(bytes: Buffer): Generator<Buffer> {
  const width = bytes.length < 8 ? 0 : bytes.readUInt32LE(0);
  if (![2, 4, 8].includes(width) || bytes.length !== 8 + width * bytes.readUInt32LE(4))
    throw malformed('an intset has a wrong size');
  for (let at = 8; at < bytes.length; at += width)
    yield decimal(width === 8 ? bytes.readBigInt64LE(at) : bytes.readIntLE(at, width));
}

/** Neighbours as pairs: fields with their values, members with their scores. */
export function* pairs<T>(elements: Iterable<T>): Generator<[T, T]> {
  let first: T | undefined;
  for (const element of elements) {
    if (first === undefined) first = element;
    else {
      yield [first, element];
      first = undefined;
    }
  }
  if (first !== undefined) throw malformed('a value has an odd number of elements');
}

function text(bytes: Buffer, at: number, header: number, count: number): [Buffer, number] {
  const start = at + header;
  if (start + count > bytes.length) throw malformed('an element leaves its value');
  return [bytes.subarray(start, start + count), header + count];
}

function byteAt(bytes: Buffer, at: number): number {
  const byte = bytes[at];
  if (byte === undefined) throw malformed('an element leaves its value');
  return byte;
}
