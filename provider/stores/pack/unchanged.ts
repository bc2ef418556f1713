/**
 * Finds what has not changed since the snapshot before: segments whose SHA-256, which a blob's digest is made of
 * anyhow, is that of a segment of then. Its pages need not be hashed and looked up one by one.
 */
import { hash } from 'node:crypto';
import { type BlobDigest, BlobDigester, SEGMENT_BYTES, SEGMENT_HASH_BYTES } from '../../core/blob-digest.ts';
import { type Extents, ZERO_PACK } from './extents.ts';
import { ZERO_FRAME } from './frame.ts';

const HASH_WORDS = SEGMENT_HASH_BYTES / 4;

/** Hashes of 64 GiB of content. Above it the table would take too much memory. */
export const MAX_KEPT_BYTES = 32 * 1024 * 1024;

/** Of a whole segment of zeros. */
export const ZERO_SEGMENT_HASH: Uint8Array = hash('sha256', Buffer.alloc(SEGMENT_BYTES), 'buffer');

/** What workers get: nothing of it changes once it is made. */
export interface UnchangedMemory {
  /** A power of two of slots: 0, or a segment's number plus 1. */
  readonly slots: SharedArrayBuffer;
  readonly hashes: SharedArrayBuffer;
  /** Where each segment's extents begin in `extents`, and the end of the last. */
  readonly starts: SharedArrayBuffer;
  /** Threes of length, frame and offset in the frame, as a unit's extents are. */
  readonly extents: SharedArrayBuffer;
}

/** A stored blob with what somebody kept of it: the SHA-256 of each of its segments, in order, 32 bytes each. */
export interface SegmentedBlob {
  readonly digest: BlobDigest;
  readonly extents: Extents;
  readonly segments: Uint8Array;
}

/** Where a place in a pack's raw content is, in frames of the session; undefined where the session does not know it. */
export type FrameLocator = (
  pack: number,
  rawOffset: number,
) => { readonly frame: number; readonly offset: number; readonly leftBytes: number } | undefined;

/** Finds segments that are known. One a worker. */
export class UnchangedView {
  readonly #slots: Int32Array;
  readonly #hashes: Int32Array;
  readonly #starts: Int32Array;
  readonly extents: Int32Array;

  constructor(memory: UnchangedMemory) {
    this.#slots = new Int32Array(memory.slots);
    this.#hashes = new Int32Array(memory.hashes);
    this.#starts = new Int32Array(memory.starts);
    this.extents = new Int32Array(memory.extents);
  }

  /** The number of the segment with this SHA-256, given as 8 words, or -1. */
  find(words: Int32Array): number {
    const mask = this.#slots.length - 1;
    for (let slot = words[0]! & mask; ; slot = (slot + 1) & mask) {
      const found = this.#slots[slot]! - 1;
      if (found < 0 || this.#holds(found, words)) return found;
    }
  }

  /** The segment's extents are [begin, end) of `extents`. */
  begin(segment: number): number {
    return this.#starts[segment]!;
  }

  end(segment: number): number {
    return this.#starts[segment + 1]!;
  }

  #holds(segment: number, words: Int32Array): boolean {
    for (let word = 0; word < HASH_WORDS; word += 1)
      if (this.#hashes[segment * HASH_WORDS + word] !== words[word]) return false;
    return true;
  }
}

/**
 * The table of all whole segments of these blobs whose content the session can point to. A blob whose segments are
 * not what its digest is made of is left out: whoever kept them need not be trusted.
 */
export function tabulate(blobs: readonly SegmentedBlob[], locate: FrameLocator): UnchangedMemory {
  const proved = blobs.filter(isProved);
  const room = proved.reduce((sum, { segments }) => sum + segments.length / SEGMENT_HASH_BYTES, 0);
  const hashes = new SharedArrayBuffer(room * SEGMENT_HASH_BYTES);
  const hashBytes = new Uint8Array(hashes);
  const starts = new Int32Array(new SharedArrayBuffer((room + 1) * 4));
  const extents: number[] = [];
  let count = 0;
  for (const blob of proved) {
    const whole = Math.floor(blob.extents.sizeBytes / SEGMENT_BYTES);
    for (let place = 0; place < whole; place += 1) {
      const at = place * SEGMENT_HASH_BYTES;
      const known = blob.segments.subarray(at, at + SEGMENT_HASH_BYTES);
      if (Buffer.compare(known, ZERO_SEGMENT_HASH) === 0) continue;
      if (!addExtents(extents, blob.extents, place * SEGMENT_BYTES, locate)) continue;
      hashBytes.set(known, count * SEGMENT_HASH_BYTES);
      count += 1;
      starts[count] = extents.length;
    }
  }
  const shared = new Int32Array(new SharedArrayBuffer(extents.length * 4));
  shared.set(extents);
  return {
    slots: slotsOf(new Int32Array(hashes), count),
    hashes,
    starts: starts.buffer,
    extents: shared.buffer,
  };
}

function isProved({ digest, extents, segments }: SegmentedBlob): boolean {
  if (segments.length !== Math.ceil(extents.sizeBytes / SEGMENT_BYTES) * SEGMENT_HASH_BYTES) return false;
  const digester = new BlobDigester();
  digester.addHashes(segments, extents.sizeBytes);
  return digester.digest() === digest;
}

function slotsOf(hashes: Int32Array, count: number): SharedArrayBuffer {
  const slots = new Int32Array(new SharedArrayBuffer(4 * 2 ** Math.ceil(Math.log2(count * 2 + 2))));
  for (let segment = 0; segment < count; segment += 1) {
    let slot = hashes[segment * HASH_WORDS]! & (slots.length - 1);
    while (slots[slot] !== 0) slot = (slot + 1) & (slots.length - 1);
    slots[slot] = segment + 1;
  }
  return slots.buffer;
}

/** Those of one segment, in frames; false and none where some of it lies in a pack that the session does not know. */
function addExtents(into: number[], extents: Extents, from: number, locate: FrameLocator): boolean {
  const found = inFrames(extents, locate, from, from + SEGMENT_BYTES);
  if (found === undefined) return false;
  for (const word of found) into.push(word);
  return true;
}

/**
 * What lies from one place to another, as threes of length, frame and offset in the frame; undefined where some of it
 * lies in a pack that the session does not know.
 */
export function inFrames(
  extents: Extents,
  locate: FrameLocator,
  from = 0,
  to = extents.sizeBytes,
): number[] | undefined {
  const threes: number[] = [];
  if (from >= to) return threes;
  let { extent, start } = extents.find(from);
  for (let position = from; position < to; extent += 1) {
    const end = Math.min(start + extents.length(extent), to);
    const pack = extents.pack(extent);
    if (pack === ZERO_PACK) {
      threes.push(end - position, ZERO_FRAME, 0);
      position = end;
    }
    while (position < end) {
      const place = locate(pack, extents.offset(extent) + position - start);
      if (place === undefined) return undefined;
      const length = Math.min(end - position, place.leftBytes);
      threes.push(length, place.frame, place.offset);
      position += length;
    }
    start += extents.length(extent);
  }
  return threes;
}
