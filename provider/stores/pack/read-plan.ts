import { StasisError } from '../../core/errors.ts';
import { type Extents, ZERO_PACK } from './extents.ts';
import type { FetchedFrame, ReadTask } from './jobs.ts';
import type { PackReader } from './reader.ts';

/** A step ends when it gives this much content or touches this many frames: both bound memory. */
const STEP_BYTES = 2 * 1024 * 1024;
const STEP_FRAMES = 16;
/** Frames this near to each other in a pack are fetched by one read. */
const GAP_BYTES = 64 * 1024;
const MAX_READ_BYTES = 4 * 1024 * 1024;

interface PlannedFrame {
  readonly pack: number;
  readonly storedStart: number;
  readonly storedLength: number;
  readonly rawBytes: number;
  readonly digest: Uint8Array;
}

export interface ReadStep {
  readonly frames: readonly PlannedFrame[];
  /** As in ReadTask. */
  readonly segments: readonly number[];
}

/** Gathers the segments of one step. */
class Step {
  readonly frames: PlannedFrame[] = [];
  readonly segments: number[] = [];
  contentBytes = 0;
  readonly #places = new Map<string, number>();

  get full(): boolean {
    return this.contentBytes >= STEP_BYTES || this.frames.length >= STEP_FRAMES;
  }

  zeros(length: number): void {
    this.segments.push(length, -1, 0);
  }

  add(frame: number, planned: PlannedFrame, length: number, offset: number): void {
    const key = `${planned.pack}/${frame}`;
    let place = this.#places.get(key);
    if (place === undefined) {
      place = this.frames.push(planned) - 1;
      this.#places.set(key, place);
    }
    this.segments.push(length, place, offset);
    this.contentBytes += length;
  }
}

/** The frames and segments that make [from, to) of a blob, in steps. */
export async function* planReads(
  extents: Extents,
  from: number,
  to: number,
  packs: PackReader,
): AsyncGenerator<ReadStep> {
  if (from >= to) return;
  let { extent, start } = extents.find(from);
  let step = new Step();
  for (let position = from; position < to; extent += 1) {
    const end = Math.min(start + extents.length(extent), to);
    const pack = extents.pack(extent);
    if (pack === ZERO_PACK) step.zeros(end - position);
    const frames = pack === ZERO_PACK ? undefined : await packs.frames(pack);
    let raw = extents.offset(extent) + position - start;
    while (frames !== undefined && position < end) {
      const frame = frames.at(raw);
      if (frame < 0) throw new StasisError('store.damaged', 'A map points past the end of a pack.');
      const offset = raw - frames.rawStart(frame);
      const length = Math.min(end - position, frames.rawLength(frame) - offset);
      const planned = {
        pack,
        storedStart: frames.storedStart(frame),
        storedLength: frames.storedLength(frame),
        rawBytes: frames.rawLength(frame),
        digest: frames.digest(frame),
      };
      step.add(frame, planned, length, offset);
      position += length;
      raw += length;
      if (step.full) {
        yield step;
        step = new Step();
      }
    }
    start += extents.length(extent);
    position = end;
  }
  if (step.segments.length > 0) yield step;
}

/** Fetches what a step needs, with few reads. */
export async function fetchTask(step: ReadStep, packs: PackReader): Promise<ReadTask> {
  const order = step.frames.map((_frame, place) => place);
  order.sort((a, b) => {
    const left = step.frames[a]!;
    const right = step.frames[b]!;
    return left.pack - right.pack || left.storedStart - right.storedStart;
  });
  const frames: FetchedFrame[] = new Array(step.frames.length);
  for (let at = 0; at < order.length; ) {
    const first = step.frames[order[at]!]!;
    let end = first.storedStart + first.storedLength;
    let next = at + 1;
    for (; next < order.length; next += 1) {
      const frame = step.frames[order[next]!]!;
      const frameEnd = frame.storedStart + frame.storedLength;
      if (frame.pack !== first.pack || frame.storedStart - end > GAP_BYTES) break;
      if (frameEnd - first.storedStart > MAX_READ_BYTES) break;
      end = frameEnd;
    }
    const bytes = await packs.read(first.pack, first.storedStart, end - first.storedStart);
    for (; at < next; at += 1) {
      const { storedStart, storedLength, rawBytes, digest } = step.frames[order[at]!]!;
      const offset = storedStart - first.storedStart;
      frames[order[at]!] = { stored: bytes.subarray(offset, offset + storedLength), rawBytes, digest };
    }
  }
  return { frames, segments: step.segments };
}
