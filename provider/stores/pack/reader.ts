import { throwIfAborted } from '../../core/errors.ts';
import type { ByteRange } from '../../core/store.ts';
import { assemble, FrameCache } from './assemble.ts';
import type { Extents } from './extents.ts';
import type { Piece } from './jobs.ts';
import type { PackFrames } from './pack-frames.ts';
import { PoolLease } from './pool.ts';
import { fetchTask, planReads, ReadBuffers, type ReadStep } from './read-plan.ts';

/** Packs by the numbers that extents have. */
export interface PackReader {
  /** @throws StasisError `store.damaged` when the table of contents is not what was written. */
  frames(pack: number): Promise<PackFrames>;
  /** Fills `into` from `offset` of the pack. @throws StasisError `store.damaged` when it is missing or cut short. */
  read(pack: number, offset: number, into: Uint8Array): Promise<void>;
}

/** Below it the workers would cost more than they give. */
const INLINE_BYTES = 1024 * 1024;
const ZEROS_BYTES = 256 * 1024;

/**
 * The content of a blob, or of a range of it (cut to the blob's end). Every frame is checked against its digest
 * before anything of it is given out. Memory is bounded: a few steps ahead of whoever reads.
 * @throws StasisError `store.damaged`
 */
export async function* readExtents(
  extents: Extents,
  range: ByteRange | undefined,
  packs: PackReader,
  signal: AbortSignal,
): AsyncGenerator<Uint8Array> {
  const from = Math.min(range?.offset ?? 0, extents.sizeBytes);
  const to = Math.min(range === undefined ? extents.sizeBytes : from + range.length, extents.sizeBytes);
  const steps = planReads(extents, from, to, packs);
  const tasks = to - from <= INLINE_BYTES ? inline(steps, packs) : parallel(steps, packs);
  for await (const pieces of tasks) {
    throwIfAborted(signal);
    for (const piece of pieces) yield* typeof piece === 'number' ? zeros(piece) : [piece];
  }
}

function* zeros(length: number): Generator<Uint8Array> {
  // Each is new: whoever reads may write into what it was given.
  for (let left = length; left > 0; left -= ZEROS_BYTES) yield new Uint8Array(Math.min(left, ZEROS_BYTES));
}

async function* inline(steps: AsyncIterable<ReadStep>, packs: PackReader): AsyncGenerator<readonly Piece[]> {
  const cache = new FrameCache();
  const buffers = new ReadBuffers();
  for await (const step of steps) {
    const task = await fetchTask(step, packs, buffers);
    yield assemble(task, cache);
    buffers.giveBack(task.buffer);
  }
}

async function* parallel(
  steps: AsyncGenerator<ReadStep>,
  packs: PackReader,
): AsyncGenerator<readonly Piece[]> {
  using lease = new PoolLease();
  const { pool } = lease;
  const buffers = new ReadBuffers();
  const ahead: Promise<readonly Piece[]>[] = [];
  const start = (step: ReadStep): Promise<readonly Piece[]> => {
    const pieces = fetchTask(step, packs, buffers).then(async (task) => {
      const answer = await pool.run({ kind: 'read', task }, { transfer: [task.buffer] });
      buffers.giveBack(answer.buffer);
      return answer.pieces;
    });
    pieces.catch(() => {});
    return pieces;
  };
  try {
    for await (const step of steps) {
      ahead.push(start(step));
      if (ahead.length > pool.size + 1) yield await ahead.shift()!;
    }
    while (ahead.length > 0) yield await ahead.shift()!;
  } finally {
    await Promise.allSettled(ahead);
  }
}
