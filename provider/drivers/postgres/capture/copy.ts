import { putBytes, putJson } from '../../../core/blobs.ts';
import { concurrently } from '../../../core/concurrently.ts';
import type { Context } from '../../../core/context.ts';
import type { Capture, OutsideItem } from '../../../core/manifest.ts';
import type { BlobDescriptor, Blobs } from '../../../core/store.ts';
import { text } from '../connect/sql.ts';
import {
  type CapturedDatabase,
  CONTENT_VERSION,
  type CopiedTable,
  type DatabaseIndex,
  type PostgresContent,
} from '../content.ts';
import { databaseOwners, neededRoles, objectOwners, readRoles } from '../fingerprint/roles.ts';
import { databaseShared } from '../fingerprint/shared-state.ts';
import { readHot } from '../warmth/hot.ts';
import { databaseLosses, serverLosses } from './coverage.ts';
import { dumpLargeObjects } from './schema-dump.ts';
import type { CaptureSession, MarkedPart } from './session.ts';
import { copyOut } from './tables.ts';

/**
 * Copies what the mark shows: of each database pg_dump's archive of its schema, the rows of each table as psql's COPY
 * writes them, several at once, large objects as pg_dump does, and an index of these with the sequences' positions.
 * All is streamed: neither memory nor disk grows with the data.
 */
export async function copyDatabases(
  session: CaptureSession,
  parts: readonly MarkedPart[],
  blobs: Blobs,
  context: Context,
): Promise<Capture> {
  const copied = await concurrently(parts, (part) => copyDatabase(part, blobs, context));
  const names = parts.map(({ database }) => database.name);
  const { rows } = parts[0]!.session;
  const roleNames = await neededRoles(rows, names);
  const roles = await readRoles(rows, roleNames, session.server.superuser);
  const content: PostgresContent = {
    serverMajor: session.server.major,
    dumpedByMajor: session.clientsMajor,
    databases: copied.map(({ captured }) => captured),
    roles: await putJson(blobs, roles),
    roleNames,
    owners: [...new Set(copied.flatMap(({ owners }) => owners))].sort(),
    objectOwners: [...new Set(copied.flatMap((one) => one.objectOwners))].sort(),
  };
  const tables = copied.reduce((sum, { index }) => sum + index.tables.length, 0);
  const summary = `${tables} ${tables === 1 ? 'table' : 'tables'}`;
  const outside = copied.flatMap((one) => one.outside);
  return {
    contentVersion: CONTENT_VERSION,
    content,
    sizeBytes: copied.reduce((sum, one) => sum + one.sizeBytes, 0),
    summary: parts.length === 1 ? summary : `${summary} in ${parts.length} databases`,
    coverage: {
      layers: ['data'],
      outside: [...outside, ...(await serverLosses(rows, session.server, names, roles.length))],
    },
    system: { product: 'PostgreSQL', version: session.server.version },
    ...(session.position && { position: session.position }),
  };
}

interface CopiedDatabase {
  readonly captured: CapturedDatabase;
  readonly index: DatabaseIndex;
  readonly owners: readonly string[];
  readonly objectOwners: readonly string[];
  readonly outside: readonly OutsideItem[];
  readonly sizeBytes: number;
}

async function copyDatabase(part: MarkedPart, blobs: Blobs, context: Context): Promise<CopiedDatabase> {
  const { session, state, database, prefix } = part;
  // Before our own reading changes what lies in the buffers.
  const { hot, outside } = await readHot(session.dumpSource.place, database.name, context.signal);
  const schema = await putBytes(blobs, state.archive!);
  const largeObjects = await copyLargeObjects(part, blobs);
  const tables = await copyTables(part, blobs, context);
  const index: DatabaseIndex = {
    tables,
    sequences: state.sequences,
    shared: await databaseShared(session.rows, database),
  };
  const extensions =
    await session.rows(`SELECT x.extname::text AS name, x.extversion AS version, n.nspname::text AS schema
    FROM pg_catalog.pg_extension x JOIN pg_catalog.pg_namespace n ON n.oid = x.extnamespace ORDER BY x.oid`);
  const described = await putJson(blobs, index);
  return {
    captured: {
      ...{ name: database.name, prefix, encoding: database.encoding, collate: database.collate },
      ...{ ctype: database.ctype, provider: database.provider, locale: database.locale },
      ...{ icuRules: database.icuRules, collationVersion: database.collationVersion },
      ...{ sizeBytes: database.sizeBytes, schema, largeObjects, index: described },
      ...(hot && { hot: { ...(await putJson(blobs, hot.relations)), hotBytes: hot.sizeBytes } }),
      extensions: extensions.map((row) => ({
        name: text(row, 'name'),
        version: text(row, 'version'),
        schema: text(row, 'schema'),
      })),
    },
    index,
    owners: await databaseOwners(session.rows, database.name),
    objectOwners: await objectOwners(session.rows),
    outside: [...(await databaseLosses(session.rows, prefix)), ...outside],
    sizeBytes: [schema, largeObjects, described, ...tables.map(({ rows }) => rows)].reduce(
      (sum, blob) => sum + (blob?.sizeBytes ?? 0),
      0,
    ),
  };
}

async function copyTables(part: MarkedPart, blobs: Blobs, context: Context): Promise<CopiedTable[]> {
  const copied: CopiedTable[] = [];
  await part.session.eachShare(async (worker, tables) => {
    for (const table of tables) {
      if (table.partitioned) continue;
      context.progress({ step: 'copy', message: `copying ${part.prefix}${table.label}` });
      const stream = worker.stream(copyOut(table), `copying ${table.label}`);
      const rows = await blobs.put(stream, { chunking: 'content' });
      const { schema, name, label, columns, hashed, key } = table;
      const generated = hashed.length > columns.length;
      copied.push({ schema, name, label, columns, key, ...(generated && { generated }), rows });
    }
  });
  return copied.sort((a, b) => (a.label < b.label ? -1 : 1));
}

async function copyLargeObjects(part: MarkedPart, blobs: Blobs): Promise<BlobDescriptor | undefined> {
  const [row] = await part.session.rows(
    'SELECT EXISTS (SELECT 1 FROM pg_catalog.pg_largeobject_metadata) AS any',
  );
  if (row?.any !== true) return undefined;
  const dump = dumpLargeObjects(part.session.dumpSource, part.state.snapshotId);
  return blobs.put(dump, { chunking: 'content' });
}
