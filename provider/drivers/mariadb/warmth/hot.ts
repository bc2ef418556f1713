import { z } from 'zod';
import { readJson } from '../../../core/blobs.ts';
import { StasisError, throwIfAborted } from '../../../core/errors.ts';
import type { OutsideItem } from '../../../core/manifest.ts';
import type { BlobReader } from '../../../core/store.ts';
import { formatBytes } from '../../../core/units.ts';
import { Connection } from '../connect/connection.ts';
import type { Place } from '../connect/place.ts';
import { list, literal, type Rows, text } from '../connect/sql.ts';
import type { CapturedDatabase } from '../content.ts';
import { endOf, keyOf, type PoolStretch, readPool } from './pool.ts';

const hotIndex = z.object({
  name: z.string(),
  /** How many the server says that it has. The clustered one's are those of large values, too. */
  pages: z.int(),
  hotPages: z.int(),
  /** In order: first and last page of a stretch in the pool. Of the clustered index of a table in one file only. */
  stretches: z.array(z.tuple([z.int(), z.int()])),
});

const hotTable = z.object({
  name: z.string(),
  filePages: z.int(),
  indexes: z.array(hotIndex),
  /** Of values that lie outside of their rows. */
  largePages: z.int(),
});

const hotDatabase = z.object({ pageBytes: z.int(), tables: z.array(hotTable) });

/** What of a table lay in the server's buffer pool. */
export type HotTable = z.infer<typeof hotTable>;
export type HotDatabase = z.infer<typeof hotDatabase>;

export interface Hot {
  readonly database: HotDatabase;
  readonly hotBytes: number;
}

/**
 * A full pool of 1 GiB takes 0.4 s with MariaDB 10.11, and a temporary table with a row a page; the pool's mutex is held for ten thousand
 * pages at a time, some milliseconds. Of a pool that is larger it is not worth it.
 */
const MOST_POOL_BYTES = 32 * 1024 ** 3;
const BUFFERS = 'mariadb.buffers';

/**
 * What of these databases lies in the server's buffer pool now. It is read beside the capture's own sessions, and
 * whatever keeps it from being read is no failure of the capture: it is then told as not covered.
 */
export async function readHot(
  place: Place,
  databases: readonly string[],
  signal: AbortSignal,
): Promise<{ readonly hot: ReadonlyMap<string, Hot>; readonly outside: readonly OutsideItem[] }> {
  try {
    await using connection = await Connection.open(place, { signal });
    return { hot: await hotDatabases(connection, databases, signal), outside: [] };
  } catch (error) {
    throwIfAborted(signal);
    const why = error instanceof Error ? error.message : String(error);
    return { hot: new Map(), outside: [{ code: BUFFERS, message: `which pages were hot: ${why}` }] };
  }
}

async function hotDatabases(
  connection: Connection,
  databases: readonly string[],
  signal: AbortSignal,
): Promise<ReadonlyMap<string, Hot>> {
  const rows: Rows = (sql) => connection.rows(sql, signal);
  const [facts] = await rows('SELECT @@innodb_buffer_pool_size AS bytes, @@innodb_page_size AS page');
  const poolBytes = Number(text(facts, 'bytes'));
  const pageBytes = Number(text(facts, 'page'));
  if (poolBytes > MOST_POOL_BYTES)
    throw new StasisError(
      BUFFERS,
      `a buffer pool of ${formatBytes(poolBytes)} is too large to be looked through beside the application`,
    );
  const pool = await readPool(connection, databases, signal);
  const sizes = await tableSizes(rows, databases, pageBytes);
  const byTable = [...Map.groupBy(pool, ({ database, table }) => keyOf(database, table))];
  return new Map(
    databases.map((name) => {
      const tables = byTable.flatMap(([key, stretches]) => {
        const [{ database, table }] = stretches as [PoolStretch];
        const size = sizes.get(key);
        return database !== name || size === undefined ? [] : [hotTableOf(table, stretches, size)];
      });
      const pages = tables.reduce((sum, { indexes, largePages }) => sum + sumOf(indexes) + largePages, 0);
      return [name, { database: { pageBytes, tables }, hotBytes: pages * pageBytes }];
    }),
  );
}

interface TableSize {
  readonly clusteredPages: number;
  readonly otherPages: number;
}

/** By the server's own statistics, which may be some percent off. */
async function tableSizes(
  rows: Rows,
  databases: readonly string[],
  pageBytes: number,
): Promise<ReadonlyMap<string, TableSize>> {
  const found = await rows(`SELECT TABLE_SCHEMA AS db, TABLE_NAME AS name, COALESCE(DATA_LENGTH, 0) AS data,
      COALESCE(INDEX_LENGTH, 0) AS other
    FROM information_schema.TABLES WHERE TABLE_SCHEMA IN (${list(databases)}) AND ENGINE = ${literal('InnoDB')}`);
  const pages = (row: (typeof found)[number], column: string): number =>
    Math.round(Number(text(row, column)) / pageBytes);
  return new Map(
    found.map((row) => [
      keyOf(text(row, 'db'), text(row, 'name')),
      {
        clusteredPages: pages(row, 'data'),
        otherPages: pages(row, 'other'),
      },
    ]),
  );
}

function hotTableOf(name: string, stretches: readonly PoolStretch[], size: TableSize): HotTable {
  const inOneFile = stretches.every(({ partitioned }) => !partitioned);
  const byIndex = Map.groupBy(stretches, ({ index }) => index);
  const indexes = [...byIndex].flatMap(([index, own]) => {
    if (index === undefined) return [];
    const clustered = isClustered(index);
    const hotPages = own.reduce((sum, { pages }) => sum + pages, 0);
    // One that was just filled may have more than it is said to have.
    const pages = Math.max(hotPages, clustered ? size.clusteredPages : size.otherPages);
    const kept = clustered && inOneFile ? own : [];
    return [
      {
        ...{ name: index, pages, hotPages },
        stretches: kept.map((one): [number, number] => [one.first, one.last]).sort(([a], [b]) => a - b),
      },
    ];
  });
  const largePages = (byIndex.get(undefined) ?? []).reduce((sum, { pages }) => sum + pages, 0);
  // Without what is free: most of that lies at the end of the file, which grows by some megabytes at a time.
  const filePages = Math.max(endOf(stretches), size.clusteredPages + size.otherPages);
  return { name, filePages, indexes, largePages };
}

/** InnoDB's own name is that of a table without any key; a unique one that takes the primary's place is told from others by nothing. */
export function isClustered(index: string): boolean {
  return index === 'PRIMARY' || index === 'GEN_CLUST_INDEX';
}

function sumOf(indexes: HotTable['indexes']): number {
  return indexes.reduce((sum, { hotPages }) => sum + hotPages, 0);
}

/** What a capture has told of a database; undefined where it knew nothing. */
export async function readStoredHot(blobs: BlobReader, { hot }: CapturedDatabase): Promise<Hot | undefined> {
  if (hot === undefined) return undefined;
  const database = hotDatabase.parse(await readJson(blobs, hot.digest));
  return { database, hotBytes: hot.hotBytes };
}
