import type { Clock } from '../../../core/context.ts';
import type { EpochReading } from '../../../core/driver.ts';
import type { LogPosition } from '../../../core/log-position.ts';
import type { Connection } from '../connect/connection.ts';
import { type Grants, hasGlobally } from '../connect/grants.ts';
import { listSessions } from '../connect/sessions.ts';

export interface LogReading extends EpochReading {
  readonly log: LogPosition;
}

/** Reads the epoch in a session that has no snapshot. */
export async function readEpoch(
  session: Connection,
  serverId: string,
  clock: Clock,
  signal: AbortSignal,
): Promise<LogReading> {
  const sentNs = clock.nowNs();
  const { query, read } = session.product.epochs;
  const results = await session.results(query, signal);
  const acknowledgedNs = clock.nowNs();
  const { position, unprovable, gtids } = read(results);
  return {
    ...{ sentNs, acknowledgedNs, value: `${serverId}/${position}`, ...(unprovable ? { unprovable } : {}) },
    log: { log: serverId, at: position, ...(gtids ? { transactions: gtids } : {}) },
  };
}

/** Threads of the server that are there whether they work or not. */
const IDLE = ['Sleep', 'Daemon', 'Binlog Dump', 'Binlog Dump GTID', 'Slave_IO', 'Slave_SQL', 'Slave_worker'];

/** How many statements of others the server is working on; who lacks PROCESS sees only his own. */
export async function readBusy(
  session: Connection,
  grants: Grants,
  signal: AbortSignal,
): Promise<number | undefined> {
  if (!hasGlobally(grants, 'PROCESS')) return undefined;
  const sessions = await listSessions(session, signal);
  return sessions.filter(({ id, command }) => id !== session.id && !IDLE.includes(command)).length;
}
