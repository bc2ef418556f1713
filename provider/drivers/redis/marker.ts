import type { Context } from '../../core/context.ts';
import type { Markable, MarkReading } from '../../core/driver.ts';
import { StasisError, throwIfAborted } from '../../core/errors.ts';
import type { Lock } from './lock.ts';
import { epochOf, forkConditions, type Look } from './reading.ts';
import type { RedisSpec } from './spec.ts';
import { SyncSocket } from './sync-socket.ts';
import { forkedEpoch } from './watch.ts';

/** The forking itself takes some 35 ms a GB (reference/freeze.md); a server that has not by then will not soon. */
const FORK_MS = 10_000;

/** Name of the connection that asks for the RDB, in CLIENT LIST. */
const SYNC_NAME = 'stasis-capture-sync';

/** A fork that was taken, and where its RDB comes from. */
export interface ForkMark {
  readonly sync: SyncSocket;
  /** The looks around the fork. */
  readonly before: Look;
  readonly after: Look;
  /** Whether both lie within one lock: then the child has exactly the state that both show. */
  readonly held: boolean;
}

/** Marks an instant by a plain SYNC, for which the server forks. */
export class Marker implements Markable, AsyncDisposable {
  current: ForkMark | undefined;
  private spare: SyncSocket | undefined;
  private readonly spec: RedisSpec;
  private readonly context: Context;
  private readonly lock: () => Lock;

  constructor(spec: RedisSpec, context: Context, lock: () => Lock) {
    this.spec = spec;
    this.context = context;
    this.lock = lock;
  }

  /** Drops the mark before and has a connection open and logged in, so that a lock need not wait for that. */
  async prepare(signal: AbortSignal): Promise<void> {
    await this.drop();
    if (this.spare?.usable) return;
    await this.spare?.[Symbol.asyncDispose]();
    this.spare = await SyncSocket.open(this.spec, SYNC_NAME, signal);
  }

  /** @throws StasisError `redis.sync-refused`, `redis.no-fork`, `redis.busy-child` */
  async take(signal: AbortSignal): Promise<readonly MarkReading[]> {
    const lock = this.lock();
    const held = lock.first !== undefined;
    if (!held) await lock.settle(signal);
    const before = lock.first ?? (await lock.look(signal));
    const sync = this.spare;
    if (sync === undefined)
      throw new StasisError('redis.not-prepared', 'No connection was prepared for the mark.');
    this.spare = undefined;
    const sentNs = this.context.clock.nowNs();
    this.current = { sync, before, after: before, held };
    sync.start();
    const after = await this.seeFork(sync, before, signal);
    this.current = { sync, before, after, held };
    if (held) lock.fork = after;
    return [
      {
        sentNs,
        acknowledgedNs: after.acknowledgedNs,
        act: `redis ${after.counters.runId} fork ${after.counters.forks}`,
        epoch: held ? epochOf(after.counters, before.counters) : forkedEpoch(before, after),
        conditions: forkConditions(before, after),
      },
    ];
  }

  /** Asks without a rest: every look is an answer of some 0.1 ms, and the server is paused meanwhile. */
  private async seeFork(sync: SyncSocket, before: Look, signal: AbortSignal): Promise<Look> {
    const deadlineNs = this.context.clock.nowNs() + FORK_MS * 1e6;
    for (;;) {
      const seen = await this.lock().look(signal);
      if (sync.failure) throw sync.failure;
      throwIfAborted(signal);
      if (seen.counters.forks !== before.counters.forks) return seen;
      if (this.context.clock.nowNs() > deadlineNs)
        throw new StasisError('redis.no-fork', 'The server accepted SYNC and did not fork.', {
          hint: 'See its log: memory for a fork may be missing (vm.overcommit_memory), or its disk be full.',
          at: ['url'],
        });
    }
  }

  private async drop(): Promise<void> {
    const { current } = this;
    this.current = undefined;
    await current?.sync[Symbol.asyncDispose]();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.drop();
    await this.spare?.[Symbol.asyncDispose]();
    this.spare = undefined;
  }
}
