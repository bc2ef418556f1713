import { z } from 'zod';
import { readJson } from '../../../core/blobs.ts';
import { throwIfAborted } from '../../../core/errors.ts';
import type { OutsideItem } from '../../../core/manifest.ts';
import type { BlobReader } from '../../../core/store.ts';
import { Connection } from '../connect/connection.ts';
import { hasState } from '../connect/faults.ts';
import type { Place } from '../connect/place.ts';
import { qualified, type Rows, text } from '../connect/sql.ts';
import type { CapturedDatabase } from '../content.ts';
import { keyOf, type NamedRelation, namedOf, RELATIONS, schemaOfExtension } from './relations.ts';

const range = z.tuple([z.int(), z.int(), z.number()]);

export const hotRelation = z.object({
  kind: z.enum(['table', 'index', 'toast', 'toast-index']),
  schema: z.string(),
  name: z.string(),
  /** How many it had in all. */
  blocks: z.int(),
  /** In order: first and last block of a stretch in the buffers, and how often its pages had been used of late (0 to 5). */
  ranges: z.array(range),
});

/** Which pages of one relation lay in the server's buffers. */
export type HotRelation = z.infer<typeof hotRelation>;

export interface Hot {
  readonly relations: readonly HotRelation[];
  readonly sizeBytes: number;
}

/** Reading the buffers of a server with hundreds of gigabytes of them takes seconds; longer is not worth it. */
const READ_MS = 30_000;
const GRACE_MS = 2_000;
const LOCK_MS = 200;
/** Stretches with a gap of no more blocks are told as one: what is read between them costs less than another range. */
const GAP = 4;
/** The list is kept to a few megabytes; what was used the least is left out of it. */
const MOST_RANGES = 200_000;

/** Where monitoring usually has the extension; its view shows the buffers of all databases. */
const MONITORED_BY = 'postgres';

const NOT_TOLD: OutsideItem = {
  code: 'postgres.buffers',
  message: `which pages were hot: pg_buffercache is neither in the database nor in "${MONITORED_BY}", or its view may not be read (pg_monitor may)`,
};

/**
 * Which pages of a database lie in the server's buffers now, by the extension pg_buffercache where it is installed.
 * They are read beside the capture's own sessions, and whatever keeps them from being read is no failure of the
 * capture: it is then told as not covered.
 */
export async function readHot(
  place: Place,
  database: string,
  signal: AbortSignal,
): Promise<{ readonly hot?: Hot; readonly outside: readonly OutsideItem[] }> {
  try {
    await using connection = await Connection.open(place, { database, signal });
    const filed = await filedRelations((sql) => connection.rows(sql, signal, READ_MS));
    for (const from of new Set([database, MONITORED_BY])) {
      const hot = await hotPages(place, from, filed, signal);
      if (hot) return { hot, outside: [] };
    }
    return { outside: [NOT_TOLD] };
  } catch (error) {
    throwIfAborted(signal);
    const why = error instanceof Error ? error.message : String(error);
    return { outside: [{ ...NOT_TOLD, message: `which pages were hot: ${why}` }] };
  }
}

/** A relation with the file that its pages are in. */
interface Filed extends NamedRelation {
  readonly file: string;
  readonly tablespace: string;
  readonly database: string;
  readonly blocks: number;
}

async function filedRelations(rows: Rows): Promise<ReadonlyMap<string, Filed>> {
  await rows(`SELECT pg_catalog.set_config('lock_timeout', '${LOCK_MS}', false)`);
  const found = await rows(`WITH ${RELATIONS}
    SELECT r.kind, r.schema, r.name, d.oid::text AS database, pg_catalog.pg_relation_filenode(r.oid)::text AS file,
      (CASE c.reltablespace WHEN 0 THEN d.dattablespace ELSE c.reltablespace END)::text AS tablespace,
      (pg_catalog.pg_relation_size(r.oid) / pg_catalog.current_setting('block_size')::bigint)::text AS blocks
    FROM relation r JOIN pg_catalog.pg_class c ON c.oid = r.oid
    JOIN pg_catalog.pg_database d ON d.datname = current_database()`);
  // One that was dropped meanwhile has no size any more.
  const there = found.filter(({ file, blocks }) => file !== null && blocks !== null);
  return new Map(
    there.map((row) => {
      const filed = {
        ...namedOf(row),
        file: text(row, 'file'),
        tablespace: text(row, 'tablespace'),
        database: text(row, 'database'),
        blocks: Number(text(row, 'blocks')),
      };
      return [`${filed.tablespace}/${filed.file}`, filed];
    }),
  );
}

