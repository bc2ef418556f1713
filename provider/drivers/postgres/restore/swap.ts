import type { Context } from '../../../core/context.ts';
import { StasisError } from '../../../core/errors.ts';
import { sleep } from '../../../core/wait.ts';
import type { Connection } from '../connect/connection.ts';
import { hasState } from '../connect/faults.ts';
import type { Place } from '../connect/place.ts';
import { identifier, literal } from '../connect/sql.ts';
import type { JournalEntry } from './journal-entry.ts';
import { openAdmin, type Target } from './target.ts';

/** A rename waits this long for others to leave the database (CountOtherDBBackends of the server's source: 5 s). */
const TRIES = 3;
const DROP_MS = 300_000;
const IN_USE = '55006';

/**
 * Renames what was loaded into place, and what was there out of the way, for all databases in one transaction: others
 * see all of it or nothing. Sessions in the target are ended; who comes meanwhile waits for the rename.
 */
export async function swapIn(
  admin: Connection,
  place: Place,
  databases: JournalEntry['databases'],
  target: Target,
  context: Context,
): Promise<void> {
  const replaced = databases.filter((_database, index) => target.destinations[index]?.existing !== undefined);
  for (let attempt = 1; ; attempt += 1) {
    try {
      await swapOnce(admin, place, databases, replaced);
      break;
    } catch (error) {
      if (!hasState(error, IN_USE)) throw error;
      if (attempt === TRIES) throw inUse(replaced, error);
    }
  }
  for (const { old } of replaced)
    await admin
      .rows(`DROP DATABASE IF EXISTS ${identifier(old)} WITH (FORCE)`, undefined, DROP_MS)
      .catch(() => {
        context.logger.log('warn', 'what was replaced could not be dropped', { database: old });
      });
}

async function swapOnce(
  admin: Connection,
  place: Place,
  databases: JournalEntry['databases'],
  replaced: JournalEntry['databases'],
): Promise<void> {
  const done = new AbortController();
  const ending = endOthers(
    place,
    [...replaced.map(({ target }) => target), ...databases.map(({ staging }) => staging)],
    done.signal,
  );
  try {
    await admin.rows('BEGIN');
    for (const database of databases) {
      if (replaced.includes(database))
        await admin.rows(
          `ALTER DATABASE ${identifier(database.target)} RENAME TO ${identifier(database.old)}`,
        );
      await admin.rows(
        `ALTER DATABASE ${identifier(database.staging)} RENAME TO ${identifier(database.target)}`,
      );
    }
    await admin.rows('COMMIT');
  } catch (error) {
    await admin.rows('ROLLBACK').catch(() => {});
    throw error;
  } finally {
    done.abort();
    await ending;
  }
}

/** Ends sessions in these databases again and again until told to stop: new ones may come until the rename has its lock. */
async function endOthers(place: Place, databases: readonly string[], signal: AbortSignal): Promise<void> {
  const names = databases.map(literal).join(', ');
  try {
    await using connection = await openAdmin(place, databases, signal);
    while (!signal.aborted) {
      await connection
        .rows(
          `SELECT pg_catalog.pg_terminate_backend(pid) FROM pg_catalog.pg_stat_activity WHERE datname IN (${names})`,
        )
        .catch(() => {});
      await sleep(100, signal).catch(() => {});
    }
  } catch {
    // The rename itself tells when somebody is left.
  }
}

function inUse(replaced: JournalEntry['databases'], cause: unknown): StasisError {
  const names = replaced.map(({ target }) => `"${target}"`).join(', ');
  return new StasisError(
    'postgres.target-in-use',
    `Others use the database ${names}, and their sessions could not be ended.`,
    {
      hint: 'Stop the applications that use it, or give the login pg_signal_backend.',
      at: ['url'],
      cause,
    },
  );
}
