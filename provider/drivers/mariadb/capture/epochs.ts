import type { Clock } from '../../../core/context.ts';
import type { EpochReading } from '../../../core/driver.ts';
import type { Connection } from '../connect/connection.ts';
import { type Grants, hasGlobally } from '../connect/grants.ts';
import { optionalText, text } from '../connect/sql.ts';

/**
 * Up to where the log's transactions are visible, up to where the log is written, and the XA transactions that are
 * prepared; in this order, and not another.
 *
 * A transaction is written to the log first and becomes visible later, so that equal ends of the log do not prove that
 * nothing changed: what was written before may become visible in between. But where all that is written is visible,
 * and no more was written since, nothing can have. The visible position (`Binlog_snapshot_…`) moves in the same
 * instant in which transactions become visible, under one mutex (LOCK_commit_ordered, in
 * MYSQL_BIN_LOG::trx_group_commit_leader of sql/log.cc).
 *
 * The server answers it out of variables that all sessions share: it may be the one that another session was told, or
 * its snapshot's. Whosever it is, what it tells is visible by then. So it is only compared with the end of the log,
 * which is read safely and after it, and never taken for what a snapshot of ours shows.
 *
 * Of an XA transaction that is committed from another session, the log tells some time before it is visible; all that
 * while it is among the prepared ones.
 */
const EPOCH = "SHOW STATUS LIKE 'Binlog\\_snapshot\\_%'; SHOW MASTER STATUS; XA RECOVER";

/** Reads the epoch in a session that has no snapshot. */
export async function readEpoch(
  session: Connection,
  serverId: string,
  clock: Clock,
  signal: AbortSignal,
): Promise<EpochReading> {
  const sentNs = clock.nowNs();
  const [status = [], [log] = [], prepared = []] = await session.results(EPOCH, signal);
  const acknowledgedNs = clock.nowNs();
  const written = `${optionalText(log, 'File')}:${optionalText(log, 'Position')}`;
  const visible = status.map((row) => optionalText(row, 'Value')).join(':');
  const unprovable =
    written !== visible
      ? 'transactions were written to the log that were not visible yet'
      : prepared.length > 0
        ? 'XA transactions are prepared, whose commit is logged before it is visible'
        : undefined;
  return { sentNs, acknowledgedNs, value: `${serverId}/${written}`, ...(unprovable ? { unprovable } : {}) };
}

/** Threads of the server that are there whether they work or not. */
const BUSY = `SELECT COUNT(*) AS n FROM information_schema.PROCESSLIST WHERE ID <> CONNECTION_ID()
  AND COMMAND NOT IN ('Sleep', 'Daemon', 'Binlog Dump', 'Slave_IO', 'Slave_SQL', 'Slave_worker')`;

/** How many statements of others the server is working on; who lacks PROCESS sees only his own. */
export async function readBusy(
  session: Connection,
  grants: Grants,
  signal: AbortSignal,
): Promise<number | undefined> {
  if (!hasGlobally(grants, 'PROCESS')) return undefined;
  return Number(text(await session.row(BUSY, signal), 'n'));
}
