import { existsSync } from 'node:fs';
import { availableParallelism } from 'node:os';
import { Worker } from 'node:worker_threads';
import { StasisError } from '../../core/errors.ts';
import type { Answers, Job, Notice, Reply, Request } from './jobs.ts';
import { UnitPool } from './units.ts';

/** Memory stays bounded on machines with many cores: a worker takes about 35 MB. */
const MAX_WORKERS = 4;
/** A second job waits in the worker's own queue, so that it never idles for the length of a message. */
const QUEUED_JOBS = 2;
/** Workers end when nobody has needed them for this long. */
const IDLE_MS = 1000;

interface Task {
  readonly job: Job;
  readonly transfer: readonly ArrayBuffer[];
  readonly resolve: (answer: never) => void;
  readonly reject: (error: StasisError) => void;
}

interface Slot {
  readonly worker: Worker;
  readonly own: Task[];
  readonly running: Map<number, Task>;
}

/** The worker threads of this process, shared by all drafts and readers. They keep nobody from exiting. */
export class WorkerPool {
  readonly units: UnitPool;
  readonly #slots: Slot[];
  readonly #shared: Task[] = [];
  #nextId = 1;
  #failure: StasisError | undefined;

  constructor(size: number) {
    this.units = new UnitPool(2 * size + 2);
    this.#slots = Array.from({ length: size }, (_unused, place) => this.#start(place));
  }

  get size(): number {
    return this.#slots.length;
  }

  get broken(): boolean {
    return this.#failure !== undefined;
  }

  /** Runs a job on the given worker, else on whichever is free first. */
  run<J extends Job>(
    job: J,
    options: { readonly worker?: number; readonly transfer?: readonly ArrayBuffer[] } = {},
  ): Promise<Answers[J['kind']]> {
    return new Promise<Answers[J['kind']]>((resolve, reject) => {
      if (this.#failure !== undefined) {
        reject(this.#failure);
        return;
      }
      const task: Task = {
        job,
        transfer: options.transfer ?? [],
        resolve: resolve as (answer: never) => void,
        reject,
      };
      if (options.worker === undefined) this.#shared.push(task);
      else this.#slots[options.worker]!.own.push(task);
      this.#dispatch();
    });
  }

  /** Tells every worker something; it comes before all jobs that are run later. */
  notify(notice: Notice): void {
    for (const slot of this.#slots) slot.worker.postMessage({ notice } satisfies Request);
  }

  async end(): Promise<void> {
    this.#fail(new StasisError('store.failed', 'The worker threads have ended.'));
    await Promise.all(this.#slots.map(({ worker }) => worker.terminate()));
  }

  #start(place: number): Slot {
    const worker = new Worker(workerFile(), {
      name: `stasis-pack-${place}`,
      // What a worker makes is short-lived and mostly outside the heap: a small young generation frees it early.
      resourceLimits: { maxYoungGenerationSizeMb: 8 },
    });
    worker.unref();
    const slot: Slot = { worker, own: [], running: new Map() };
    worker.on('message', (reply: Reply) => this.#settle(slot, reply));
    worker.on('error', (cause) =>
      this.#fail(new StasisError('store.failed', 'A worker thread of the store has failed.', { cause })),
    );
    worker.on('exit', () => this.#fail(new StasisError('store.failed', 'A worker thread has ended.')));
    return slot;
  }

  #dispatch(): void {
    // Lower workers first: little content then fills one frame instead of one a worker.
    for (let depth = 0; depth < QUEUED_JOBS; depth += 1)
      for (const slot of this.#slots) {
        if (slot.running.size > depth) continue;
        const task = slot.own.shift() ?? this.#shared.shift();
        if (task !== undefined) this.#send(slot, task);
      }
  }

  #send(slot: Slot, task: Task): void {
    const id = this.#nextId++;
    if (slot.running.size === 0) slot.worker.ref();
    slot.running.set(id, task);
    slot.worker.postMessage({ id, job: task.job } satisfies Request, [...task.transfer]);
  }

  #settle(slot: Slot, reply: Reply): void {
    const task = slot.running.get(reply.id);
    if (task === undefined) return;
    slot.running.delete(reply.id);
    if (slot.running.size === 0) slot.worker.unref();
    this.#dispatch();
    if ('error' in reply) task.reject(new StasisError(reply.error.code, reply.error.message));
    else task.resolve(reply.answer as never);
  }

  #fail(error: StasisError): void {
    this.#failure ??= error;
    const open = this.#shared.splice(0);
    for (const slot of this.#slots) {
      void slot.worker.terminate();
      open.push(...slot.own.splice(0), ...slot.running.values());
      slot.running.clear();
      slot.worker.unref();
    }
    for (const task of open) task.reject(this.#failure);
  }
}

/** Beside this file in a checkout; in a bundle, which is one file, beside the bundle. */
function workerFile(): URL {
  const source = new URL('./worker.ts', import.meta.url);
  return existsSync(source) ? source : new URL('./pack-worker.mjs', import.meta.url);
}

let shared: WorkerPool | undefined;
let users = 0;
let idle: NodeJS.Timeout | undefined;

/** The use of the process's pool until it is disposed of. The last one to go lets the workers end, a little later. */
export class PoolLease {
  readonly pool: WorkerPool;
  #held = true;

  constructor() {
    clearTimeout(idle);
    if (shared === undefined || shared.broken)
      shared = new WorkerPool(Math.min(MAX_WORKERS, availableParallelism()));
    this.pool = shared;
    users += 1;
  }

  [Symbol.dispose](): void {
    if (!this.#held) return;
    this.#held = false;
    users -= 1;
    if (users > 0) return;
    clearTimeout(idle);
    idle = setTimeout(endIdlePool, IDLE_MS).unref();
  }
}

/** Ends the workers now if nobody uses them; for tests and for processes about to measure themselves. */
export async function endIdlePool(): Promise<void> {
  if (users > 0) return;
  const pool = shared;
  shared = undefined;
  await pool?.end();
}
