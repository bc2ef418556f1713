import type { Context } from '../../core/context.ts';
import type { Host } from '../../core/host.ts';
import { insistOnForward, type LogPosition, type LogProgress, otherLog } from '../../core/log-position.ts';
import { Connection } from './connect/connection.ts';
import { parsePlace } from './connect/place.ts';
import { serverFacts } from './connect/server.ts';
import { type Row, text } from './connect/sql.ts';
import type { MariadbSpec } from './spec.ts';

/** What has been written to the server's binary log since. */
export async function readProgress(
  spec: MariadbSpec,
  at: Host,
  since: LogPosition,
  { signal }: Context,
): Promise<LogProgress> {
  await using connection = await Connection.open(parsePlace(spec.url, at), { signal });
  const { serverId, product } = await serverFacts(connection, signal);
  if (serverId !== since.log) throw otherLog(since.at);
  const { query, read, transactionsIn } = product.epochs;
  const { position, gtids } = read(await connection.results(query, signal));
  const logs = await connection.rows('SHOW BINARY LOGS', signal);
  return insistOnForward({
    ...{ atCut: since.at, now: position, bytes: bytesBetween(since.at, position, logs) },
    transactions:
      since.transactions === undefined || gtids === undefined
        ? undefined
        : transactionsIn(gtids) - transactionsIn(since.transactions),
  });
}

/** Undefined where a file in between is gone. */
function bytesBetween(earlier: string, later: string, logs: readonly Row[]): number | undefined {
  const [from, to] = [earlier, later].map((position) => {
    const [, file = '', offset = '0'] = /^(.*):(\d+)$/.exec(position) ?? [];
    return { index: logs.findIndex((row) => text(row, 'Log_name') === file), offset: Number(offset) };
  });
  if (from!.index < 0 || to!.index < 0) return undefined;
  const whole = logs
    .slice(from!.index, to!.index)
    .reduce((sum, row) => sum + Number(text(row, 'File_size')), 0);
  return whole + to!.offset - from!.offset;
}
