/**
 * A worker thread of the pool: all that takes time (cutting, hashing, compressing, and back), and no I/O. It is an
 * entry of its own: a bundle has it as `pack-worker.mjs` beside the main file (see pool.ts).
 */
import { parentPort } from 'node:worker_threads';
import { toStasisError } from '../../core/errors.ts';
import { assemble, FrameCache } from './assemble.ts';
import type { FrameRecord } from './frame.ts';
import type { Answers, Job, Notice, Request, UnitPart } from './jobs.ts';
import { IndexView } from './shared-index.ts';
import { UnchangedView } from './unchanged.ts';
import { UnitPacker } from './unit-packer.ts';

interface Session {
  readonly index: IndexView;
  readonly packer: UnitPacker;
}

const sessions = new Map<number, Session>();
const cache = new FrameCache();

function bytesOf(unit: UnitPart): Buffer {
  return Buffer.from(unit.memory, 0, unit.sizeBytes);
}

function perform(job: Job): Answers[Job['kind']] {
  switch (job.kind) {
    case 'chunk':
      return sessionOf(job.session).packer.pack(bytesOf(job.unit), job.chunking);
    case 'flush':
      return { frames: sessions.get(job.session)?.packer.flush() ?? [] };
    case 'read':
      return { pieces: assemble(job.task, cache), buffer: job.task.buffer };
  }
}

function sessionOf(id: number): Session {
  const session = sessions.get(id);
  if (session === undefined) throw new Error(`session ${id} has no index`);
  return session;
}

function heed(notice: Notice): void {
  if (notice.kind === 'end-session') sessions.delete(notice.session);
  else if (notice.kind === 'unchanged')
    sessionOf(notice.session).packer.unchanged = new UnchangedView(notice.memory);
  else {
    const known = sessions.get(notice.session);
    if (known !== undefined) known.index.attach(notice.memory);
    else {
      const index = new IndexView(notice.memory);
      sessions.set(notice.session, { index, packer: new UnitPacker(index) });
    }
  }
}

/** The memory that goes over to the main thread instead of being copied. */
function transferOf(answer: Answers[Job['kind']]): ArrayBuffer[] {
  const views: (Uint8Array | Int32Array | Uint32Array)[] = [];
  if ('extents' in answer) views.push(answer.extents, answer.segments);
  const frames: readonly FrameRecord[] = 'frames' in answer ? answer.frames : [];
  for (const frame of frames) views.push(frame.stored, frame.chunkHashes, frame.chunkLengths);
  if ('pieces' in answer) views.push(...answer.pieces.filter((piece) => typeof piece !== 'number'));
  const buffers = views.map((view) => view.buffer as ArrayBuffer);
  if ('buffer' in answer) buffers.push(answer.buffer);
  return buffers;
}

if (parentPort === null) throw new Error('this file runs as a worker thread');
const port = parentPort;
port.on('message', (request: Request) => {
  if ('notice' in request) {
    heed(request.notice);
    return;
  }
  try {
    const answer = perform(request.job);
    port.postMessage({ id: request.id, answer }, transferOf(answer));
  } catch (thrown) {
    const { code, message } = toStasisError(thrown, 'store.failed');
    port.postMessage({ id: request.id, error: { code, message } });
  }
});
