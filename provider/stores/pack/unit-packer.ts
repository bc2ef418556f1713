import { hash } from 'node:crypto';
import { SEGMENT_BYTES, SEGMENT_HASH_BYTES } from '../../core/blob-digest.ts';
import type { Chunking } from '../../core/store.ts';
import { FRAME_BYTES, FRAME_CHUNKS, pageBytes, UNIT_BYTES } from './chunking.ts';
import { ContentCutter } from './content-cuts/content-cuts.ts';
import { compressFrame, type FrameRecord, frameDigest, ZERO_FRAME } from './frame.ts';
import type { IndexView } from './shared-index.ts';
import { type UnchangedView, ZERO_SEGMENT_HASH } from './unchanged.ts';

const HASH_BYTES = 32;
const ZEROS = Buffer.alloc(SEGMENT_BYTES);

export interface PackedUnit {
  /** Threes of length, frame (ZERO_FRAME for zeros) and offset within the frame's raw content. */
  readonly extents: Int32Array;
  /** Frames that this unit has filled. */
  readonly frames: readonly FrameRecord[];
  /** The SHA-256 of each of its segments, in order; the last one may be shorter. */
  readonly segments: Uint8Array;
}

/**
 * One worker's part of a session: cuts units of content into chunks, finds those that are new, and gathers them into
 * frames, which go on from unit to unit until they are full.
 */
export class UnitPacker {
  readonly #index: IndexView;
  #cutter: ContentCutter | undefined;
  readonly #raw = Buffer.allocUnsafeSlow(FRAME_BYTES);
  #rawBytes = 0;
  #frame = -1;
  readonly #hashes = Buffer.allocUnsafeSlow(FRAME_CHUNKS * HASH_BYTES);
  readonly #lengths = new Uint32Array(FRAME_CHUNKS);
  #chunkCount = 0;
  readonly #hashWords = new Int32Array(8);
  readonly #hashBytes = Buffer.from(this.#hashWords.buffer);
  #extents: number[] = [];
  #filled: FrameRecord[] = [];
  /** Set where changes against an earlier snapshot are looked for. */
  unchanged: UnchangedView | undefined;

  constructor(index: IndexView) {
    this.#index = index;
  }

  pack(unit: Buffer, chunking: Chunking): PackedUnit {
    this.#extents = [];
    this.#filled = [];
    const page = pageBytes(chunking);
    const segments = new Uint8Array(Math.ceil(unit.length / SEGMENT_BYTES) * SEGMENT_HASH_BYTES);
    for (let from = 0, at = 0; from < unit.length; from += SEGMENT_BYTES, at += SEGMENT_HASH_BYTES) {
      const to = Math.min(from + SEGMENT_BYTES, unit.length);
      const isZeros = this.#hashSegment(unit, from, to, segments, at);
      if (page !== undefined) this.#packPages(unit, from, to, page, isZeros);
    }
    if (page === undefined) this.#packContent(unit);
    return { extents: Int32Array.from(this.#extents), frames: this.#filled, segments };
  }

  /** The frame that is not full yet, if it holds anything. */
  flush(): readonly FrameRecord[] {
    this.#filled = [];
    this.#endFrame();
    return this.#filled;
  }

  /** Writes the segment's hash to `hashes` and leaves it in the words; but only the former where all is zeros. */
  #hashSegment(unit: Buffer, from: number, to: number, hashes: Uint8Array, at: number): boolean {
    const isZeros = isZero(unit, from, to);
    if (isZeros && to - from === SEGMENT_BYTES) hashes.set(ZERO_SEGMENT_HASH, at);
    else {
      this.#hash(unit.subarray(from, to));
      hashes.set(this.#hashBytes, at);
    }
    return isZeros;
  }

  /** One segment, whose hash is in the words. */
  #packPages(unit: Buffer, from: number, to: number, page: number, isZeros: boolean): void {
    if (isZeros) this.#extend(to - from, ZERO_FRAME, 0);
    else if (!this.#isUnchanged(to - from))
      for (let at = from; at < to; at += page) this.#chunk(unit, at, Math.min(at + page, to));
  }

  /** Whether the segment whose hash is in the words was there last time; then its extents are as they were. */
  #isUnchanged(length: number): boolean {
    const { unchanged } = this;
    if (unchanged === undefined || length < SEGMENT_BYTES) return false;
    const segment = unchanged.find(this.#hashWords);
    if (segment < 0) return false;
    const { extents } = unchanged;
    for (let place = unchanged.begin(segment); place < unchanged.end(segment); place += 3)
      this.#extend(extents[place]!, extents[place + 1]!, extents[place + 2]!);
    return true;
  }

  #packContent(unit: Buffer): void {
    this.#cutter ??= new ContentCutter(UNIT_BYTES);
    let at = 0;
    for (const end of this.#cutter.cut(unit)) {
      this.#chunk(unit, at, end);
      at = end;
    }
  }

  #chunk(unit: Buffer, from: number, to: number): void {
    const length = to - from;
    if (isZero(unit, from, to)) {
      this.#extend(length, ZERO_FRAME, 0);
      return;
    }
    const chunk = unit.subarray(from, to);
    this.#hash(chunk);
    const known = this.#index.find(this.#hashWords, 0);
    const entry = known >= 0 ? known : this.#addChunk(chunk, length);
    if (entry >= 0) this.#extend(length, this.#index.frameOf(entry), this.#index.offsetOf(entry));
  }

