import { throwIfAborted } from '../../core/errors.ts';
import type { ByteRange } from '../../core/store.ts';
import { assemble, FrameCache } from './assemble.ts';
import type { Extents } from './extents.ts';
import type { Piece, ReadTask } from './jobs.ts';
import type { PackFrames } from './pack-frames.ts';
import { PoolLease } from './pool.ts';
import { fetchTask, planReads, type ReadStep } from './read-plan.ts';

/** Packs by the numbers that extents have. */
export interface PackReader {
  /** @throws StasisError `store.damaged` when the table of contents is not what was written. */
  frames(pack: number): Promise<PackFrames>;
  /** @throws StasisError `store.damaged` when the pack is missing or cut short. */
  read(pack: number, offset: number, length: number): Promise<Uint8Array>;
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
  for await (const step of steps) yield assemble(await fetchTask(step, packs), cache);
}

async function* parallel(
  steps: AsyncGenerator<ReadStep>,
  packs: PackReader,
): AsyncGenerator<readonly Piece[]> {
  using lease = new PoolLease();
  const { pool } = lease;
  const ahead: Promise<readonly Piece[]>[] = [];
  const start = (step: ReadStep): Promise<readonly Piece[]> => {
    const pieces = fetchTask(step, packs).then(async (task) => {
      const answer = await pool.run({ kind: 'read', task }, { transfer: buffersOf(task) });
      return answer.pieces;
    });
    pieces.catch(() => {});
    return pieces;
  };
  try {
    for await (const step of steps) {
      ahead.push(start(step));
      if (ahead.length > 2 * pool.size) yield await ahead.shift()!;
    }
    while (ahead.length > 0) yield await ahead.shift()!;
  } finally {
    await Promise.allSettled(ahead);
  }
}

/** Frames that were fetched together share memory, which goes over once. */
function buffersOf(task: ReadTask): ArrayBuffer[] {
  return [...new Set(task.frames.map((frame) => frame.stored.buffer as ArrayBuffer))];
}
