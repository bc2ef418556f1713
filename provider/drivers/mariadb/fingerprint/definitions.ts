import type { FingerprintEntry } from '../../../core/fingerprint.ts';
import { digestOf } from '../../../core/fingerprint-digest.ts';
import { requalified } from '../capture/definitions.ts';
import { literal, optionalText, qualified, type Row, type Rows, text } from '../connect/sql.ts';
import { MARK_ROUTINE } from '../product/mark-routine.ts';
import type { Catalogs, Product } from '../product/product.ts';
import { serverSettings, settingEntries } from './settings.ts';

/** One kind of object that a schema is made of: what it is called in fingerprints, and what defines it. */
interface Kind {
  /** `name` is its object's name without the kind; the other columns define it. Several rows may be one object. */
  readonly query: (database: string) => string;
  readonly kind: string;
  /** Shown to people besides. */
  readonly facts?: readonly string[];
}

const from =
  (view: string, column: string) =>
  (database: string): string =>
    `FROM information_schema.${view} WHERE ${column} = ${literal(database)}`;

const tables = from('TABLES', 'TABLE_SCHEMA');
const columns = from('COLUMNS', 'TABLE_SCHEMA');
const indexes = from('STATISTICS', 'TABLE_SCHEMA');
const partitions = from('PARTITIONS', 'TABLE_SCHEMA');
const views = from('VIEWS', 'TABLE_SCHEMA');
const triggers = from('TRIGGERS', 'TRIGGER_SCHEMA');
const routines = from('ROUTINES', 'ROUTINE_SCHEMA');
const parameters = from('PARAMETERS', 'SPECIFIC_SCHEMA');
const events = from('EVENTS', 'EVENT_SCHEMA');
const CODE = 'SQL_MODE, DEFINER, CHARACTER_SET_CLIENT, COLLATION_CONNECTION';

/**
 * Left out as noise: when something was made or altered, sizes and statistics, the numbers of rows that the server
 * guesses, where files lie, the checksum of Aria's pages (the default, which the server spells out), and a database's own name where it is printed.
 */
const kindsOf = ({ column, index, view, checks, code }: Catalogs): readonly Kind[] => [
  {
    kind: 'database',
    query: (name) => `SELECT '' AS name, DEFAULT_CHARACTER_SET_NAME, DEFAULT_COLLATION_NAME
      ${from('SCHEMATA', 'SCHEMA_NAME')(name)}`,
  },
  {
    kind: 'table-definition',
    query: (
      name,
    ) => `SELECT TABLE_NAME AS name, TABLE_TYPE, ENGINE, ROW_FORMAT, TABLE_COLLATION, TRIM(REPLACE(CREATE_OPTIONS, 'page_checksum=1', '')) AS options, TABLE_COMMENT
      ${tables(name)} AND TABLE_TYPE IN ('BASE TABLE', 'SYSTEM VERSIONED')`,
    facts: ['ENGINE'],
  },
  {
    kind: 'column',
    query: (
      name,
    ) => `SELECT CONCAT(TABLE_NAME, '.', COLUMN_NAME) AS name, ORDINAL_POSITION, COLUMN_DEFAULT, IS_NULLABLE,
        COLUMN_TYPE, CHARACTER_SET_NAME, COLLATION_NAME, EXTRA, COLUMN_COMMENT, ${column}
      ${columns(name)} AND TABLE_NAME NOT IN (SELECT TABLE_NAME ${views(name)})`,
    facts: ['COLUMN_TYPE'],
  },
  {
    kind: 'index',
    query: (
      name,
    ) => `SELECT CONCAT(TABLE_NAME, '.', INDEX_NAME) AS name, NON_UNIQUE, SEQ_IN_INDEX, COLUMN_NAME, COLLATION,
        SUB_PART, INDEX_TYPE, COMMENT, INDEX_COMMENT, ${index}
      ${indexes(name)} ORDER BY TABLE_NAME, INDEX_NAME, SEQ_IN_INDEX`,
  },
  {
    kind: 'foreign-key',
    query: (
      name,
    ) => `SELECT CONCAT(k.TABLE_NAME, '.', k.CONSTRAINT_NAME) AS name, k.ORDINAL_POSITION, k.COLUMN_NAME,
        CONCAT('\`', k.REFERENCED_TABLE_SCHEMA, '\`.') AS at, k.REFERENCED_TABLE_NAME, k.REFERENCED_COLUMN_NAME,
        r.MATCH_OPTION, r.UPDATE_RULE, r.DELETE_RULE
      FROM information_schema.KEY_COLUMN_USAGE k JOIN information_schema.REFERENTIAL_CONSTRAINTS r
        ON r.CONSTRAINT_SCHEMA = k.CONSTRAINT_SCHEMA AND r.TABLE_NAME = k.TABLE_NAME AND r.CONSTRAINT_NAME = k.CONSTRAINT_NAME
      WHERE k.TABLE_SCHEMA = ${literal(name)} AND r.CONSTRAINT_SCHEMA = ${literal(name)}
      ORDER BY k.TABLE_NAME, k.CONSTRAINT_NAME, k.ORDINAL_POSITION`,
  },
  {
    kind: 'check',
    query: checks,
  },
  {
    kind: 'partition',
    query: (
      name,
    ) => `SELECT CONCAT(TABLE_NAME, '.', PARTITION_NAME) AS name, SUBPARTITION_NAME, PARTITION_ORDINAL_POSITION,
        PARTITION_METHOD, SUBPARTITION_METHOD, PARTITION_EXPRESSION, SUBPARTITION_EXPRESSION, PARTITION_DESCRIPTION, PARTITION_COMMENT
      ${partitions(name)} AND PARTITION_NAME IS NOT NULL
      ORDER BY TABLE_NAME, PARTITION_ORDINAL_POSITION, SUBPARTITION_ORDINAL_POSITION`,
  },
  {
    kind: 'view',
    query: (
      name,
    ) => `SELECT TABLE_NAME AS name, VIEW_DEFINITION, CHECK_OPTION, DEFINER, SECURITY_TYPE, ${view},
        CHARACTER_SET_CLIENT, COLLATION_CONNECTION ${views(name)}`,
    facts: ['DEFINER'],
  },
  {
    kind: 'trigger',
    query: (
      name,
    ) => `SELECT TRIGGER_NAME AS name, EVENT_MANIPULATION, EVENT_OBJECT_TABLE, ACTION_ORDER, ${code('ACTION_STATEMENT')},
        ACTION_TIMING, ${CODE} ${triggers(name)}`,
    facts: ['DEFINER'],
  },
  {
    kind: 'routine',
    query: (
      name,
    ) => `SELECT CONCAT(LOWER(ROUTINE_TYPE), '/', ROUTINE_NAME) AS name, DTD_IDENTIFIER, ${code('ROUTINE_DEFINITION')},
        IS_DETERMINISTIC, SQL_DATA_ACCESS, SECURITY_TYPE, ROUTINE_COMMENT, ${CODE} ${routines(name)} AND ROUTINE_NAME <> ${literal(MARK_ROUTINE)}`,
    facts: ['DEFINER'],
  },
  {
    kind: 'parameters',
    query: (
      name,
    ) => `SELECT CONCAT(LOWER(ROUTINE_TYPE), '/', SPECIFIC_NAME) AS name, ORDINAL_POSITION, PARAMETER_MODE,
        PARAMETER_NAME, DTD_IDENTIFIER ${parameters(name)} ORDER BY ROUTINE_TYPE, SPECIFIC_NAME, ORDINAL_POSITION`,
  },
  {
    kind: 'event',
    query: (
      name,
    ) => `SELECT EVENT_NAME AS name, ${code('EVENT_DEFINITION')}, EVENT_TYPE, EXECUTE_AT, INTERVAL_VALUE, INTERVAL_FIELD,
        STARTS, ENDS, ON_COMPLETION, EVENT_COMMENT, TIME_ZONE, ${CODE} ${events(name)}`,
    facts: ['DEFINER'],
  },
  {
    kind: 'event-status',
    query: (name) => `SELECT EVENT_NAME AS name, STATUS ${events(name)}`,
    facts: ['STATUS'],
  },
];

