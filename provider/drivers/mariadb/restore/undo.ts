import type { Logger } from '../../../core/context.ts';
import { readDefinitions } from '../capture/definitions.ts';
import { Connection } from '../connect/connection.ts';
import type { Place } from '../connect/place.ts';
import { endSessions, listSessions } from '../connect/sessions.ts';
import { identifier, literal, qualified, type Rows, text } from '../connect/sql.ts';
import type { JournalEntry, SwappedDatabase } from './journal-entry.ts';
import { dropCode, makeCode } from './make-code.ts';
import { alterDatabase, rememberedRestore } from './memory.ts';
import { rename } from './swap.ts';

const UNDO_MS = 120_000;

/**
 * Drops what a restore made that was never released, and puts back what it had moved. Where it was released, it stays,
 * and only what it replaced goes. Idempotent.
 */
export async function undoEntry(place: Place, entry: JournalEntry, logger: Logger): Promise<void> {
  const signal = AbortSignal.timeout(UNDO_MS);
  await using session = await Connection.open(place, { signal });
  const rows: Rows = (sql) => session.rows(sql, signal);
  await endLeftSessions(place, session, entry, signal);
  await session.run('SET SESSION foreign_key_checks = 0, lock_wait_timeout = 10', signal);
  const begun = entry.databases.filter(({ before }) => before !== undefined);
  if (begun.length > 0 && !(await wasReleased(session, entry, signal)))
    await putBack(session, rows, begun, signal);
  // Before the swap nothing of ours is in `old`: what is there is of a later entry, which puts it back.
  const made = entry.databases.flatMap(({ staging, old, before }) => (before ? [staging, old] : [staging]));
  for (const name of made) await session.run(`DROP DATABASE IF EXISTS ${identifier(name)}`, signal, UNDO_MS);
  logger.log('debug', 'a restore was taken back', { restoreId: entry.restoreId });
}

/** The mark is set last of all, in every database. */
async function wasReleased(
  session: Connection,
  { databases, restoreId }: JournalEntry,
  signal: AbortSignal,
): Promise<boolean> {
  for (const { target } of databases)
    if ((await rememberedRestore(session, target, signal)) !== restoreId) return false;
  return true;
}

/** The rename was done wholly or not at all, over all databases. What is in the targets after it is ours. */
async function putBack(
  session: Connection,
  rows: Rows,
  databases: readonly SwappedDatabase[],
  signal: AbortSignal,
): Promise<void> {
  const renamed = await wasRenamed(rows, databases);
  for (const { target, staging, existed, tables, old, before } of databases) {
    if (!(await exists(rows, target))) continue;
    const { code } = await readDefinitions(rows, target);
    const ours = renamed ? code : [];
    await dropCode(session, target, ours, signal);
    if (renamed) {
      await session.run(`CREATE DATABASE IF NOT EXISTS ${identifier(staging)}`, signal);
      await rename(
        session,
        [
          ...tables.map((name) => `${qualified(target, name)} TO ${qualified(staging, name)}`),
          ...before!.tables.map((name) => `${qualified(old, name)} TO ${qualified(target, name)}`),
        ],
        signal,
      );
    }
    if (!existed) {
      await session.run(`DROP DATABASE IF EXISTS ${identifier(target)}`, signal, UNDO_MS);
      continue;
    }
    const left = renamed ? [] : code;
    const missing = before!.code.filter(
      ({ kind, name }) => !left.some((each) => each.kind === kind && each.name === name),
    );
    await makeCode(session, [{ database: target, code: missing }], new Map(), false, signal);
    await alterDatabase(session, target, before!, signal);
  }
}

/** Shown by any table that has left the place where it was loaded, or that it took. */
async function wasRenamed(rows: Rows, databases: readonly SwappedDatabase[]): Promise<boolean> {
  for (const { staging, old, tables, before } of databases) {
    const has = async (database: string): Promise<number> => {
      const [row] = await rows(
        `SELECT COUNT(*) AS n FROM information_schema.TABLES WHERE TABLE_SCHEMA = ${literal(database)} AND TABLE_TYPE <> 'VIEW'`,
      );
      return Number(text(row, 'n'));
    };
    if (before!.tables.length > 0) return (await has(old)) > 0;
    if (tables.length > 0) return (await exists(rows, staging)) && (await has(staging)) === 0;
  }
  return false;
}

async function exists(rows: Rows, database: string): Promise<boolean> {
  return (
    (await rows(`SELECT 1 FROM information_schema.SCHEMATA WHERE SCHEMA_NAME = ${literal(database)}`))
      .length > 0
  );
}

/**
 * A session that was cut off in the middle of a statement goes on with it, as its server notices only at the end: it
 * would make a table after its database had been dropped.
 */
async function endLeftSessions(
  place: Place,
  session: Connection,
  entry: JournalEntry,
  signal: AbortSignal,
): Promise<void> {
  const [{ me } = { me: undefined }] = await session.rows(
    "SELECT SUBSTRING_INDEX(CURRENT_USER(), '@', 1) AS me",
    signal,
  );
  const names = entry.databases.map(({ staging }) => staging);
  const left = (await listSessions(session, signal, 'whole')).filter(
    ({ id, user, database, statement }) =>
      id !== session.id && user === me && names.some((name) => database === name || statement.includes(name)),
  );
  await endSessions(
    place,
    left.map(({ id }) => id),
  );
}
