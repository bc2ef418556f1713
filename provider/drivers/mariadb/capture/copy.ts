import { putJson } from '../../../core/blobs.ts';
import type { Context } from '../../../core/context.ts';
import type { Capture } from '../../../core/manifest.ts';
import { byCodeUnits } from '../../../core/order.ts';
import type { BlobDescriptor, Blobs } from '../../../core/store.ts';
import { list, optionalText, type Rows, text } from '../connect/sql.ts';
import {
  type CapturedDatabase,
  CONTENT_VERSION,
  type DatabaseIndex,
  type MariadbContent,
} from '../content.ts';
import { comparedColumns, keyOf } from '../fingerprint/data.ts';
import { serverSettings } from '../fingerprint/settings.ts';
import { withoutMark } from '../restore/memory.ts';
import { type Hot, readHot } from '../warmth/hot.ts';
import { databaseLosses, serverLosses } from './coverage.ts';
import type { Part } from './open.ts';
import type { CaptureSession, Marked } from './session.ts';
import type { Snapshot } from './snapshot.ts';
import { type Column, copiedColumns, rowsAsSql, type Table, tableName } from './tables.ts';

/**
 * Copies what the mark shows: of each database an index of its definitions and positions, and the rows of each table,
 * several at once. All but tables that had to be locked is streamed.
 */
export async function copyDatabases(
  session: CaptureSession,
  marked: Marked,
  snapshot: Snapshot,
  blobs: Blobs,
  context: Context,
): Promise<Capture> {
  const names = session.parts.map(({ name }) => name);
  // Before our own reading changes what lies in the pool.
  const warmth = await readHot(session.place, names, context.signal);
  const rows = await copyRows(marked, snapshot, blobs, context);
  const copied = await Promise.all(
    session.parts.map((part) => describe(part, marked, rows, warmth.hot.get(part.name), blobs)),
  );
  const hasEvents = [...marked.definitions.values()].some(({ code }) =>
    code.some(({ kind }) => kind === 'event'),
  );
  const content: MariadbContent = {
    product: session.server.product.name,
    release: [...session.server.release],
    lowerCaseNames: session.server.lowerCaseNames,
    databases: copied.map(({ captured }) => captured),
    collations: await collationsOf(snapshot.rows, names),
    undeclared: await undeclaredOf(snapshot.rows, names),
    settings: await serverSettings(snapshot.rows, session.server.product, hasEvents),
    engines: [...new Set(marked.tables.map(({ engine }) => engine))].sort(byCodeUnits),
  };
  const outside = [...(await serverLosses(snapshot.rows, session.server, names)), ...warmth.outside];
  for (const { name, prefix } of session.parts)
    outside.unshift(...(await databaseLosses(snapshot.rows, name, prefix)));
  const tables = marked.tables.length;
  const summary = `${tables} ${tables === 1 ? 'table' : 'tables'}`;
  return {
    contentVersion: CONTENT_VERSION,
    content,
    sizeBytes: copied.reduce((sum, { sizeBytes }) => sum + sizeBytes, 0),
    summary: names.length === 1 ? summary : `${summary} in ${names.length} databases`,
    coverage: { layers: ['data'], outside },
    system: { product: session.server.product.name, version: session.server.version },
    ...(session.position && { position: session.position }),
  };
}

type RowsOf = (table: Pick<Table, 'database' | 'name'>) => BlobDescriptor;

async function copyRows(marked: Marked, snapshot: Snapshot, blobs: Blobs, context: Context): Promise<RowsOf> {
  const copied = new Map<string, BlobDescriptor>();
  const put = async (table: Table, content: AsyncIterable<Uint8Array>): Promise<void> => {
    context.progress({ step: 'copy', message: `copying ${tableName(table)}` });
    copied.set(tableName(table), await blobs.put(content, { chunking: 'content' }));
  };
  await snapshot.eachShare(async (worker, tables) => {
    for (const table of tables) await put(table, rowsAsSql(worker, table, context.signal));
  });
  for (const { table, rows } of marked.locked) await put(table, each(rows));
  return (table) => copied.get(tableName(table))!;
}

async function* each(chunks: readonly Uint8Array[]): AsyncGenerator<Uint8Array> {
  yield* chunks;
}

interface Described {
  readonly captured: CapturedDatabase;
  readonly sizeBytes: number;
}

async function describe(
  { database, name, prefix }: Part,
  marked: Marked,
  rowsOf: RowsOf,
  hot: Hot | undefined,
  blobs: Blobs,
): Promise<Described> {
  const { tables, sequences, code } = marked.definitions.get(name)!;
  const { counters, sequences: positions } = marked.positions;
  const index: DatabaseIndex = {
    tables: tables.map((table) => {
      const shape = marked.tables.find((each) => each.database === name && each.name === table.name)!;
      return {
        ...table,
        columns: copiedColumns(shape).map((column) => column.name),
        key: keyOf(shape),
        long: namesOf(shape, ({ long }) => long),
        uuids: namesOf(shape, ({ uuid }) => uuid),
        ...(comparedColumns(shape).some(({ generated }) => generated) && { generated: true as const }),
        rows: rowsOf(shape),
        next: counters.find((counter) => counter.database === name && counter.table === table.name)?.next,
      };
    }),
    sequences: sequences.map((sequence) => {
      const at = positions.find((each) => each.database === name && each.name === sequence.name)!;
      return { ...sequence, next: at.next, round: at.round };
    }),
    code: [...code],
  };
  const described = await putJson(blobs, index);
  const { charset, collation, sizeBytes } = database;
  return {
    captured: {
      name,
      prefix,
      charset,
      collation,
      comment: withoutMark(database.comment),
      sizeBytes,
      index: described,
      ...(hot && { hot: { ...(await putJson(blobs, hot.database)), hotBytes: hot.hotBytes } }),
    },
    sizeBytes: index.tables.reduce((sum, { rows }) => sum + rows.sizeBytes, described.sizeBytes),
  };
}

function namesOf(table: Table, isSuch: (column: Column) => boolean): string[] {
  return copiedColumns(table)
    .filter(isSuch)
    .map(({ name }) => name);
}

async function collationsOf(rows: Rows, databases: readonly string[]): Promise<string[]> {
  const names = list(databases);
  const found =
    await rows(`SELECT DEFAULT_COLLATION_NAME AS name FROM information_schema.SCHEMATA WHERE SCHEMA_NAME IN (${names})
    UNION SELECT TABLE_COLLATION FROM information_schema.TABLES WHERE TABLE_SCHEMA IN (${names})
    UNION SELECT COLLATION_NAME FROM information_schema.COLUMNS WHERE TABLE_SCHEMA IN (${names})`);
  return found
    .map((row) => optionalText(row, 'name'))
    .filter((name) => name !== undefined)
    .sort(byCodeUnits);
}

async function undeclaredOf(rows: Rows, databases: readonly string[]): Promise<string[]> {
  const found =
    await rows(`SELECT CONCAT(ROUTINE_SCHEMA, '.', ROUTINE_NAME) AS name FROM information_schema.ROUTINES
    WHERE ROUTINE_SCHEMA IN (${list(databases)}) AND ROUTINE_TYPE = 'FUNCTION' AND IS_DETERMINISTIC = 'NO'
      AND SQL_DATA_ACCESS NOT IN ('NO SQL', 'READS SQL DATA')`);
  return found.map((row) => text(row, 'name')).sort(byCodeUnits);
}
