import { bytes, type Command, type Connection, ReplyError } from './connection.ts';
import { LOADING_KEY, RESTORE_KEY } from './fingerprint-key.ts';
import type { JournalEntry } from './journal.ts';
import { parseNote } from './layout.ts';

/**
 * Takes back a restore that was not released, or finishes one that died in its release: what it loaded is gone then,
 * and what it made or replaced beside keys is as before. Idempotent.
 *
 * Only databases that carry this restore's mark are emptied. Before the release these are the ones that it loaded
 * into; the release takes the mark off those, and puts it on what they replaced.
 */
export async function rollBack(
  connection: Connection,
  entry: JournalEntry,
  signal: AbortSignal,
): Promise<void> {
  const released = await wasReleased(connection, entry, signal);
  for (const db of entry.databases) {
    const [, mark] = await connection.pipeline(
      [
        ['SELECT', String(db)],
        ['GET', LOADING_KEY],
      ],
      { signal },
    );
    if (mark instanceof Buffer && mark.toString() === entry.restoreId)
      await connection.call(['FLUSHDB', 'ASYNC'], { signal });
  }
  await connection.call(['SELECT', '0'], { signal });
  if (released) return;
  const commands: Command[] = [
    ...entry.made.map((name): Command => ['FUNCTION', 'DELETE', name]),
    ...Object.values(entry.replaced).map(
      (code): Command => ['FUNCTION', 'LOAD', 'REPLACE', Buffer.from(code, 'latin1')],
    ),
    ...entry.users.map((name): Command => ['ACL', 'DELUSER', Buffer.from(name, 'latin1')]),
  ];
  // What is gone already is fine.
  if (commands.length > 0) await connection.pipeline(commands, { signal });
}

async function wasReleased(
  connection: Connection,
  entry: JournalEntry,
  signal: AbortSignal,
): Promise<boolean> {
  const [, note] = await connection.pipeline(
    [
      ['SELECT', '0'],
      ['GET', RESTORE_KEY],
    ],
    { signal },
  );
  return !(note instanceof ReplyError) && parseNote(bytes(note).toString())?.id === entry.restoreId;
}
