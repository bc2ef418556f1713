import type { Connection } from '../connect/connection.ts';
import { identifier, literal, optionalText, type Row, text } from '../connect/sql.ts';

/** Pages of one index that lie in the buffer pool, near to each other in their file. */
export interface PoolStretch {
  readonly database: string;
  readonly table: string;
  /** Undefined for values that lie outside of their rows. */
  readonly index: string | undefined;
  /** Whether the file is one of several of its table. */
  readonly partitioned: boolean;
  readonly first: number;
  readonly last: number;
  readonly pages: number;
}

export function keyOf(database: string, table: string): string {
  return JSON.stringify([database, table]);
}

/** The first page behind all of them. */
export function endOf(stretches: readonly PoolStretch[]): number {
  return stretches.reduce((end, { last }) => Math.max(end, last + 1), 0);
}

const READ_MS = 30_000;
const GRACE_MS = 2_000;
/** InnoDB gives an index 64 pages at a time (an extent), so that those of another lie in between. */
const GAP = 64;
/** The longest; the list is kept to a few megabytes. */
const MOST_STRETCHES = 100_000;

/**
 * What of these databases lies in the buffer pool, by INNODB_BUFFER_PAGE, which takes PROCESS. Its sister in the order of use
 * (INNODB_BUFFER_PAGE_LRU) holds the pool's mutex from the first page to the last; this one lets it go in between.
 */
export async function readPool(
  connection: Connection,
  databases: readonly string[],
  signal: AbortSignal,
): Promise<PoolStretch[]> {
  const { product } = connection;
  // The server's own limit: a session that is cut off would go on reading.
  await connection.run(`SET SESSION ${product.patience(READ_MS)}`, signal);
  const rows = await connection.rows(stretchesOf(databases), signal, READ_MS + GRACE_MS);
  await connection.run(`SET SESSION ${product.patience(0)}`, signal);
  const owners = new Map(
    rows.flatMap((row) => {
      const owner = ownerOf(optionalText(row, 'owner'));
      return owner === undefined ? [] : [[text(row, 'space'), owner] as const];
    }),
  );
  return rows.flatMap((row) => {
    const owner = owners.get(text(row, 'space'));
    return owner === undefined || !databases.includes(owner.database)
      ? []
      : [{ ...owner, ...numbersOf(row) }];
  });
}

/** Large values (`BLOB`, MySQL's `LOB_…`, compressed ones) have pages without a name: they are known by their file. */
function stretchesOf(databases: readonly string[]): string {
  const ours = databases.map((name) => `LOCATE(${literal(`${identifier(name)}.`)}, TABLE_NAME) = 1`);
  const place = 'PARTITION BY SPACE, INDEX_NAME ORDER BY PAGE_NUMBER';
  return `SELECT space, MAX(owner) AS owner, index_name, MIN(page) AS first, MAX(page) AS last, COUNT(*) AS pages
    FROM (SELECT space, owner, index_name, page,
        SUM(begins) OVER (PARTITION BY space, index_name ORDER BY page) AS stretch
      FROM (SELECT SPACE AS space, TABLE_NAME AS owner, INDEX_NAME AS index_name, PAGE_NUMBER AS page,
          CASE WHEN PAGE_NUMBER - LAG(PAGE_NUMBER) OVER (${place}) <= ${GAP} THEN 0 ELSE 1 END AS begins
        FROM information_schema.INNODB_BUFFER_PAGE
        WHERE (PAGE_TYPE = 'INDEX' AND (${ours.join(' OR ')})) OR PAGE_TYPE LIKE '%BLOB%' OR PAGE_TYPE LIKE '%LOB\\_%'
      ) AS page_in_pool) AS page_in_stretch
    GROUP BY space, index_name, stretch ORDER BY COUNT(*) DESC LIMIT ${MOST_STRETCHES}`;
}

const OWNER = /^`((?:[^`]|``)*)`\.`((?:[^`]|``)*)`(.*)$/s;

/** Of `` `shop`.`orders` /* Partition `p0` *\/ ``. */
function ownerOf(
  name: string | undefined,
): Pick<PoolStretch, 'database' | 'table' | 'partitioned'> | undefined {
  const [, database, table, rest] = OWNER.exec(name ?? '') ?? [];
  if (database === undefined || table === undefined) return undefined;
  const plain = (quoted: string): string => quoted.replaceAll('``', '`');
  return { database: plain(database), table: plain(table), partitioned: rest !== '' };
}

function numbersOf(row: Row): Pick<PoolStretch, 'index' | 'first' | 'last' | 'pages'> {
  return {
    index: optionalText(row, 'index_name'),
    first: Number(text(row, 'first')),
    last: Number(text(row, 'last')),
    pages: Number(text(row, 'pages')),
  };
}