  /** Leaves it in the words. */
  #hash(content: Buffer): void {
    // As a string it costs a fifth less than as a buffer, which has memory of its own to be made and given back.
    this.#hashBytes.write(hash('sha256', content, 'binary'), 'latin1');
  }

  /** -1 when it was added here, else the entry of another worker that was faster. */
  #addChunk(chunk: Buffer, length: number): number {
    if (this.#rawBytes + length > FRAME_BYTES || this.#chunkCount === FRAME_CHUNKS) this.#endFrame();
    if (this.#frame < 0) this.#frame = this.#index.nextFrame();
    const entry = this.#index.add(this.#hashWords, 0, this.#frame, this.#rawBytes, length);
    if (entry >= 0) return entry;
    this.#extend(length, this.#frame, this.#rawBytes);
    chunk.copy(this.#raw, this.#rawBytes);
    this.#hashBytes.copy(this.#hashes, this.#chunkCount * HASH_BYTES);
    this.#lengths[this.#chunkCount] = length;
    this.#rawBytes += length;
    this.#chunkCount += 1;
    return -1;
  }

  #endFrame(): void {
    if (this.#chunkCount === 0) return;
    const stored = compressFrame(this.#raw.subarray(0, this.#rawBytes));
    this.#filled.push({
      frame: this.#frame,
      rawBytes: this.#rawBytes,
      stored,
      digest: frameDigest(stored),
      chunkHashes: new Uint8Array(this.#hashes.subarray(0, this.#chunkCount * HASH_BYTES)),
      chunkLengths: this.#lengths.slice(0, this.#chunkCount),
    });
    this.#frame = -1;
    this.#rawBytes = 0;
    this.#chunkCount = 0;
  }

  #extend(length: number, frame: number, offset: number): void {
    const extents = this.#extents;
    const last = extents.length - 3;
    if (last >= 0 && extents[last + 1] === frame) {
      const joins = frame === ZERO_FRAME || extents[last + 2]! + extents[last]! === offset;
      if (joins) {
        extents[last]! += length;
        return;
      }
    }
    extents.push(length, frame, offset);
  }
}

function isZero(unit: Buffer, from: number, to: number): boolean {
  // Most content fails on its first byte or last; only what is left is worth a call of memcmp.
  if (unit[from] !== 0 || unit[to - 1] !== 0) return false;
  return unit.compare(ZEROS, 0, to - from, from, to) === 0;
}
