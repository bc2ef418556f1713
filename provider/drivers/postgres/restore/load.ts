import { hashedAgain } from '../../../core/blobs.ts';
import { concurrently } from '../../../core/concurrently.ts';
import type { Context } from '../../../core/context.ts';
import type { BlobReader } from '../../../core/store.ts';
import { copyIn, tableName } from '../capture/tables.ts';
import { Connection } from '../connect/connection.ts';
import { faultOfThrown } from '../connect/faults.ts';
import type { HostFolder } from '../connect/host-folder.ts';
import { PsqlSession } from '../connect/psql-session.ts';
import { batches, identifier, literal, type Rows } from '../connect/sql.ts';
import type { CapturedDatabase, CopiedTable, DatabaseIndex } from '../content.ts';
import { effectiveSettings, settingsToGive } from '../fingerprint/meaning.ts';
import { commentMark, MARKER } from '../fingerprint/shared-state.ts';
import { type LoadInto, loadArchive } from './archive.ts';
import { setStatement } from './make-roles.ts';

/** Gathering statistics may take long on large databases, and only its speed depends on it. */
const ANALYZE_MS = 600_000;
const SEQUENCES_A_QUERY = 200;

/**
 * Fills a database that nobody else uses yet: definitions, then rows by several sessions at once, large objects, then
 * indexes, constraints and triggers, several at once, and the sequences' positions as recorded.
 */
export async function loadDatabase(
  into: LoadInto,
  captured: CapturedDatabase,
  index: DatabaseIndex,
  blobs: BlobReader,
  folder: HostFolder,
  options: {
    readonly jobs: number;
    readonly extensions: readonly ExtensionVersion[];
    readonly context: Context;
  },
): Promise<void> {
  const step = (message: string): void => options.context.progress({ step: 'load', message });
  const file = await folder.write(
    `${into.database}.dump`,
    hashedAgain(blobs, captured.schema.digest),
    into.signal,
  );
  step('definitions');
  await loadDefinitions(into, file, folder, options.extensions);
  step('rows');
  await loadRows(into, index.tables, blobs, options.jobs, options.context);
  if (captured.largeObjects)
    await loadArchive(into, ['--data-only'], { stream: hashedAgain(blobs, captured.largeObjects.digest) });
  step('indexes and constraints');
  await loadArchive(into, ['--section=post-data', `--jobs=${options.jobs}`], { file });
  await using connection = await Connection.open(into.place, {
    database: into.database,
    signal: into.signal,
  });
  for (const statement of positionStatements(index)) await connection.rows(statement, into.signal);
  step('statistics');
  await connection.rows('ANALYZE', into.signal, ANALYZE_MS).catch((error) => {
    options.context.logger.log('warn', 'statistics were not gathered', {
      reason: faultOfThrown(error, into.place, 'ANALYZE').message,
    });
  });
}

export interface ExtensionVersion {
  readonly name: string;
  readonly schema: string;
  /** Undefined for the target's default. */
  readonly version: string | undefined;
}

/** An entry of an archive's table of contents: `id; catalog oid KIND schema name owner`. */
const kindOf = (entry: string): string => /^\d+; \d+ \d+ (EXTENSION|SCHEMA) - /.exec(entry)?.[1] ?? '';

/**
 * pg_restore creates an extension in the target's default version. Where that is not the source's, schemas are made
 * first, then the extensions by us, then the rest.
 */
async function loadDefinitions(
  into: LoadInto,
  file: string,
  folder: HostFolder,
  versions: readonly ExtensionVersion[],
): Promise<void> {
  if (versions.length === 0) return loadArchive(into, ['--section=pre-data'], { file });
  const listed = await into.host.run([into.clients.pgRestore, '--list', file], {
    signal: into.signal,
    timeoutMs: 60_000,
  });
  const entries = listed.stdout.split('\n').filter((line) => /^\d/.test(line));
  const write = (name: string, chosen: readonly string[]): Promise<string> =>
    folder.write(name, once(`${chosen.join('\n')}\n`), into.signal);
  const schemas = await write(
    'schemas.list',
    entries.filter((entry) => kindOf(entry) === 'SCHEMA'),
  );
  const rest = await write(
    'rest.list',
    entries.filter((entry) => kindOf(entry) === ''),
  );
  await loadArchive(into, ['--section=pre-data', `--use-list=${schemas}`], { file });
  await using connection = await Connection.open(into.place, {
    database: into.database,
    signal: into.signal,
  });
  for (const { name, schema, version } of versions) {
    const wanted = version === undefined ? '' : ` VERSION ${literal(version)}`;
    const create = `CREATE EXTENSION IF NOT EXISTS ${identifier(name)} WITH SCHEMA ${identifier(schema)}${wanted} CASCADE`;
    await connection.rows(create, into.signal);
  }
  await loadArchive(into, ['--section=pre-data', `--use-list=${rest}`], { file });
}

