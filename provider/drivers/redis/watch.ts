import type { Clock } from '../../core/context.ts';
import type { EpochReading, Watchable } from '../../core/driver.ts';
import { throwIfAborted } from '../../core/errors.ts';
import type { Connection } from './connection.ts';
import { numberOf, readInfo } from './info.ts';
import { type Counters, type Look, look } from './reading.ts';

/**
 * The epoch of a server that nobody has locked: equal for two looks exactly when nothing was written in between.
 *
 * Once there is a replication backlog, every write, expiry and eviction moves its offset, and a new history has a new
 * id. Before that the count of changes is the witness, which a save takes back: so with it go all that saves or
 * forgets. Our first SYNC makes the backlog, so that a first mark without a lock is covered by no hold.
 */
export function restingEpoch(counters: Counters): string {
  const { runId, replicationId, backlog, changes, offset, evicted, expired, users } = counters;
  const parts = [`run ${runId.slice(0, 16)}`, `history ${replicationId.slice(0, 16)}`, `offset ${offset}`];
  if (!backlog) parts.push(`changes ${changes}`, `forks ${counters.forks}`, `saves ${counters.saves}`);
  parts.push(`evicted ${evicted}`, `expired ${expired}`);
  if (users !== '') parts.push(`users ${users}`);
  return parts.join(' ');
}

/** The epoch that a fork between these two looks has captured; none where something may have been written meanwhile. */
export function forkedEpoch(before: Look, after: Look): string | undefined {
  const epoch = restingEpoch(before.counters);
  return epoch === restingEpoch(after.counters) ? epoch : undefined;
}

/** Readings of a server that runs on. */
export class Watch implements Watchable {
  readonly costMs = 1;
  private readonly connection: Connection;
  private readonly acl: boolean;
  private readonly clock: Clock;

  constructor(connection: Connection, acl: boolean, clock: Clock) {
    this.connection = connection;
    this.acl = acl;
    this.clock = clock;
  }

  async epoch(signal: AbortSignal): Promise<EpochReading> {
    const { clock, acl } = this;
    const { sentNs, acknowledgedNs, counters } = await look(this.connection, { clock, acl, signal });
    return { sentNs, acknowledgedNs, value: restingEpoch(counters) };
  }

  /**
   * Commands of others that ran between two looks. The server serves all its clients in turn, so that whatever had
   * arrived before the first look has been worked off by the second.
   */
  async busy(signal: AbortSignal): Promise<number> {
    const first = await this.commands(signal);
    const second = await this.commands(signal);
    throwIfAborted(signal);
    // The first look itself is counted by the second.
    return Math.max(0, second - first - 1);
  }

  private async commands(signal: AbortSignal): Promise<number> {
    return numberOf(await readInfo(this.connection, signal), 'total_commands_processed');
  }
}
