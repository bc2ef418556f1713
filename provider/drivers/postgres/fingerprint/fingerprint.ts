import type { Fingerprint, FingerprintEntry } from '../../../core/fingerprint.ts';
import { byCodeUnits } from '../../../core/order.ts';
import type { SequencePosition, Table } from '../capture/tables.ts';
import type { PsqlSession } from '../connect/psql-session.ts';
import type { Rows } from '../connect/sql.ts';
import { largeObjectEntries, sequenceEntry, tableEntry } from './data.ts';
import { neededRoles, readRoles, roleEntries } from './roles.ts';
import { databaseEntries } from './shared-state.ts';

/** One database in a state that stays as it is while it is read. */
export interface ReadableDatabase {
  readonly name: string;
  /** What its objects begin with. */
  readonly prefix: string;
  readonly definitions: readonly FingerprintEntry[];
  readonly sequences: readonly SequencePosition[];
  readonly rows: Rows;
  /** A session for what is no table. */
  readonly session: PsqlSession;
  /** Its tables, shared out among sessions that work at once. */
  eachShare(work: (session: PsqlSession, tables: readonly Table[]) => Promise<void>): Promise<void>;
}

/** Everything of the marked state that counts, in order. `roles` names those to compare; by default those needed. */
export async function* fingerprintOf(
  parts: readonly ReadableDatabase[],
  roles?: readonly string[],
): Fingerprint {
  const entries: FingerprintEntry[] = [];
  for (const part of parts) entries.push(...(await entriesOfPart(part)));
  const { rows } = parts[0]!;
  const names =
    roles ??
    (await neededRoles(
      rows,
      parts.map(({ name }) => name),
    ));
  entries.push(...roleEntries(await readRoles(rows, names, false)));
  entries.sort((a, b) => byCodeUnits(a.object, b.object));
  yield* merged(entries, largeObjectsOf(parts));
}

async function entriesOfPart(part: ReadableDatabase): Promise<FingerprintEntry[]> {
  const { prefix, rows, name } = part;
  const entries: FingerprintEntry[] = [...part.definitions, ...part.sequences.map(sequenceEntry)];
  entries.push(...(await databaseEntries(rows, name)));
  await part.eachShare(async (session, tables) => {
    for (const table of tables) if (!table.partitioned) entries.push(await tableEntry(session, table));
  });
  return prefix === '' ? entries : entries.map((entry) => ({ ...entry, object: `${prefix}${entry.object}` }));
}

/** There may be millions of these: they are never all in memory with their names. */
async function* largeObjectsOf(parts: readonly ReadableDatabase[]): Fingerprint {
  const inOrder = [...parts].sort((a, b) => byCodeUnits(a.prefix, b.prefix));
  for (const { rows, session, prefix } of inOrder) yield* largeObjectEntries(rows, session, prefix);
}

/** Two sorted sequences as one. */
async function* merged(sorted: readonly FingerprintEntry[], stream: Fingerprint): Fingerprint {
  const [iterator, last] = [stream[Symbol.asyncIterator](), sorted.length];
  let at = 0;
  for (let next = await iterator.next(); !next.done; next = await iterator.next()) {
    while (at < last && sorted[at]!.object < next.value.object) yield sorted[at++]!;
    yield next.value;
  }
  while (at < last) yield sorted[at++]!;
}
