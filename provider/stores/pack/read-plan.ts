import { StasisError } from '../../core/errors.ts';
import { type Extents, ZERO_PACK } from './extents.ts';
import type { FetchedFrame, ReadTask } from './jobs.ts';
import type { PackReader } from './reader.ts';

/** A step ends when it gives this much content or touches this many frames: both bound memory. */
const STEP_BYTES = 1024 * 1024;
const STEP_FRAMES = 16;
/** Frames this near to each other in a pack are fetched by one read. */
const GAP_BYTES = 64 * 1024;
const MIN_BUFFER_BYTES = 512 * 1024;

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

interface Fetch {
  readonly pack: number;
  readonly offset: number;
  length: number;
  /** Places in the step's frames. */
  readonly places: number[];
}

/** Few reads for all frames of a step. */
function planFetches({ frames }: ReadStep): Fetch[] {
  const order = frames.map((_frame, place) => place);
  order.sort((a, b) => {
    const [left, right] = [frames[a]!, frames[b]!];
    return left.pack - right.pack || left.storedStart - right.storedStart;
  });
  const fetches: Fetch[] = [];
  for (const place of order) {
    const { pack, storedStart, storedLength } = frames[place]!;
    const last = fetches.at(-1);
    const end = last === undefined ? 0 : last.offset + last.length;
    if (last?.pack === pack && storedStart - end <= GAP_BYTES) {
      last.length = storedStart + storedLength - last.offset;
      last.places.push(place);
    } else fetches.push({ pack, offset: storedStart, length: storedLength, places: [place] });
  }
  return fetches;
}

/** Fetches what a step needs, into one buffer. */
export async function fetchTask(step: ReadStep, packs: PackReader, buffers: ReadBuffers): Promise<ReadTask> {
  const fetches = planFetches(step);
  const buffer = buffers.take(fetches.reduce((sum, { length }) => sum + length, 0));
  const frames: FetchedFrame[] = new Array(step.frames.length);
  let at = 0;
  for (const { pack, offset, length, places } of fetches) {
    await packs.read(pack, offset, new Uint8Array(buffer, at, length));
    for (const place of places) {
      const { storedStart, storedLength, rawBytes, digest } = step.frames[place]!;
      const stored = new Uint8Array(buffer, at + storedStart - offset, storedLength);
      frames[place] = { stored, rawBytes, digest };
    }
    at += length;
  }
  return { buffer, frames, segments: step.segments };
}

/** Buffers that are used again: memory that is made and dropped is what the garbage collector runs for. */
export class ReadBuffers {
  readonly #free: ArrayBuffer[] = [];

  take(sizeBytes: number): ArrayBuffer {
    const place = this.#free.findIndex(({ byteLength }) => byteLength >= sizeBytes);
    const found = place < 0 ? undefined : this.#free.splice(place, 1)[0];
    return found ?? new ArrayBuffer(Math.max(sizeBytes, MIN_BUFFER_BYTES));
  }

  giveBack(buffer: ArrayBuffer): void {
    this.#free.push(buffer);
  }
}
