import type { Clock } from '../../../core/context.ts';
import type { EpochReading } from '../../../core/driver.ts';
import type { Connection } from '../connect/connection.ts';
import { type Grants, hasGlobally } from '../connect/grants.ts';
import { text } from '../connect/sql.ts';

/** Reads the epoch in a session that has no snapshot. */
export async function readEpoch(
  session: Connection,
  serverId: string,
  clock: Clock,
  signal: AbortSignal,
): Promise<EpochReading> {
  const sentNs = clock.nowNs();
  const { query, read } = session.product.epochs;
  const results = await session.results(query, signal);
  const acknowledgedNs = clock.nowNs();
  const { position, unprovable } = read(results);
  return { sentNs, acknowledgedNs, value: `${serverId}/${position}`, ...(unprovable ? { unprovable } : {}) };
}

/** Threads of the server that are there whether they work or not. */
const BUSY = `SELECT COUNT(*) AS n FROM information_schema.PROCESSLIST WHERE ID <> CONNECTION_ID()
  AND COMMAND NOT IN ('Sleep', 'Daemon', 'Binlog Dump', 'Binlog Dump GTID', 'Slave_IO', 'Slave_SQL', 'Slave_worker')`;

/** How many statements of others the server is working on; who lacks PROCESS sees only his own. */
export async function readBusy(
  session: Connection,
  grants: Grants,
  signal: AbortSignal,
): Promise<number | undefined> {
  if (!hasGlobally(grants, 'PROCESS')) return undefined;
  return Number(text(await session.row(BUSY, signal), 'n'));
}
