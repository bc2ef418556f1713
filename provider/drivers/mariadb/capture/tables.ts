import { byCodeUnits } from '../../../core/order.ts';
import type { Connection } from '../connect/connection.ts';
import {
  batches,
  identifier,
  list,
  optionalText,
  qualified,
  type Row,
  type Rows,
  text,
} from '../connect/sql.ts';

/** How a column's value is read, and written as SQL. */
export interface Column {
  readonly name: string;
  /** What is selected: exact, whatever the type. */
  readonly read: string;
  /** `number` as the server prints it; `bytes` as a string of bytes; `text` as a string in UTF-8. */
  readonly written: 'number' | 'bytes' | 'text';
  /** Whether it may be longer than a row may be in the fingerprint. */
  readonly long: boolean;
  /** MariaDB's type, whose 16 bytes go into the fingerprint, and whose text is copied. */
  readonly uuid: boolean;
  /** Generated ones are computed, not copied. */
  readonly generated: boolean;
  /** Whether it is part of what the fingerprint compares: not where it is computed as it is read, or the server's own record of when a row came. */
  readonly compared: boolean;
}

/** Engines that a snapshot covers. */
const IN_SNAPSHOTS = ['InnoDB'];
/** Engines whose rows lie on the server, and which a lock keeps as they are. */
const LOCKABLE = ['MyISAM', 'Aria', 'MEMORY', 'CSV', 'ARCHIVE'];

/** How a table's rows can be had at one instant. */
export function wayOf(table: Table): 'snapshot' | 'lock' | 'none' {
  return IN_SNAPSHOTS.includes(table.engine) ? 'snapshot' : LOCKABLE.includes(table.engine) ? 'lock' : 'none';
}

/** A table whose rows are captured. */
export interface Table {
  readonly database: string;
  readonly name: string;
  readonly engine: string;
  readonly versioned: boolean;
  readonly columns: readonly Column[];
  readonly primaryKey: readonly string[];
  readonly sizeBytes: number;
}

const NUMBERS = ['tinyint', 'smallint', 'mediumint', 'int', 'bigint', 'decimal'];
const REALS = ['float', 'double'];
const LONG = ['mediumtext', 'longtext', 'mediumblob', 'longblob', 'text', 'blob', 'json'];
const GEOMETRIES = [
  'geometry',
  'point',
  'linestring',
  'polygon',
  'multipoint',
  'multilinestring',
  'multipolygon',
];
const BYTES = [
  ...[
    'char',
    'varchar',
    'tinytext',
    'tinyblob',
    'binary',
    'varbinary',
    'bit',
    'vector',
    ...LONG.filter((type) => type !== 'json'),
  ],
  ...['date', 'datetime', 'timestamp', 'time', 'year', ...GEOMETRIES, 'geometrycollection', 'geomcollection'],
];

/** Takes no lock that would wait behind a schema change: only the catalogs are read. */
export async function listTables(rows: Rows, databases: readonly string[]): Promise<Table[]> {
  if (databases.length === 0) return [];
  const within = `TABLE_SCHEMA IN (${list(databases)})`;
  const tables =
    await rows(`SELECT TABLE_SCHEMA AS db, TABLE_NAME AS name, ENGINE AS engine, TABLE_TYPE AS type,
      COALESCE(DATA_LENGTH, 0) AS size FROM information_schema.TABLES
    WHERE ${within} AND TABLE_TYPE IN ('BASE TABLE', 'SYSTEM VERSIONED')`);
  const columns = grouped(
    await rows(`SELECT TABLE_SCHEMA AS db, TABLE_NAME AS owner, COLUMN_NAME AS name, DATA_TYPE AS type, EXTRA AS extra,
        GENERATION_EXPRESSION AS expression FROM information_schema.COLUMNS WHERE ${within} ORDER BY ORDINAL_POSITION`),
  );
  const keys = grouped(
    await rows(`SELECT TABLE_SCHEMA AS db, TABLE_NAME AS owner, COLUMN_NAME AS name FROM information_schema.STATISTICS
      WHERE ${within} AND INDEX_NAME = 'PRIMARY' ORDER BY SEQ_IN_INDEX`),
  );
  return tables
    .map((row): Table => {
      const [database, name] = [text(row, 'db'), text(row, 'name')];
      const key = JSON.stringify([database, name]);
      return {
        database,
        name,
        engine: optionalText(row, 'engine') ?? 'none',
        versioned: row.type === 'SYSTEM VERSIONED',
        columns: (columns.get(key) ?? []).map(columnOf),
        primaryKey: (keys.get(key) ?? []).map((each) => text(each, 'name')),
        sizeBytes: Number(text(row, 'size')),
      };
    })
    .sort((a, b) => byCodeUnits(a.database, b.database) || byCodeUnits(a.name, b.name));
}

function grouped(rows: readonly Row[]): Map<string, Row[]> {
  const groups = new Map<string, Row[]>();
  for (const row of rows) {
    const key = JSON.stringify([text(row, 'db'), text(row, 'owner')]);
    const group = groups.get(key);
    if (group) group.push(row);
    else groups.set(key, [row]);
  }
  return groups;
}

