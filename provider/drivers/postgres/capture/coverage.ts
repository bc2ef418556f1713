import type { OutsideItem } from '../../../core/manifest.ts';
import type { ServerFacts } from '../connect/server.ts';
import { literal, type Rows, text } from '../connect/sql.ts';
import { ownObject, USER_SCHEMA } from './tables.ts';

interface Loss {
  readonly code: string;
  /** One row: how many there are. */
  readonly query: string;
  readonly say: (count: number) => string;
}

const OWN_RELATION = `${USER_SCHEMA} AND c.relpersistence <> 't' AND ${ownObject('c', 'pg_class')}`;
const RELATIONS = 'pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace';
const s = (count: number, one: string, many = `${one}s`): string => `${count} ${count === 1 ? one : many}`;

/** What a logical dump of one database loses, or has only in part. */
const OF_DATABASE: readonly Loss[] = [
  {
    code: 'postgres.sequences',
    query: `SELECT count(*) FROM ${RELATIONS} WHERE c.relkind = 'S' AND ${OWN_RELATION}`,
    say: (count) =>
      `${s(count, 'sequence')}: read just after the cut, as no snapshot covers them; never behind the rows`,
  },
  {
    code: 'postgres.stale-materialized-views',
    query: `SELECT count(*) FROM ${RELATIONS} WHERE c.relkind = 'm' AND c.relispopulated AND ${OWN_RELATION}`,
    say: (count) =>
      `the rows of ${s(count, 'materialized view')}: computed anew on restore, so never stale there`,
  },
  {
    code: 'postgres.invalid-indexes',
    query: `SELECT count(*) FROM ${RELATIONS} JOIN pg_catalog.pg_index i ON i.indrelid = c.oid
      WHERE NOT i.indisvalid AND ${OWN_RELATION}`,
    say: (count) => `${s(count, 'invalid index', 'invalid indexes')}`,
  },
  {
    code: 'postgres.planner-statistics',
    query: `SELECT count(*) FROM ${RELATIONS} WHERE c.relkind IN ('r', 'p', 'm') AND ${OWN_RELATION}`,
    say: () => 'planner statistics: gathered anew on restore',
  },
  {
    code: 'postgres.foreign-tables',
    query: `SELECT count(*) FROM ${RELATIONS} WHERE c.relkind = 'f' AND ${OWN_RELATION}`,
    say: (count) => `the rows of ${s(count, 'foreign table')}, which lie elsewhere`,
  },
  {
    code: 'postgres.tablespaces',
    query: `SELECT count(*) FROM ${RELATIONS} WHERE c.reltablespace NOT IN (0, 1664) AND ${OWN_RELATION}`,
    say: (count) => `the tablespaces of ${s(count, 'relation')}: restored into the default one`,
  },
  {
    code: 'postgres.security-labels',
    query: 'SELECT count(*) FROM pg_catalog.pg_seclabel',
    say: (count) =>
      `${s(count, 'security label')}: restored where the target has their provider, never compared`,
  },
  {
    code: 'postgres.advisory-locks',
    query: `SELECT count(*) FROM pg_catalog.pg_locks l JOIN pg_catalog.pg_database d ON d.oid = l.database
      WHERE l.locktype = 'advisory' AND d.datname = current_database()`,
    say: (count) => `${s(count, 'advisory lock')} held by sessions`,
  },
];

/** What belongs to the server and concerns these databases. */
function ofServer(databases: readonly string[]): readonly Loss[] {
  const names = databases.map(literal).join(', ');
  return [
    {
      code: 'postgres.replication-slots',
      query: `SELECT count(*) FROM pg_catalog.pg_replication_slots WHERE NOT temporary
        AND (database IS NULL OR database IN (${names}))`,
      say: (count) => s(count, 'replication slot'),
    },
    {
      code: 'postgres.prepared-transactions',
      query: `SELECT count(*) FROM pg_catalog.pg_prepared_xacts WHERE database IN (${names})`,
      say: (count) => `${s(count, 'prepared transaction')}: neither committed nor rolled back at the cut`,
    },
    {
      code: 'postgres.subscriptions',
      query: `SELECT count(*) FROM pg_catalog.pg_subscription s JOIN pg_catalog.pg_database d ON d.oid = s.subdbid
        WHERE d.datname IN (${names})`,
      say: (count) =>
        `${s(count, 'subscription')}: a copy that subscribes would take the original's changes away`,
    },
    {
      code: 'postgres.replication-origins',
      query: 'SELECT count(*) FROM pg_catalog.pg_replication_origin',
      say: (count) => s(count, 'replication origin'),
    },
  ];
}

export function databaseLosses(rows: Rows, prefix: string): Promise<OutsideItem[]> {
  return found(rows, OF_DATABASE, prefix);
}

export async function serverLosses(
  rows: Rows,
  server: ServerFacts,
  databases: readonly string[],
  roleCount: number,
): Promise<OutsideItem[]> {
  const items = await found(rows, ofServer(databases), '');
  if (roleCount > 0 && !server.superuser)
    items.push({
      code: 'postgres.role-passwords',
      message: `the passwords of ${s(roleCount, 'role')}: only a superuser may read their verifiers`,
    });
  items.push({
    code: 'postgres.server-configuration',
    message: "the server's own configuration (postgresql.conf, pg_hba.conf)",
  });
  return items;
}

/** Only what is there is named. */
async function found(rows: Rows, losses: readonly Loss[], prefix: string): Promise<OutsideItem[]> {
  const items: OutsideItem[] = [];
  const where = prefix === '' ? '' : ` (${prefix.replace(/^db\/|\/$/g, '')})`;
  for (const { code, query, say } of losses) {
    const [row] = await rows(`SELECT q.count::text AS count FROM (${query}) AS q`);
    const count = Number(text(row!, 'count'));
    if (count > 0) items.push({ code, message: `${say(count)}${where}` });
  }
  return items;
}