/**
 * One entry for each object of the schema, read from the server's own catalogs and not from the statements that the
 * copy is made of. `databases` in the order in which their names stand for one another, where they are elsewhere.
 */
export async function definitionEntries(
  rows: Rows,
  product: Product,
  databases: readonly { readonly name: string; readonly prefix: string }[],
): Promise<FingerprintEntry[]> {
  const names = new Map(databases.map(({ name }, index) => [name, `database ${index}`]));
  const entries: FingerprintEntry[] = [];
  for (const { name, prefix } of databases) {
    for (const { kind, query, facts } of kindsOf(product.catalogs)) {
      const objects = new Map<string, Row[]>();
      for (const row of await rows(query(name))) {
        const object = text({ name: row.name ?? '' }, 'name');
        objects.set(object, [...(objects.get(object) ?? []), row]);
      }
      for (const [object, parts] of objects)
        entries.push(
          entryOf(`${prefix}${kind}${object === '' ? '' : `/${object}`}`, parts, names, facts ?? []),
        );
    }
    for (const sequence of await sequencesOf(rows, name))
      entries.push(entryOf(`${prefix}sequence-definition/${sequence.name}`, [sequence], names, []));
  }
  const hasEvents = entries.some(({ object }) => object.includes('event-status/'));
  entries.push(...settingEntries(await serverSettings(rows, product, hasEvents)));
  return entries;
}

/** What a sequence is made of lies in itself, and in no catalog. */
async function sequencesOf(rows: Rows, database: string): Promise<Row[]> {
  const found: Row[] = [];
  for (const row of await rows(`SELECT TABLE_NAME AS name ${tables(database)} AND TABLE_TYPE = 'SEQUENCE'`)) {
    const name = text(row, 'name');
    const [definition] =
      await rows(`SELECT start_value, minimum_value, maximum_value, increment, cache_size, cycle_option
      FROM ${qualified(database, name)}`);
    found.push({ name, ...definition });
  }
  return found;
}

function entryOf(
  object: string,
  parts: readonly Row[],
  names: ReadonlyMap<string, string>,
  facts: readonly string[],
): FingerprintEntry {
  const values = parts.flatMap((row) =>
    Object.entries(row)
      .filter(([column]) => column !== 'name')
      .flatMap(([column]) => {
        const value = optionalText(row, column);
        return [column, value === undefined ? null : requalified(value, names)];
      }),
  );
  const shown = facts.map(
    (column) => [column.toLowerCase(), optionalText(parts[0], column) ?? 'none'] as const,
  );
  return {
    object,
    digest: digestOf(...values),
    ...(shown.length > 0 ? { facts: Object.fromEntries(shown) } : {}),
  };
}