/**
 * FLOAT is printed with six digits only, so it is read as the DOUBLE that it is; ENUM and SET by their numbers, as an
 * ENUM may hold its error value, which prints like an empty string. BIGINT and DECIMAL are exact as they are printed.
 */
function columnOf(row: Row): Column {
  const [name, type] = [text(row, 'name'), text(row, 'type').toLowerCase()];
  const quoted = identifier(name);
  const expression = optionalText(row, 'expression') ?? '';
  const extra = optionalText(row, 'extra') ?? '';
  const read = REALS.includes(type)
    ? `${quoted} * 1e0`
    : type === 'enum' || type === 'set'
      ? `CAST(${quoted} AS UNSIGNED)`
      : quoted;
  const numeric = NUMBERS.includes(type) || type === 'enum' || type === 'set';
  return {
    name,
    read,
    written: numeric ? 'number' : BYTES.includes(type) || REALS.includes(type) ? 'bytes' : 'text',
    long: LONG.includes(type) || GEOMETRIES.includes(type) || type.startsWith('geom'),
    uuid: type === 'uuid',
    generated: expression !== '' || /\bGENERATED\b/.test(extra),
    compared: !/^ROW (START|END)$/.test(expression) && !/\bVIRTUAL\b/.test(extra),
  };
}

export function tableName(table: { readonly database: string; readonly name: string }): string {
  return qualified(table.database, table.name);
}

/** In the order of these names. */
export function columnsNamed(table: Table, names: readonly string[]): readonly Column[] {
  return names.map((name) => table.columns.find((column) => column.name === name)!);
}

/** Columns that are copied and loaded. */
export function copiedColumns(table: Table): readonly Column[] {
  return table.columns.filter(({ generated }) => !generated);
}

/** Bytes that cannot stand in a string of SQL, or would end the line. */
const SPECIAL = /[\\'\n\0]/g;
const ESCAPES: Readonly<Record<string, string>> = { '\\': '\\\\', "'": "\\'", '\n': '\\n', '\0': '\\0' };
const CHUNK_CHARACTERS = 65_536;

/**
 * A table's rows as SQL: one line each, `(1,'a',NULL),`, in order of the primary key where there is one, so that the
 * same rows are the same bytes. Strings hold the bytes that are stored, whatever their character set.
 */
export async function* rowsAsSql(
  session: Connection,
  table: Table,
  signal: AbortSignal,
): AsyncGenerator<Uint8Array> {
  const columns = copiedColumns(table);
  const key = table.primaryKey.map(identifier).join(', ');
  const order = key === '' ? '' : ` ORDER BY ${key}`;
  const selected = columns.length === 0 ? '1' : columns.map(({ read }) => read).join(', ');
  const sql = `SELECT ${selected} FROM ${tableName(table)}${order}`;
  const kinds = columns.map(({ written }) => written);
  let lines = '';
  for await (const fields of session.stream(sql, `reading ${tableName(table)}`, signal)) {
    const values = kinds.map((kind, index) => valueAsSql(fields[index]!, kind));
    lines += `(${values.join(',')}),\n`;
    if (lines.length < CHUNK_CHARACTERS) continue;
    yield Buffer.from(lines, 'latin1');
    lines = '';
  }
  if (lines !== '') yield Buffer.from(lines, 'latin1');
}

function valueAsSql(bytes: Buffer | null, kind: Column['written']): string {
  if (bytes === null) return 'NULL';
  const raw = bytes.toString('latin1');
  if (kind === 'number') return raw;
  const quoted = `'${raw.replace(SPECIAL, (byte) => ESCAPES[byte]!)}'`;
  return kind === 'text' ? `_utf8mb4${quoted}` : quoted;
}

/** What comes before the lines of `rowsAsSql`. */
export function insertInto(database: string, name: string, columns: readonly string[]): string {
  return `INSERT INTO ${qualified(database, name)} (${columns.map(identifier).join(', ')}) VALUES `;
}

const TABLES_A_STATEMENT = 50;

/**
 * Statements that read no row and yet keep a table from being altered, dropped, truncated or renamed until the
 * transaction ends (metadata locks: https://mariadb.com/kb/en/metadata-locking/).
 */
export function touching(tables: readonly { readonly database: string; readonly name: string }[]): string[] {
  return [...batches(tables, TABLES_A_STATEMENT)].map((batch) =>
    batch.map((table) => `(SELECT 1 FROM ${tableName(table)} LIMIT 0)`).join(' UNION ALL '),
  );
}

/** Deals tables out so that each share is about as large, by what the server last counted. */
export function deal(tables: readonly Table[], shares: number): Table[][] {
  const dealt: { sizeBytes: number; tables: Table[] }[] = Array.from({ length: Math.max(1, shares) }, () => ({
    sizeBytes: 0,
    tables: [],
  }));
  for (const table of [...tables].sort((a, b) => b.sizeBytes - a.sizeBytes)) {
    const least = dealt.reduce((smallest, share) =>
      share.sizeBytes < smallest.sizeBytes ? share : smallest,
    );
    least.tables.push(table);
    // A table costs something even where the server thinks that it is empty.
    least.sizeBytes += table.sizeBytes + 65_536;
  }
  return dealt.map((share) => share.tables);
}
