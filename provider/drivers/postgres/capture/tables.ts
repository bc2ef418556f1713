import {
  identifier,
  optionalText,
  plainNames,
  qualified,
  type Row,
  type Rows,
  text,
  texts,
} from '../connect/sql.ts';

/** A table whose rows are captured, or a partitioned one, which has none itself. */
export interface Table {
  readonly oid: string;
  readonly schema: string;
  readonly name: string;
  /** `schema.name` with quotes only where they must be, as in fingerprints. */
  readonly label: string;
  readonly partitioned: boolean;
  /** Quoted names of all columns that COPY writes: without generated ones. */
  readonly columns: readonly string[];
  /** Quoted names of all columns, sorted, for the fingerprint. */
  readonly hashed: readonly string[];
  /** Quoted names of the columns that tell one row from every other: of the primary key, or of a key like one. */
  readonly key: readonly string[] | undefined;
  /** Which rows are the user's, where the table belongs to an extension that says so. */
  readonly condition: string | undefined;
  /** 8 kB pages by the last VACUUM or ANALYZE. */
  readonly pages: number;
}

/** Schemas of the system and of temporary tables. */
export const USER_SCHEMA = `n.nspname NOT IN ('pg_catalog', 'information_schema')
  AND n.nspname !~ '^pg_(toast|temp_|toast_temp_)'`;

/** What belongs to an extension comes back with it; `alias` is the object's row, `catalog` where it lies. */
export function ownObject(alias: string, catalog: string): string {
  return `NOT EXISTS (SELECT 1 FROM pg_catalog.pg_depend e WHERE e.classid = 'pg_catalog.${catalog}'::pg_catalog.regclass
    AND e.objid = ${alias}.oid AND e.deptype = 'e')`;
}

/** Tables and sequences whose content an extension declares as the user's (pg_extension_config_dump). */
const CONFIGURED = `(SELECT u.oid, coalesce(u.condition, '') AS condition FROM pg_catalog.pg_extension x,
    LATERAL unnest(x.extconfig, x.extcondition) AS u (oid, condition))`;

const LABEL = "pg_catalog.format('%I.%I', n.nspname, c.relname)";

/** The same in a copy of the table, whatever its numbers: by kind, size and name. Generated columns are in no COPY. */
const KEY = `(SELECT array_agg(a.attname::text ORDER BY k.place)
  FROM (SELECT i.indkey, i.indnkeyatts FROM pg_catalog.pg_index i JOIN pg_catalog.pg_class x ON x.oid = i.indexrelid
      WHERE i.indrelid = c.oid AND i.indisunique AND i.indisvalid AND i.indpred IS NULL AND i.indexprs IS NULL
        AND NOT EXISTS (SELECT 1 FROM pg_catalog.unnest(i.indkey::pg_catalog.int2[]) WITH ORDINALITY AS k (number, place)
          JOIN pg_catalog.pg_attribute a ON a.attrelid = c.oid AND a.attnum = k.number
          WHERE k.place <= i.indnkeyatts AND NOT (a.attnotnull AND a.attgenerated = ''))
      ORDER BY i.indisprimary DESC, i.indnkeyatts, x.relname COLLATE "C" LIMIT 1) AS i,
    LATERAL pg_catalog.unnest(i.indkey::pg_catalog.int2[]) WITH ORDINALITY AS k (number, place)
    JOIN pg_catalog.pg_attribute a ON a.attrelid = c.oid AND a.attnum = k.number
  WHERE k.place <= i.indnkeyatts)`;

const TABLES = `SELECT c.oid::text AS oid, n.nspname::text AS schema, c.relname::text AS name,
    ${LABEL} AS label, c.relkind = 'p' AS partitioned, c.relpages::text AS pages, nullif(k.condition, '') AS condition,
    (SELECT coalesce(array_agg(a.attname::text ORDER BY a.attnum), '{}') FROM pg_catalog.pg_attribute a
      WHERE a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped AND a.attgenerated = '') AS columns,
    (SELECT coalesce(array_agg(a.attname::text ORDER BY a.attname COLLATE "C"), '{}')
      FROM pg_catalog.pg_attribute a
      WHERE a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped) AS hashed,
    ${KEY} AS key
  FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
    LEFT JOIN ${CONFIGURED} k ON k.oid = c.oid
  WHERE c.relkind IN ('r', 'p') AND c.relpersistence <> 't'
    AND (${USER_SCHEMA} AND ${ownObject('c', 'pg_class')} OR k.oid IS NOT NULL)
  ORDER BY c.oid`;

