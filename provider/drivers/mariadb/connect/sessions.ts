import { sleep } from '../../../core/wait.ts';
import { Connection } from './connection.ts';
import type { Place } from './place.ts';
import { text } from './sql.ts';

const END_MS = 10_000;

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
      const left = await connection.rows(
        `SELECT ID AS id FROM information_schema.PROCESSLIST WHERE ID IN (${known.join(', ')})`,
        signal,
      );
      if (left.length === 0) return;
      for (const row of left)
        await connection.run(connection.product.end(Number(text(row, 'id'))), signal).catch(() => {});
      await sleep(10, signal);
    }
  } catch {
    // A server out of reach has ended our sessions, or will when it misses us.
  }
}
