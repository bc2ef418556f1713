import { StasisError } from '../../core/errors.ts';
import { decompressFrame, frameDigest } from './frame.ts';
import type { FetchedFrame, Piece, ReadTask } from './jobs.ts';
import { free } from './memory.ts';

/** Runs of at least this many bytes are given out as they are; shorter ones are gathered, so that nobody gets crumbs. */
const RUN_BYTES = 64 * 1024;
const GATHER_BYTES = 256 * 1024;
const CACHED_FRAMES = 16;

/**
 * Raw content of the frames used last, by the digest of what is stored: scattered changes make a blob come back to
 * the same few frames again and again.
 */
export class FrameCache {
  readonly #frames = new Map<string, Buffer>();

  /** @throws StasisError `store.damaged` */
  get(frame: FetchedFrame): Buffer {
    const key = Buffer.from(frame.digest).toString('latin1');
    const cached = this.#frames.get(key);
    if (cached !== undefined) {
      this.#frames.delete(key);
      this.#frames.set(key, cached);
      return cached;
    }
    const raw = unpack(frame);
    this.#frames.set(key, raw);
    if (this.#frames.size > CACHED_FRAMES) this.#dropOldest();
    return raw;
  }

  #dropOldest(): void {
    for (const [key, raw] of this.#frames) {
      this.#frames.delete(key);
      free([raw]);
      return;
    }
  }
}

/** The raw content of a frame, once its bytes are shown to be those that were written. */
export function unpack(frame: FetchedFrame): Buffer {
  if (Buffer.compare(frameDigest(frame.stored), frame.digest) !== 0)
    throw new StasisError('store.damaged', 'A frame of a pack is not what was written.');
  try {
    return decompressFrame(frame.stored, frame.rawBytes);
  } catch (cause) {
    throw new StasisError('store.damaged', 'A frame of a pack cannot be unpacked.', { cause });
  }
}

/** Puts the pieces of a task together. Every piece that is not a number has memory of its own. */
export function assemble(task: ReadTask, cache: FrameCache): Piece[] {
  const pieces: Piece[] = [];
  const gathered = new Gatherer(pieces);
  const { segments, frames } = task;
  for (let at = 0; at < segments.length; at += 3) {
    const length = segments[at]!;
    const frame = frames[segments[at + 1]!];
    const offset = segments[at + 2]!;
    if (frame === undefined) {
      if (length < RUN_BYTES) gathered.zeros(length);
      else gathered.put(length);
    } else if (offset === 0 && length === frame.rawBytes && length >= RUN_BYTES) {
      // The whole frame, once: it needs no copy.
      gathered.put(unpack(frame));
    } else {
      gathered.add(cache.get(frame).subarray(offset, offset + length));
    }
  }
  gathered.end();
  return pieces;
}

class Gatherer {
  readonly #pieces: Piece[];
  #buffer = new Uint8Array(0);
  #filled = 0;

  constructor(pieces: Piece[]) {
    this.#pieces = pieces;
  }

  put(piece: Piece): void {
    this.end();
    this.#pieces.push(piece);
  }

  add(bytes: Uint8Array): void {
    for (let done = 0; done < bytes.length; ) {
      const room = this.#room();
      const part = bytes.subarray(done, done + room);
      this.#buffer.set(part, this.#filled);
      this.#filled += part.length;
      done += part.length;
    }
  }

  zeros(length: number): void {
    for (let left = length; left > 0; ) {
      const part = Math.min(left, this.#room());
      this.#filled += part;
      left -= part;
    }
  }

  end(): void {
    if (this.#filled > 0) this.#pieces.push(this.#buffer.subarray(0, this.#filled));
    this.#buffer = new Uint8Array(0);
    this.#filled = 0;
  }

  #room(): number {
    if (this.#filled === this.#buffer.length) {
      this.end();
      this.#buffer = new Uint8Array(GATHER_BYTES);
    }
    return this.#buffer.length - this.#filled;
  }
}
