import type { Context } from '../../core/context.ts';
import type { Host } from '../../core/host.ts';
import { insistOnForward, type LogPosition, type LogProgress, otherLog } from '../../core/log-position.ts';
import { Connection } from './connect/connection.ts';
import { parsePlace } from './connect/place.ts';
import { serverFacts } from './connect/server.ts';
import { literal, text } from './connect/sql.ts';
import type { PostgresSpec } from './spec.ts';

/** Up to where the write-ahead log is written; none on a standby, which writes none. */
export const LOG_END =
  '(CASE WHEN pg_catalog.pg_is_in_recovery() THEN NULL ELSE pg_catalog.pg_current_wal_insert_lsn() END)';

/** What has been written to the server's log since, with all that the server itself writes to it. */
export async function readProgress(
  spec: PostgresSpec,
  at: Host,
  since: LogPosition,
  { signal }: Context,
): Promise<LogProgress> {
  await using connection = await Connection.open(parsePlace(spec.url, at), { signal });
  const { systemId } = await serverFacts(connection, signal);
  if (systemId !== since.log) throw otherLog(since.at);
  const row = await connection.row(
    `SELECT ${LOG_END}::text AS now, pg_catalog.pg_current_snapshot()::text AS snapshot,
      pg_catalog.pg_wal_lsn_diff(${LOG_END}, ${literal(since.at)}::pg_catalog.pg_lsn)::text AS bytes`,
    signal,
  );
  return insistOnForward({
    ...{ atCut: since.at, now: text(row, 'now'), bytes: Number(text(row, 'bytes')) },
    transactions:
      since.transactions === undefined
        ? undefined
        : finishedBetween(since.transactions, text(row, 'snapshot')),
  });
}

/**
 * How many transactions that write have ended between two snapshots (`xmin:xmax:running,running`), committed or rolled back;
 * those that ran at the first are among them, those that run at the second are not.
 */
export function finishedBetween(earlier: string, later: string): number {
  const [before, after] = [earlier, later].map((snapshot) => {
    const [, next = '0', running = ''] = snapshot.split(':');
    return BigInt(next) - BigInt(running === '' ? 0 : running.split(',').length);
  });
  return Number(after! - before!);
}
