import type { Context } from '../../core/context.ts';
import { insistOnForward, type LogPosition, type LogProgress, otherLog } from '../../core/log-position.ts';
import { Connection } from './connection.ts';
import { numberOf, readInfo } from './info.ts';
import type { RedisSpec } from './spec.ts';

/** Where an RDB was forked, as it says itself; none of a server that does not note it. */
export function positionIn(aux: ReadonlyMap<string, string>): LogPosition | undefined {
  const [log, at] = [aux.get('repl-id'), aux.get('repl-offset')];
  return log === undefined || at === undefined ? undefined : { log, at };
}

/**
 * What has been written to the server's replication stream since. A server that has had no replica for an hour
 * (repl-backlog-ttl) ends that history and begins another.
 */
export async function readProgress(
  spec: RedisSpec,
  since: LogPosition,
  { signal }: Context,
): Promise<LogProgress> {
  await using connection = await Connection.open(spec, signal);
  const info = await readInfo(connection, signal);
  if (info.get('master_replid') !== since.log) throw otherLog(since.at);
  const now = numberOf(info, 'master_repl_offset');
  return insistOnForward({ atCut: since.at, now: String(now), bytes: now - Number(since.at) });
}
