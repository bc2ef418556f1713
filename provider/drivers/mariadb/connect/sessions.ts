import { sleep } from '../../../core/wait.ts';
import { Connection } from './connection.ts';
import type { Place } from './place.ts';
import { optionalText, text } from './sql.ts';

const END_MS = 10_000;

/** A session of the server, of anybody whom the login may see. */
export interface ServerSession {
  readonly id: number;
  readonly user: string;
  readonly database: string | undefined;
  /** What it does: `Sleep`, `Query`, … */
  readonly command: string;
  /** Its first 100 characters, unless all of it was asked for. */
  readonly statement: string;
}

/**
 * By SHOW and not from the catalog, which fails on MySQL while anybody runs a statement with bytes in it that are no text
 * (error 3854), as every load of ours does.
 */
export async function listSessions(
  connection: Connection,
  signal: AbortSignal,
  statements: 'whole' | 'cut' = 'cut',
): Promise<ServerSession[]> {
  const rows = await connection.rows(`SHOW ${statements === 'whole' ? 'FULL ' : ''}PROCESSLIST`, signal);
  return rows.map((row) => ({
    id: Number(text(row, 'Id')),
    user: optionalText(row, 'User') ?? '',
    database: optionalText(row, 'db'),
    command: optionalText(row, 'Command') ?? '',
    statement: optionalText(row, 'Info') ?? '',
  }));
}

/**
 * A session that was cut off in the middle of a statement goes on with it until its server notices: it is ended, and
 * waited for. Everybody may end sessions of his own.
 */
export async function endSessions(place: Place, ids: readonly number[]): Promise<void> {
  const known = ids.filter((id) => id > 0);
  if (known.length === 0) return;
  try {
    const signal = AbortSignal.timeout(END_MS);
    await using connection = await Connection.open(place, { signal });
    for (;;) {
      const left = (await listSessions(connection, signal)).filter(({ id }) => known.includes(id));
      if (left.length === 0) return;
      for (const { id } of left) await connection.run(connection.product.end(id), signal).catch(() => {});
      await sleep(10, signal);
    }
  } catch {
    // A server out of reach has ended our sessions, or will when it misses us.
  }
}
