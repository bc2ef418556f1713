import type { Context } from '../../core/context.ts';
import type { Holdable, HoldEvidence } from '../../core/driver.ts';
import { StasisError } from '../../core/errors.ts';
import { sleep, within } from '../../core/wait.ts';
import { type Command, Connection } from './connection.ts';
import { epochOf, type Look, type LookOptions, lockConditions, look, readingOf } from './reading.ts';
import type { RedisSpec } from './spec.ts';

/** How long a child that runs already (a save of somebody else's, or of our last try) is waited for. */
const CHILD_MS = 60_000;
const CHILD_POLL_MS = 20;
/** A child that starts between our look and our lock makes us try again, this often. */
const LOCK_TRIES = 5;
const UNPAUSE_MS = 2_000;
const UNPAUSE: Command = ['CLIENT', 'UNPAUSE'];

/**
 * Locks a server by `CLIENT PAUSE … WRITE`: writes wait, reads go on, and nothing expires or is evicted. The server's
 * own timer ends the pause if we die; what shows that it was unbroken are the counters (reading.ts).
 *
 * UNPAUSE ends every pause of the server, also one that somebody else asked for: the protocol has no other way.
 */
export class Lock implements Holdable {
  readonly how = 'locked';
  /** The first look of the lock, while it is held. */
  first: Look | undefined;
  /** The look that saw our fork, within this lock. */
  fork: Look | undefined;
  private paused = false;
  private readonly connection: Connection;
  private readonly spec: RedisSpec;
  private readonly acl: boolean;
  private readonly context: Context;
  /** What has to be ready before the pause begins. */
  private readonly ready: (signal: AbortSignal) => Promise<void>;

  constructor(
    connection: Connection,
    spec: RedisSpec,
    acl: boolean,
    context: Context,
    ready: (signal: AbortSignal) => Promise<void>,
  ) {
    this.connection = connection;
    this.spec = spec;
    this.acl = acl;
    this.context = context;
    this.ready = ready;
  }

  /** @throws StasisError `redis.busy-child` when children of the server leave no room for ours */
  async freeze(leaseMs: number, signal: AbortSignal): Promise<void> {
    await this.ready(signal);
    for (let attempt = 1; ; attempt += 1) {
      this.paused = true;
      const before: Command = ['CLIENT', 'PAUSE', String(Math.ceil(leaseMs)), 'WRITE'];
      const first = await this.look(signal, { before });
      if (first.counters.busyWith === undefined) {
        this.first = first;
        this.fork = undefined;
        return;
      }
      await this.thaw();
      if (attempt === LOCK_TRIES) throw busy(first.counters.busyWith);
      await this.idle(signal);
    }
  }

  async settle(signal: AbortSignal): Promise<void> {
    await this.ready(signal);
    await this.idle(signal);
  }

  evidence(signal: AbortSignal): Promise<HoldEvidence> {
    return this.lastLook(signal);
  }

  /** One write: the server answers the look before it comes to UNPAUSE. */
  async thawWithEvidence(signal: AbortSignal): Promise<HoldEvidence> {
    const evidence = await this.lastLook(signal, UNPAUSE);
    this.paused = false;
    return evidence;
  }

  private async lastLook(signal: AbortSignal, after?: Command): Promise<HoldEvidence> {
    const { first, fork } = this;
    if (first === undefined) throw new StasisError('redis.not-locked', 'The server was not locked.');
    const last = await this.look(signal, { after });
    const looks = fork ? [first, fork, last] : [first, last];
    return {
      readings: looks.map((one) => readingOf(one, first)),
      captured: epochOf((fork ?? last).counters, first.counters),
      conditions: lockConditions(first, fork, last),
    };
  }

  async thaw(): Promise<void> {
    this.first = undefined;
    if (!this.paused) return;
    if (this.connection.open) {
      await this.connection.call(UNPAUSE, { timeoutMs: UNPAUSE_MS });
      this.paused = false;
      return;
    }
    // Our PAUSE may still be on its way on the connection that broke: so it stays noted, and the next thaw asks again.
    await within(UNPAUSE_MS, 'unpausing', undefined, async (signal) => {
      await using another = await Connection.open(this.spec, signal);
      await another.call(UNPAUSE, { timeoutMs: UNPAUSE_MS });
    });
  }

  look(signal: AbortSignal, around: Pick<LookOptions, 'before' | 'after'> = {}): Promise<Look> {
    return look(this.connection, { clock: this.context.clock, acl: this.acl, signal, ...around });
  }

  /** Waits until no child runs: a SYNC would join it, and show an older state. */
  async idle(signal: AbortSignal): Promise<Look> {
    const { clock } = this.context;
    const deadlineNs = clock.nowNs() + CHILD_MS * 1e6;
    for (;;) {
      const now = await this.look(signal);
      const { busyWith } = now.counters;
      if (busyWith === undefined) return now;
      if (clock.nowNs() > deadlineNs) throw busy(busyWith);
      await sleep(CHILD_POLL_MS, signal);
    }
  }
}

function busy(what: string): StasisError {
  return new StasisError(
    'redis.busy-child',
    `The server has been busy with ${what}, and can have one child at a time.`,
    {
      hint: 'Capture when it is done, or save less often.',
      at: ['url'],
      details: { what },
    },
  );
}
