/**
 * Finds what has not changed since the snapshot before, several times faster than by hashing every page: a tag of
 * each 64 KiB, AES-128-GMAC under a secret key, is compared with the tags of last time. GMAC is a universal hash: who
 * does not know the key finds no two contents with equal tags except by chance, 2^-116 a pair (NIST SP 800-38D; all
 * tags use one nonce, which is safe as long as no tag is ever shown to anyone). Key and tags stay on this machine.
 */
import { createCipheriv, createSecretKey, type KeyObject } from 'node:crypto';
import { type Extents, ZERO_PACK } from './extents.ts';
import { ZERO_FRAME } from './frame.ts';

export const SEGMENT_BYTES = 64 * 1024;
export const TAG_BYTES = 16;
export const TAG_KEY_BYTES = 16;

const TAG_WORDS = TAG_BYTES / 4;
const NONCE = Buffer.alloc(12);

/** What workers get: nothing of it changes once it is made. */
export interface UnchangedMemory {
  readonly key: Uint8Array;
  /** A power of two of slots: 0, or a segment's number plus 1. */
  readonly slots: SharedArrayBuffer;
  readonly tags: SharedArrayBuffer;
  /** Where each segment's extents begin in `extents`, and the end of the last. */
  readonly starts: SharedArrayBuffer;
  /** Threes of length, frame and offset in the frame, as a unit's extents are. */
  readonly extents: SharedArrayBuffer;
}

/** Tags of a blob's whole segments, in order; zero for segments that are not stored. */
export interface TaggedBlob {
  readonly extents: Extents;
  readonly tags: Uint8Array;
}

/** Where a place in a pack's raw content is, in frames of the session; undefined where the session does not know it. */
export type FrameLocator = (
  pack: number,
  rawOffset: number,
) => { readonly frame: number; readonly offset: number; readonly leftBytes: number } | undefined;

/** Tags segments and finds those that are known. One a worker. */
export class UnchangedView {
  readonly #key: KeyObject;
  readonly #slots: Int32Array;
  readonly #tags: Int32Array;
  readonly #starts: Int32Array;
  readonly extents: Int32Array;
  readonly #tagWords = new Int32Array(TAG_WORDS);
  readonly #tagBytes = Buffer.from(this.#tagWords.buffer);

  constructor(memory: UnchangedMemory) {
    this.#key = createSecretKey(memory.key);
    this.#slots = new Int32Array(memory.slots);
    this.#tags = new Int32Array(memory.tags);
    this.#starts = new Int32Array(memory.starts);
    this.extents = new Int32Array(memory.extents);
  }

  /** Writes the segment's tag to `tags` and returns the segment's number if it was there last time, else -1. */
  find(segment: Uint8Array, tags: Uint8Array, at: number): number {
    const cipher = createCipheriv('aes-128-gcm', this.#key, NONCE);
    cipher.setAAD(segment);
    cipher.final();
    cipher.getAuthTag().copy(this.#tagBytes);
    tags.set(this.#tagBytes, at);
    const mask = this.#slots.length - 1;
    for (let slot = this.#tagWords[0]! & mask; ; slot = (slot + 1) & mask) {
      const found = this.#slots[slot]! - 1;
      if (found < 0) return -1;
      if (this.#holds(found)) return found;
    }
  }

  /** The segment's extents are [begin, end) of `extents`. */
  begin(segment: number): number {
    return this.#starts[segment]!;
  }

  end(segment: number): number {
    return this.#starts[segment + 1]!;
  }

  #holds(segment: number): boolean {
    for (let word = 0; word < TAG_WORDS; word += 1)
      if (this.#tags[segment * TAG_WORDS + word] !== this.#tagWords[word]) return false;
    return true;
  }
}

/** The table of all segments of these blobs whose content the session can point to. */
export function tabulate(
  key: Uint8Array,
  blobs: readonly TaggedBlob[],
  locate: FrameLocator,
): UnchangedMemory {
  const tags: number[] = [];
  const starts: number[] = [0];
  const extents: number[] = [];
  for (const blob of blobs) {
    const words = new Int32Array(new Uint8Array(blob.tags).buffer);
    for (let segment = 0; segment * TAG_WORDS < words.length; segment += 1) {
      const tag = words.subarray(segment * TAG_WORDS, (segment + 1) * TAG_WORDS);
      if (tag.every((word) => word === 0)) continue;
      const found = extentsOf(blob.extents, segment * SEGMENT_BYTES, locate);
      if (found === undefined) continue;
      tags.push(...tag);
      extents.push(...found);
      starts.push(extents.length);
    }
  }
  const count = starts.length - 1;
  const slots = new Int32Array(new SharedArrayBuffer(4 * 2 ** Math.ceil(Math.log2(count * 2 + 2))));
  for (let segment = 0; segment < count; segment += 1) {
    let slot = tags[segment * TAG_WORDS]! & (slots.length - 1);
    while (slots[slot] !== 0) slot = (slot + 1) & (slots.length - 1);
    slots[slot] = segment + 1;
  }
  return {
    key,
    slots: slots.buffer,
    tags: shared(tags),
    starts: shared(starts),
    extents: shared(extents),
  };
}

/** Of one segment, in frames; undefined where some of it lies in a pack that the session does not know. */
function extentsOf(extents: Extents, from: number, locate: FrameLocator): number[] | undefined {
  const found: number[] = [];
  let { extent, start } = extents.find(from);
  for (let position = from; position < from + SEGMENT_BYTES; extent += 1) {
    const end = Math.min(start + extents.length(extent), from + SEGMENT_BYTES);
    const pack = extents.pack(extent);
    if (pack === ZERO_PACK) {
      found.push(end - position, ZERO_FRAME, 0);
      position = end;
    }
    while (position < end) {
      const place = locate(pack, extents.offset(extent) + position - start);
      if (place === undefined) return undefined;
      const length = Math.min(end - position, place.leftBytes);
      found.push(length, place.frame, place.offset);
      position += length;
    }
    start += extents.length(extent);
  }
  return found;
}

function shared(values: readonly number[]): SharedArrayBuffer {
  const buffer = new SharedArrayBuffer(values.length * 4);
  new Int32Array(buffer).set(values);
  return buffer;
}
