import { damaged, Message } from './wire.ts';

const HEADER_BYTES = 8;
const SETS = 1;
const CONTROLLERS = 2;
const PATH = 2;
const PREFIX = 3;

/**
 * cgroup.img with the tasks in another control group of version 2: a group that carries the number of what it holds has
 * another path on another host. Of each set (field 1) every controller (2) has a path (2), and how many bytes of it a
 * namespace hides (3); all else stays as it is.
 */
export function moveGroups(image: Buffer, from: string, to: string): Buffer {
  const sizeBytes = image.length < HEADER_BYTES + 4 ? -1 : image.readUInt32LE(HEADER_BYTES);
  const start = HEADER_BYTES + 4;
  if (sizeBytes < 0 || start + sizeBytes > image.length) throw damaged();
  const moved = rewrite(image.subarray(start, start + sizeBytes), (field, value) =>
    field === SETS
      ? rewrite(value, (inner, set) => (inner === CONTROLLERS ? moveOne(set, from, to) : set))
      : value,
  );
  const header = Buffer.from(image.subarray(0, start));
  header.writeUInt32LE(moved.length, HEADER_BYTES);
  return Buffer.concat([header, moved, image.subarray(start + sizeBytes)]);
}

function moveOne(controller: Uint8Array, from: string, to: string): Uint8Array {
  const message = new Message(controller);
  if (message.text(PATH) !== from) return controller;
  const name = message.bytes(1);
  const hidden = message.number(PREFIX) === from.length ? to.length : message.number(PREFIX);
  const parts = [lengthPrefixed(1, name), lengthPrefixed(PATH, Buffer.from(to))];
  if (message.has(PREFIX)) parts.push(varint(PREFIX << 3), varint(hidden));
  return Buffer.concat(parts);
}

/** A message with what its fields of bytes hold replaced; numbers stay. */
function rewrite(bytes: Uint8Array, replace: (field: number, value: Uint8Array) => Uint8Array): Buffer {
  const parts: Uint8Array[] = [];
  for (let at = 0; at < bytes.length; ) {
    const key = readVarint(bytes, at);
    const value = readVarint(bytes, key.next);
    const kind = key.value & 7;
    if (kind === 0) parts.push(bytes.subarray(at, value.next));
    else if (kind === 2 && value.next + value.value <= bytes.length) {
      const inner = bytes.subarray(value.next, value.next + value.value);
      parts.push(lengthPrefixed(key.value >> 3, replace(key.value >> 3, inner)));
    } else throw damaged();
    at = kind === 0 ? value.next : value.next + value.value;
  }
  return Buffer.concat(parts);
}

function lengthPrefixed(field: number, value: Uint8Array): Buffer {
  return Buffer.concat([varint((field << 3) | 2), varint(value.length), value]);
}

function varint(value: number): Buffer {
  const bytes: number[] = [];
  let rest = value;
  do {
    bytes.push((rest & 0x7f) | (rest > 0x7f ? 0x80 : 0));
    rest >>>= 7;
  } while (rest > 0);
  return Buffer.from(bytes);
}

/** Lengths and numbers of fields: never more than 31 bits in this image. */
function readVarint(bytes: Uint8Array, from: number): { readonly value: number; readonly next: number } {
  let value = 0;
  for (let at = from; at < bytes.length && at < from + 10; at += 1) {
    value += (bytes[at]! & 0x7f) * 2 ** (7 * (at - from));
    if (bytes[at]! < 0x80) return { value, next: at + 1 };
  }
  throw damaged();
}
