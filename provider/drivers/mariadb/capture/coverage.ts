import type { OutsideItem } from '../../../core/manifest.ts';
import type { ServerFacts } from '../connect/server.ts';
import { list, literal, type Rows, text } from '../connect/sql.ts';

interface Loss {
  readonly code: string;
  /** One row: how many there are. */
  readonly query: string;
  readonly say: (count: number) => string;
}

const s = (count: number, one: string, many = `${one}s`): string => `${count} ${count === 1 ? one : many}`;

function ofDatabase(database: string): readonly Loss[] {
  const tables = `information_schema.TABLES WHERE TABLE_SCHEMA = ${literal(database)}`;
  return [
    {
      code: 'mariadb.counters',
      query: `SELECT COUNT(*) AS n FROM ${tables} AND (AUTO_INCREMENT IS NOT NULL OR TABLE_TYPE = 'SEQUENCE')`,
      say: (count) =>
        `${s(count, 'sequence or AUTO_INCREMENT', 'sequences and AUTO_INCREMENTs')}: read just after the cut, as no snapshot covers them; never behind the rows`,
    },
    {
      code: 'mariadb.history',
      query: `SELECT COUNT(*) AS n FROM ${tables} AND TABLE_TYPE = 'SYSTEM VERSIONED'`,
      say: (count) =>
        `the history of ${s(count, 'system-versioned table')}: only the rows that are valid at the cut come back, as new ones`,
    },
    {
      code: 'mariadb.statistics',
      query: `SELECT COUNT(*) AS n FROM ${tables} AND ENGINE = 'InnoDB'`,
      say: () => 'optimizer statistics: gathered anew on restore',
    },
    {
      code: 'mariadb.tablespaces',
      query: `SELECT COUNT(*) AS n FROM ${tables} AND CREATE_OPTIONS LIKE '%DIRECTORY%'`,
      say: (count) => `the folder of ${s(count, 'table')} on the server`,
    },
  ];
}

/** Only what is there is named. */
export async function databaseLosses(rows: Rows, database: string, prefix: string): Promise<OutsideItem[]> {
  const items: OutsideItem[] = [];
  const where = prefix === '' ? '' : ` (${database})`;
  for (const { code, query, say } of ofDatabase(database)) {
    const [row] = await rows(query);
    const count = Number(text(row, 'n'));
    if (count > 0) items.push({ code, message: `${say(count)}${where}` });
  }
  return items;
}

/** What belongs to the server and concerns these databases. */
export async function serverLosses(
  rows: Rows,
  server: ServerFacts,
  databases: readonly string[],
): Promise<OutsideItem[]> {
  const items: OutsideItem[] = [
    { code: 'mariadb.users', message: 'users, roles and their grants' },
    { code: 'mariadb.server-configuration', message: "the server's own configuration and plugins" },
  ];
  if (server.noEpoch === undefined)
    items.push({
      code: 'mariadb.unlogged-writes',
      message:
        'that no session wrote with sql_log_bin off: such writes do not show in the log that proves stillness',
    });
  const prepared = await rows('XA RECOVER').catch(() => []);
  if (prepared.length > 0)
    items.push({
      code: 'mariadb.prepared-transactions',
      message: `${s(prepared.length, 'prepared XA transaction')}: neither committed nor rolled back at the cut`,
    });
  const [foreign] = await rows(`SELECT COUNT(*) AS n FROM information_schema.KEY_COLUMN_USAGE
    WHERE TABLE_SCHEMA IN (${list(databases)}) AND REFERENCED_TABLE_SCHEMA NOT IN (${list(databases)})`);
  const count = Number(text(foreign, 'n'));
  if (count > 0)
    items.push({
      code: 'mariadb.foreign-databases',
      message: `the tables of other databases that ${s(count, 'foreign key')} name`,
    });
  return items;
}