/** Takes no lock: the catalogs alone are read, in whatever snapshot the session has. */
export async function listTables(rows: Rows): Promise<Table[]> {
  return (await rows(TABLES)).map((row: Row) => ({
    oid: text(row, 'oid'),
    schema: text(row, 'schema'),
    name: text(row, 'name'),
    label: plainNames(text(row, 'label')),
    partitioned: row.partitioned === true,
    columns: texts(row, 'columns').map(identifier),
    hashed: texts(row, 'hashed').map(identifier),
    key: Array.isArray(row.key) ? texts(row, 'key').map(identifier) : undefined,
    condition: optionalText(row, 'condition'),
    pages: Number(text(row, 'pages')),
  }));
}

/** Why the tables that a mark shows are not the ones that were locked before it; undefined when they are. */
export function moved(locked: readonly Table[], marked: readonly Table[]): string | undefined {
  const before = new Map(locked.map((table) => [table.oid, table]));
  for (const table of marked) {
    const known = before.get(table.oid);
    if (known === undefined) return `${tableName(table)} came after the tables were locked`;
    if (shape(known) !== shape(table)) return `${tableName(table)} was changed while the tables were locked`;
  }
  if (marked.length < locked.length) return 'a table went while the tables were locked';
  return undefined;
}

function shape(table: Table): string {
  return JSON.stringify([table.schema, table.name, table.columns, table.hashed, table.condition]);
}

export function tableName(table: { readonly schema: string; readonly name: string }): string {
  return qualified(table.schema, table.name);
}

/** Deals tables out so that each share is about as large, by what the server last counted. */
export function deal(tables: readonly Table[], shares: number): Table[][] {
  const dealt: { pages: number; tables: Table[] }[] = Array.from({ length: Math.max(1, shares) }, () => ({
    pages: 0,
    tables: [],
  }));
  for (const table of [...tables].sort((a, b) => b.pages - a.pages)) {
    const least = dealt.reduce((smallest, share) => (share.pages < smallest.pages ? share : smallest));
    least.tables.push(table);
    // A table costs something even where the server thinks that it is empty.
    least.pages += table.pages + 8;
  }
  return dealt.map((share) => share.tables);
}

/** A sequence whose position is captured. */
export interface Sequence {
  readonly oid: string;
  readonly schema: string;
  readonly name: string;
  readonly label: string;
  /** Changes when it is restarted or altered. */
  readonly fileNode: string;
}

const SEQUENCES = `SELECT c.oid::text AS oid, n.nspname::text AS schema, c.relname::text AS name,
    ${LABEL} AS label, c.relfilenode::text AS file
  FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
    LEFT JOIN ${CONFIGURED} k ON k.oid = c.oid
  WHERE c.relkind = 'S' AND c.relpersistence <> 't'
    AND (${USER_SCHEMA} AND ${ownObject('c', 'pg_class')} OR k.oid IS NOT NULL)
  ORDER BY n.nspname COLLATE "C", c.relname COLLATE "C"`;

export async function listSequences(rows: Rows): Promise<Sequence[]> {
  return (await rows(SEQUENCES)).map((row) => ({
    oid: text(row, 'oid'),
    schema: text(row, 'schema'),
    name: text(row, 'name'),
    label: plainNames(text(row, 'label')),
    fileNode: text(row, 'file'),
  }));
}

/** Where a sequence stands. `lastValue` is a 64-bit integer, as text. */
export interface SequencePosition {
  readonly schema: string;
  readonly name: string;
  readonly label: string;
  readonly lastValue: string;
  readonly isCalled: boolean;
}

/** COPY of a table's own rows, without those of its children. */
export function copyOut(table: Table): string {
  const columns = table.columns.join(', ');
  if (table.condition !== undefined)
    return `COPY (SELECT ${columns} FROM ONLY ${tableName(table)} ${table.condition}) TO STDOUT`;
  return `COPY ${tableName(table)}${columns === '' ? '' : ` (${columns})`} TO STDOUT`;
}

export function copyIn(table: {
  readonly schema: string;
  readonly name: string;
  readonly columns: readonly string[];
}): string {
  const columns = table.columns.join(', ');
  return `COPY ${tableName(table)}${columns === '' ? '' : ` (${columns})`} FROM stdin`;
}