/** Undefined where this database cannot tell. */
async function hotPages(
  place: Place,
  from: string,
  filed: ReadonlyMap<string, Filed>,
  signal: AbortSignal,
): Promise<Hot | undefined> {
  try {
    await using connection = await Connection.open(place, { database: from, signal });
    const rows: Rows = (sql) => connection.rows(sql, signal, READ_MS + GRACE_MS);
    // The server's own limit: a session that is cut off would go on reading.
    await rows(`SELECT pg_catalog.set_config('statement_timeout', '${READ_MS}', false)`);
    const schema = await schemaOfExtension(rows, 'pg_buffercache');
    if (schema === undefined) return undefined;
    const [database] = [...filed.values()].map((one) => one.database);
    if (database === undefined) return { relations: [], sizeBytes: 0 };
    return gathered(await rows(stretches(qualified(schema, 'pg_buffercache'), database)), filed);
  } catch (error) {
    throwIfAborted(signal);
    if (hasState(error, ...NO_ENTRY)) return undefined;
    throw error;
  }
}

/** No right to, or no such database, or not from here. */
const NO_ENTRY = ['42501', '3D000', '28000'];

/** Only the main fork counts: the maps of free space and of visibility are small. */
function stretches(view: string, database: string): string {
  return `WITH page AS (
    SELECT b.reltablespace AS tablespace, b.relfilenode AS file, b.relblocknumber AS block, b.usagecount AS used,
      pg_catalog.lag(b.relblocknumber) OVER (PARTITION BY b.reltablespace, b.relfilenode ORDER BY b.relblocknumber) AS before
    FROM ${view} b WHERE b.reldatabase = ${database} AND b.relforknumber = 0
  ), stretch AS (
    SELECT tablespace, file, block, used, pg_catalog.count(*) FILTER (WHERE before IS NULL OR block - before > ${GAP})
      OVER (PARTITION BY tablespace, file ORDER BY block) AS number
    FROM page
  )
  SELECT tablespace::text, file::text, pg_catalog.min(block)::text AS first, pg_catalog.max(block)::text AS last,
    pg_catalog.count(*)::text AS pages, pg_catalog.round(pg_catalog.avg(used), 2)::text AS used,
    pg_catalog.current_setting('block_size') AS size
  FROM stretch GROUP BY tablespace, file, number
  ORDER BY pg_catalog.avg(used) DESC, tablespace, file, pg_catalog.min(block) LIMIT ${MOST_RANGES}`;
}

/** Pages of the catalogs, and of what was made meanwhile, are in no file that we know. */
function gathered(found: Awaited<ReturnType<Rows>>, filed: ReadonlyMap<string, Filed>): Hot {
  const relations = new Map<string, HotRelation>();
  let sizeBytes = 0;
  for (const row of found) {
    const known = filed.get(`${text(row, 'tablespace')}/${text(row, 'file')}`);
    if (known === undefined) continue;
    const { kind, schema, name, blocks } = known;
    const key = keyOf(known);
    const relation = relations.get(key) ?? { kind, schema, name, blocks, ranges: [] };
    relation.ranges.push([Number(text(row, 'first')), Number(text(row, 'last')), Number(text(row, 'used'))]);
    relations.set(key, relation);
    sizeBytes += Number(text(row, 'pages')) * Number(text(row, 'size'));
  }
  for (const { ranges } of relations.values()) ranges.sort(([a], [b]) => a - b);
  return { relations: [...relations.values()], sizeBytes };
}

/** What a capture has told of a database; undefined where it knew nothing. */
export async function readStoredHot(blobs: BlobReader, { hot }: CapturedDatabase): Promise<Hot | undefined> {
  if (hot === undefined) return undefined;
  const relations = z.array(hotRelation).parse(await readJson(blobs, hot.digest));
  return { relations, sizeBytes: hot.hotBytes };
}
