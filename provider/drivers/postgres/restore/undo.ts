import type { Logger } from '../../../core/context.ts';
import type { Host } from '../../../core/host.ts';
import { removeFolder } from '../connect/host-folder.ts';
import type { Place } from '../connect/place.ts';
import { identifier, literal, type Rows } from '../connect/sql.ts';
import { rememberedRestore } from '../fingerprint/shared-state.ts';
import type { JournalEntry } from './journal-entry.ts';
import { openAdmin } from './target.ts';

const UNDO_MS = 60_000;
/** How long a session of ours that was cut off is waited for once it was told to end. */
const END_SESSION_MS = 10_000;

/**
 * Drops what a restore made that was never released. Where it was released, which is one transaction, it stays, and
 * only what it replaced goes. Idempotent.
 */
export async function undoEntry(
  place: Place,
  host: Host,
  entry: JournalEntry,
  logger: Logger,
): Promise<void> {
  const signal = AbortSignal.timeout(UNDO_MS);
  if (entry.folder !== undefined) await removeFolder(host, entry.folder);
  const targets = entry.databases.map(({ target }) => target);
  await using admin = await openAdmin(place, targets, signal);
  const rows: Rows = (sql) => admin.rows(sql, signal);
  const drop = (name: string): Promise<unknown> =>
    rows(`DROP DATABASE IF EXISTS ${identifier(name)} WITH (FORCE)`);
  await endLeftSessions(rows, entry);
  for (const { staging, old } of entry.databases) {
    await drop(staging);
    await drop(old);
  }
  const existing = await rows(
    `SELECT rolname::text AS name FROM pg_catalog.pg_roles WHERE rolname IN (${['', ...entry.roles, ...entry.granted].map(literal).join(', ')})`,
  );
  const there = (name: string): boolean => existing.some((row) => row.name === name);
  const attempt = async (statement: string): Promise<void> => {
    await rows(statement).catch((error: unknown) => {
      const reason = error instanceof Error ? error.message : String(error);
      logger.log('warn', 'a role of a restore that was rolled back stays', { reason });
    });
  };
  for (const role of entry.granted.filter(there))
    await attempt(`REVOKE ${identifier(role)} FROM CURRENT_USER`);
  if (await wasReleased(rows, entry)) return;
  for (const role of entry.roles.filter(there)) await attempt(`DROP ROLE ${identifier(role)}`);
}

/**
 * A session that was cut off in the middle of a statement goes on with it, as its server notices only at the end: it
 * would make a database after that had been dropped.
 */
async function endLeftSessions(rows: Rows, entry: JournalEntry): Promise<void> {
  const names = entry.databases.map(({ staging }) => literal(identifier(staging))).join(', ');
  await rows(`SELECT pg_catalog.pg_terminate_backend(pid, ${END_SESSION_MS}) FROM pg_catalog.pg_stat_activity
    WHERE pid <> pg_catalog.pg_backend_pid() AND usename = current_user
      AND EXISTS (SELECT FROM unnest(ARRAY[${names}]) AS name WHERE strpos(query, name) > 0)`);
}

async function wasReleased(rows: Rows, entry: JournalEntry): Promise<boolean> {
  for (const { target } of entry.databases)
    if ((await rememberedRestore(rows, target)) === entry.restoreId) return true;
  return false;
}
