import { literal, type Rows, text } from '../connect/sql.ts';

/**
 * A stamp of all that the schema of a database is made of: equal for two snapshots exactly when no schema change
 * was committed between them. It is made of the transactions that wrote the catalogs' rows, so that a change that is
 * changed back shows too. TRUNCATE, VACUUM, ANALYZE, and whatever concerns temporary tables leave it as it is.
 */
export async function schemaStamp(rows: Rows): Promise<string> {
  const catalogs = await rows(PLAIN_CATALOGS);
  const parts = [
    ...FILTERED,
    ...catalogs.map(
      (row) =>
        `SELECT ${literal(text(row, 'name'))} AS catalog, ${STAMP} FROM pg_catalog.${text(row, 'name')} t`,
    ),
  ];
  const stamps = await rows(parts.join('\nUNION ALL\n'));
  return stamps
    .map((row) => `${text(row, 'catalog')}=${text(row, 'stamp')}`)
    .sort()
    .join(' ');
}

const STAMP = `coalesce(pg_catalog.md5(pg_catalog.string_agg(t.xmin::text || t.ctid::text, ',' ORDER BY t.ctid)), '') AS stamp`;

/**
 * Not among them: statistics and large objects (data), dependencies (derived), and those that temporary tables write
 * to, which are filtered below. Catalogs that all databases share are no part of a schema dump.
 */
const PLAIN_CATALOGS = `SELECT c.relname::text AS name FROM pg_catalog.pg_class c
  WHERE c.relnamespace = 'pg_catalog'::pg_catalog.regnamespace AND c.relkind = 'r' AND NOT c.relisshared
    AND c.oid < 16384 AND pg_catalog.has_table_privilege(c.oid, 'SELECT')
    AND c.relname NOT IN ('pg_statistic', 'pg_statistic_ext_data', 'pg_largeobject', 'pg_largeobject_metadata',
      'pg_depend', 'pg_subscription_rel', 'pg_class', 'pg_attribute', 'pg_attrdef', 'pg_constraint', 'pg_index',
      'pg_type', 'pg_namespace', 'pg_inherits', 'pg_sequence', 'pg_description')
  ORDER BY 1`;

const LASTING = `(SELECT n.oid FROM pg_catalog.pg_namespace n WHERE n.nspname !~ '^pg_(toast|temp_|toast_temp_)')`;
const LASTING_RELATIONS = `(SELECT c.oid FROM pg_catalog.pg_class c WHERE c.oid >= 16384 AND c.relnamespace IN ${LASTING})`;

/** What defines a relation; its file, its size and its counters are not of the schema. */
const RELATION = `pg_catalog.concat_ws('/', t.oid, t.relname, t.relnamespace, t.reltype, t.reloftype, t.relowner, t.relam,
  t.reltablespace, t.relpersistence, t.relkind, t.relnatts, t.relchecks, t.relrowsecurity, t.relforcerowsecurity,
  t.relreplident, t.relispartition, t.relispopulated, t.relacl::text, t.reloptions::text, t.relpartbound::text)`;

const FILTERED: readonly string[] = [
  `SELECT 'pg_class' AS catalog,
    coalesce(pg_catalog.md5(pg_catalog.string_agg(${RELATION}, ',' ORDER BY t.oid)), '') AS stamp
    FROM pg_catalog.pg_class t WHERE t.relnamespace IN ${LASTING}`,
  `SELECT 'pg_namespace', ${STAMP} FROM pg_catalog.pg_namespace t WHERE t.oid IN ${LASTING}`,
  `SELECT 'pg_type', ${STAMP} FROM pg_catalog.pg_type t WHERE t.typnamespace IN ${LASTING}`,
  `SELECT 'pg_constraint', ${STAMP} FROM pg_catalog.pg_constraint t WHERE t.connamespace IN ${LASTING}`,
  ...[
    'pg_attribute/attrelid',
    'pg_attrdef/adrelid',
    'pg_index/indrelid',
    'pg_inherits/inhrelid',
    'pg_sequence/seqrelid',
  ].map((entry) => {
    const [catalog, column] = entry.split('/');
    return `SELECT '${catalog}', ${STAMP} FROM pg_catalog.${catalog} t WHERE t.${column} IN ${LASTING_RELATIONS}`;
  }),
  `SELECT 'pg_description', ${STAMP} FROM pg_catalog.pg_description t
    WHERE t.classoid <> 'pg_catalog.pg_class'::pg_catalog.regclass OR t.objoid IN ${LASTING_RELATIONS}`,
];
