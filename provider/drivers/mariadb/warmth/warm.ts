import { formatBytes } from '../../../core/units.ts';
import { SHARE_OF_CACHE, type Warmth } from '../../../core/warmth.ts';
import type { Connection } from '../connect/connection.ts';
import { list, literal, type Rows, text } from '../connect/sql.ts';
import { chooseReadings, type RestoredTable } from './choose.ts';
import type { Hot } from './hot.ts';
import { type Planned, type Pool, readBack } from './read-back.ts';

/** What is known of one database, and what it is called until the release. */
export interface WarmDatabase {
  readonly hot: Hot | undefined;
  readonly into: string;
}

/** Reads what was hot into the server's buffer pool, and looks how much of it is there then. */
export async function warmDatabases(
  databases: readonly WarmDatabase[],
  connection: Connection,
  signal: AbortSignal,
): Promise<Warmth> {
  const known = databases.flatMap(({ hot, into }) => (hot === undefined ? [] : [{ hot, into }]));
  if (known.length === 0) return { hotBytes: undefined, warmedBytes: 0, reason: NOT_KNOWN };
  const rows: Rows = (sql) => connection.rows(sql, signal);
  const pool = await poolOf(rows);
  const { pageBytes } = pool;
  let budgetPages = pool.roomPages;
  const planned: Planned[] = [];
  const left = { small: 0, scattered: 0 };
  for (const { hot, into } of known) {
    // Pages of servers with pages of another size count as so many of this one's.
    const scale = hot.database.pageBytes / pageBytes;
    const chosen = chooseReadings(
      hot.database,
      await restoredTables(rows, into, pageBytes),
      budgetPages / scale,
    );
    planned.push(...chosen.chosen.map((reading) => ({ ...reading, into, scale })));
    budgetPages -= chosen.chosen.reduce((sum, { pages }) => sum + pages * scale, 0);
    left.small += chosen.left * hot.database.pageBytes;
    left.scattered += chosen.scattered * hot.database.pageBytes;
  }
  const done = await readBack(planned, pool, connection, signal);
  const large = known.reduce((sum, { hot }) => sum + largeBytes(hot), 0);
  const reasons = [
    ...(known.length < databases.length ? [NOT_KNOWN_OF_ALL] : []),
    ...(left.small > 0 ? ["The target's innodb_buffer_pool_size is too small for all that was hot."] : []),
    ...(left.scattered > 0
      ? [
          `${formatBytes(left.scattered)} lay in indexes of which less than half was hot, at keys that nobody knows.`,
        ]
      : []),
    ...(large > 0 ? [`${formatBytes(large)} of large values are read when they are asked for.`] : []),
    ...done.reasons,
  ];
  return {
    hotBytes: known.reduce((sum, { hot }) => sum + hot.hotBytes, 0),
    warmedBytes: Math.round(done.warmedPages * pageBytes),
    ...(reasons.length > 0 ? { reason: reasons.join(' ') } : {}),
  };
}

async function poolOf(rows: Rows): Promise<Pool> {
  const found = await rows(`SHOW GLOBAL VARIABLES WHERE Variable_name IN (${list(POOL_VARIABLES)})`);
  const values = new Map(found.map((row) => [text(row, 'Variable_name'), Number(text(row, 'Value'))]));
  const [bytes = 0, pageBytes = 1, free = 0, instances = 1, oldPercent = 0, oldMs = 0] = POOL_VARIABLES.map(
    (name) => values.get(name),
  );
  const pages = bytes / pageBytes;
  return {
    pageBytes,
    // It keeps some pages free in each part of its pool, and gives up others for it.
    roomPages: Math.floor(Math.min(pages * SHARE_OF_CACHE, pages - free * instances)),
    oldPages: Math.floor((pages * oldPercent) / 100),
    oldMs,
  };
}

const POOL_VARIABLES = [
  'innodb_buffer_pool_size',
  'innodb_page_size',
  'innodb_lru_scan_depth',
  'innodb_buffer_pool_instances',
  'innodb_old_blocks_pct',
  'innodb_old_blocks_time',
] as const;

const NOT_KNOWN = 'The snapshot does not know which pages were hot: the coverage says why (mariadb.buffers).';
const NOT_KNOWN_OF_ALL = 'Of some databases the snapshot does not know which pages were hot.';

function largeBytes({ database }: Hot): number {
  return database.tables.reduce((sum, { largePages }) => sum + largePages, 0) * database.pageBytes;
}

const WHOLE_NUMBERS = ['tinyint', 'smallint', 'mediumint', 'int', 'bigint'] as const;

async function restoredTables(rows: Rows, database: string, pageBytes: number): Promise<RestoredTable[]> {
  const found = await rows(`SELECT s.TABLE_NAME AS name, s.INDEX_NAME AS index_name, s.COLUMN_NAME AS col,
      c.DATA_TYPE IN (${list(WHOLE_NUMBERS)}) AS counts
    FROM information_schema.STATISTICS s LEFT JOIN information_schema.COLUMNS c
      ON c.TABLE_SCHEMA = s.TABLE_SCHEMA AND c.TABLE_NAME = s.TABLE_NAME AND c.COLUMN_NAME = s.COLUMN_NAME
    WHERE s.TABLE_SCHEMA = ${literal(database)} AND s.SEQ_IN_INDEX = 1 AND s.INDEX_TYPE = 'BTREE'`);
  const keyed = Map.groupBy(found, (row) => text(row, 'name'));
  const names = await rows(
    `SELECT TABLE_NAME AS name, COALESCE(DATA_LENGTH + INDEX_LENGTH, 0) AS bytes
      FROM information_schema.TABLES WHERE TABLE_SCHEMA = ${literal(database)}`,
  );
  return names.map((row) => {
    const name = text(row, 'name');
    const indexes = keyed.get(name) ?? [];
    const primary = indexes.find((one) => text(one, 'index_name') === 'PRIMARY');
    return {
      name,
      indexes: new Set(['GEN_CLUST_INDEX', ...indexes.map((one) => text(one, 'index_name'))]),
      filePages: Math.ceil(Number(text(row, 'bytes')) / pageBytes),
      key: primary && text(primary, 'counts') === '1' ? text(primary, 'col') : undefined,
    };
  });
}
