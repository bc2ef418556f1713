import { StasisError } from '../../../core/errors.ts';
import { readDefinitions, requalified } from '../capture/definitions.ts';
import { Connection } from '../connect/connection.ts';
import { isInTheWay } from '../connect/faults.ts';
import { identifier, literal, optionalText, qualified, type Rows, text } from '../connect/sql.ts';
import type { Restoring } from './beside.ts';
import type { JournalEntry, SwappedDatabase } from './journal-entry.ts';
import type { Loading } from './load.ts';
import { dropCode, makeCode } from './make-code.ts';
import { alterDatabase, withMark } from './memory.ts';
import { notEmpty } from './target.ts';

/** How long others' transactions on the tables are waited for, and how often. */
const WAIT_SECONDS = 5;
const TRIES = 3;
const DROP_MS = 300_000;

/**
 * Moves what was loaded into place, and what was there out of the way: all tables of all databases in one RENAME TABLE,
 * which the server does wholly or not at all. What a rename does not take along (triggers, views, code) is dropped
 * before and made after; what was there of it is journaled first, so that until the mark is set all can be taken back.
 * What was replaced is dropped last.
 */
export async function swapIn(
  { place, options, context }: Restoring,
  entry: JournalEntry,
  loading: readonly Loading[],
  journaled: (entry: JournalEntry) => void,
): Promise<JournalEntry> {
  await using session = await Connection.open(place, { signal: context.signal });
  const signal = AbortSignal.timeout(DROP_MS);
  const rows: Rows = (sql) => session.rows(sql, signal);
  await session.run(`SET SESSION foreign_key_checks = 0, lock_wait_timeout = ${WAIT_SECONDS}`, signal);
  const swapping: JournalEntry = {
    ...entry,
    databases: await inTurn(entry.databases, (database) =>
      whatIsThere(session, database, options.overwrite, signal),
    ),
  };
  await options.journal(swapping);
  journaled(swapping);
  try {
    for (const [index, database] of swapping.databases.entries())
      await makeRoom(session, database, loading[index]!, signal);
    await rename(session, moves(swapping.databases), signal);
  } catch (error) {
    throw isInTheWay(error) ? inUse(error) : error;
  }
  for (const database of swapping.databases) await repointDefaults(rows, session, database, signal);
  const names = new Map(
    loading.map(({ captured }, index) => [captured.name, swapping.databases[index]!.target]),
  );
  const made = swapping.databases.map(({ target: name }, index) => ({
    database: name,
    code: loading[index]!.index.code,
  }));
  await makeCode(session, made, names, false, signal);
  for (const [index, { target: name }] of swapping.databases.entries()) {
    const { charset, collation, comment } = loading[index]!.captured;
    const marked = withMark(comment, options.restoreId);
    await alterDatabase(session, name, { charset, collation, comment: marked }, signal);
  }
  for (const name of swapping.databases.flatMap(({ staging, old }) => [staging, old]))
    await session.run(`DROP DATABASE IF EXISTS ${identifier(name)}`, signal, DROP_MS).catch(() => {
      context.logger.log('warn', 'what was replaced could not be dropped', { database: name });
    });
  return swapping;
}

async function inTurn<In, Out>(
  items: readonly In[],
  work: (item: In, index: number) => Promise<Out>,
): Promise<Out[]> {
  const results: Out[] = [];
  for (const [index, item] of items.entries()) results.push(await work(item, index));
  return results;
}

/** Looked at again: others may have made it, or put something into it, while we loaded. */
async function whatIsThere(
  session: Connection,
  database: SwappedDatabase,
  overwrite: boolean,
  signal: AbortSignal,
): Promise<SwappedDatabase> {
  const rows: Rows = (sql) => session.rows(sql, signal);
  const { target } = database;
  const [row] = await rows(`SELECT DEFAULT_CHARACTER_SET_NAME AS charset, DEFAULT_COLLATION_NAME AS collation,
      ${session.product.comments.read} AS comment FROM information_schema.SCHEMATA s WHERE s.SCHEMA_NAME = ${literal(target)}`);
  if (row === undefined)
    return {
      ...database,
      existed: false,
      before: { tables: [], code: [], charset: '', collation: '', comment: '' },
    };
  const { tables, sequences, code } = await readDefinitions(rows, target);
  if (!overwrite && tables.length + sequences.length + code.length > 0) throw notEmpty([target]);
  const before = {
    tables: [...tables, ...sequences].map(({ name }) => name),
    code: [...code],
    charset: text(row, 'charset'),
    collation: text(row, 'collation'),
    comment: optionalText(row, 'comment') ?? '',
  };
  return { ...database, existed: true, before };
}

async function makeRoom(
  session: Connection,
  { target, staging, old, before }: SwappedDatabase,
  { captured, index }: Loading,
  signal: AbortSignal,
): Promise<void> {
  await session.run(`CREATE DATABASE IF NOT EXISTS ${identifier(old)}`, signal);
  const like = `CHARACTER SET ${captured.charset} COLLATE ${captured.collation}`;
  await session.run(`CREATE DATABASE IF NOT EXISTS ${identifier(target)} ${like}`, signal);
  await dropCode(session, target, before?.code ?? [], signal);
  await dropCode(
    session,
    staging,
    index.code.filter(({ kind }) => kind === 'trigger'),
    signal,
  );
}

function moves(databases: readonly SwappedDatabase[]): string[] {
  return databases.flatMap(({ target, staging, old, tables, before }) => [
    ...(before?.tables ?? []).map((name) => `${qualified(target, name)} TO ${qualified(old, name)}`),
    ...tables.map((name) => `${qualified(staging, name)} TO ${qualified(target, name)}`),
  ]);
}

/** One statement, or none where there are no tables. */
export async function rename(
  session: Connection,
  all: readonly string[],
  signal: AbortSignal,
): Promise<void> {
  if (all.length === 0) return;
  for (let attempt = 1; ; attempt += 1)
    try {
      return await session.run(`RENAME TABLE ${all.join(', ')}`, signal, DROP_MS);
    } catch (error) {
      if (!isInTheWay(error) || attempt === TRIES) throw error;
    }
}

function inUse(cause: unknown): StasisError {
  return new StasisError('mariadb.target-in-use', 'Others have transactions open on tables of the target.', {
    hint: 'Stop the applications that use it.',
    at: ['url'],
    cause,
  });
}

/** A default that takes the next number of a sequence names the sequence's database, and does not move along. */
async function repointDefaults(
  rows: Rows,
  session: Connection,
  { staging, target }: SwappedDatabase,
  signal: AbortSignal,
): Promise<void> {
  const found = await rows(`SELECT TABLE_NAME AS owner, COLUMN_NAME AS name, COLUMN_DEFAULT AS value
    FROM information_schema.COLUMNS WHERE TABLE_SCHEMA = ${literal(target)}
      AND INSTR(COLUMN_DEFAULT, ${literal(`${identifier(staging)}.`)}) > 0`);
  for (const row of found) {
    const value = requalified(optionalText(row, 'value') ?? '', new Map([[staging, target]]));
    await session.run(
      `ALTER TABLE ${qualified(target, text(row, 'owner'))} ALTER COLUMN ${identifier(text(row, 'name'))} SET DEFAULT (${value})`,
      signal,
    );
  }
}
