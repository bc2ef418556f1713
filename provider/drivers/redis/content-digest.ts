import { createHash, hash } from 'node:crypto';
import type { StreamEntry, StreamGroup, Value } from './value.ts';

/** Bytes of a digest that are kept: 128 bits. */
export const DIGEST_BYTES = 16;

/** What counts of a value: equal digests exactly when its commands show the same. */
export interface Content {
  readonly digest: Buffer;
  /** Bytes of a string, elements of anything else (of a hash: those that do not expire by themselves). */
  readonly size: number;
}

/**
 * Digests the content of a value but for what has an entry of its own: groups of a stream, fields that expire.
 * Lists and streams keep their order; sets, hashes and sorted sets are sums, which do not depend on any.
 */
export function digestContent(value: Value): Content {
  switch (value.type) {
    case 'string':
      return { digest: short(hash('sha256', value.bytes, 'buffer')), size: value.bytes.length };
    case 'list':
      return ordered(value.elements, (element) => [element]);
    case 'set':
      return summed(value.members, (member) => [member]);
    case 'zset':
      return summed(value.members, ([member, score]) => [member, scoreBytes(score)]);
    case 'hash':
      return summed(value.fields, ({ field, value: bytes }) => [field, bytes]);
    case 'stream':
      return ordered(value.entries, entryParts, value.lastId);
    case 'module':
      return summed(value.strings, (part) => [Buffer.from(value.module), part]);
  }
}

export function digestField(value: Buffer): Buffer {
  return short(hash('sha256', value, 'buffer'));
}

export function digestGroup(group: StreamGroup): Buffer {
  const state = createHash('sha256');
  add(state, Buffer.from(group.lastId));
  for (const consumer of group.consumers.toSorted(Buffer.compare)) add(state, consumer);
  state.update('pending');
  for (const entry of group.pending) {
    add(state, Buffer.from(`${entry.id} ${entry.deliveredAtMs} ${entry.deliveries}`));
    add(state, entry.consumer);
  }
  return short(state.digest());
}

function entryParts({ id, fields }: StreamEntry): Buffer[] {
  return [Buffer.from(id), ...fields];
}

function ordered<T>(items: Iterable<T>, partsOf: (item: T) => readonly Buffer[], before = ''): Content {
  const state = createHash('sha256').update(`${before}\n`);
  let size = 0;
  for (const item of items) {
    const parts = partsOf(item);
    state.update(`${parts.length}:`);
    for (const part of parts) add(state, part);
    size += 1;
  }
  return { digest: short(state.digest()), size };
}

/** Eight lanes of 32 bits are added up, each modulo 2^32: the sum of the elements' own digests. */
function summed<T>(items: Iterable<T>, partsOf: (item: T) => readonly Buffer[]): Content {
  const lanes = new Uint32Array(8);
  let size = 0;
  for (const item of items) {
    const parts = partsOf(item);
    const lengths = Buffer.from(`${parts.map((part) => part.length).join(',')}:`);
    const digest = hash('sha256', Buffer.concat([lengths, ...parts]), 'buffer');
    for (let lane = 0; lane < 8; lane += 1) lanes[lane]! += digest.readUInt32LE(lane * 4);
    size += 1;
  }
  return { digest: short(hash('sha256', Buffer.from(lanes.buffer), 'buffer')), size };
}

function add(state: ReturnType<typeof createHash>, part: Buffer): void {
  state.update(`${part.length}:`).update(part);
}

function short(digest: Buffer): Buffer {
  return digest.subarray(0, DIGEST_BYTES);
}

/** Eight bytes; -0 is 0, as a packed value cannot tell them apart from a command's view. */
function scoreBytes(score: number): Buffer {
  const bytes = Buffer.allocUnsafe(8);
  bytes.writeDoubleBE(score === 0 ? 0 : score);
  return bytes;
}