async function* once(text: string): AsyncGenerator<Uint8Array> {
  yield Buffer.from(text);
}

/** The largest first, each by the next session that is free. */
async function loadRows(
  into: LoadInto,
  tables: readonly CopiedTable[],
  blobs: BlobReader,
  jobs: number,
  context: Context,
): Promise<void> {
  const waiting = tables
    .filter(({ rows }) => rows.sizeBytes > 0)
    .sort((a, b) => a.rows.sizeBytes - b.rows.sizeBytes);
  const sessions = Array.from({ length: Math.min(jobs, waiting.length) });
  const stop = new AbortController();
  const signal = AbortSignal.any([into.signal, stop.signal]);
  const work = async (): Promise<void> => {
    await using session = await PsqlSession.open(into.clients, into.host, into.place, {
      database: into.database,
      signal,
    });
    await session.run('SET synchronous_commit = off');
    for (let table = waiting.pop(); table; table = waiting.pop()) {
      context.progress({ step: 'load', message: table.label });
      await session.load(copyIn(table), blobs.get(table.rows.digest), `loading ${table.label}`);
    }
    await session.close();
  };
  await concurrently(sessions, work, () => stop.abort());
}

/** Puts every sequence where the record says. */
export function* positionStatements(index: DatabaseIndex): Generator<string> {
  for (const batch of batches(index.sequences, SEQUENCES_A_QUERY)) {
    const calls = batch.map(
      (position) =>
        `pg_catalog.setval(${literal(tableName(position))}::pg_catalog.regclass, ${position.lastValue}, ${position.isCalled})`,
    );
    yield `SELECT ${calls.join(', ')}`;
  }
}

export interface SharedStatements {
  /** In this order; what the login may not do is left to the verdict. */
  readonly statements: readonly string[];
  /** The second where the first is refused: only a superuser may make up a setting. */
  readonly remember: readonly [string, string];
  /** Last, as it may be another than the login, and takes over what was the login's. */
  readonly owner: string;
}

/** What lies in no dump of a database: its settings, comment, limit, grants and owner; and which restore filled it. */
export function sharedStatements(name: string, index: DatabaseIndex, restoreId: string): SharedStatements {
  const database = `DATABASE ${identifier(name)}`;
  const { shared } = index;
  const statements = shared.settings.flatMap(({ role, settings }) => {
    const alter = role === undefined ? `ALTER ${database}` : `ALTER ROLE ${identifier(role)} IN ${database}`;
    return settings.flatMap((setting) => setStatement(alter, setting));
  });
  if (shared.comment !== undefined) statements.push(`COMMENT ON ${database} IS ${literal(shared.comment)}`);
  statements.push(`ALTER ${database} CONNECTION LIMIT ${shared.connectionLimit}`);
  if (shared.grants) {
    statements.push(`REVOKE ALL ON ${database} FROM PUBLIC, CURRENT_USER`);
    for (const { grantee, privilege, grantable } of shared.grants) {
      const to =
        grantee === undefined ? 'PUBLIC' : grantee === shared.owner ? 'CURRENT_USER' : identifier(grantee);
      statements.push(`GRANT ${privilege} ON ${database} TO ${to}${grantable ? ' WITH GRANT OPTION' : ''}`);
    }
  }
  const comment = `${shared.comment ?? ''}${commentMark(restoreId)}`;
  return {
    statements,
    remember: [
      `ALTER ${database} SET ${MARKER} TO ${literal(restoreId)}`,
      `COMMENT ON ${database} IS ${literal(comment)}`,
    ],
    owner: `ALTER ${database} OWNER TO ${identifier(shared.owner)}`,
  };
}

/** Gives the database, whose own settings are in place, what changes the meaning of statements and is otherwise here. */
export async function meaningStatements(
  name: string,
  { shared }: DatabaseIndex,
  rows: Rows,
): Promise<string[]> {
  const here = await effectiveSettings(rows, name);
  const alter = `ALTER DATABASE ${identifier(name)}`;
  return settingsToGive(shared.effective, here).flatMap((setting) => setStatement(alter, setting));
}
