import { StasisError } from '../../../core/errors.ts';
import { byCodeUnits } from '../../../core/order.ts';
import {
  identifier,
  list,
  literal,
  optionalText,
  qualified,
  type Row,
  type Rows,
  text,
} from '../connect/sql.ts';
import { MARK_ROUTINE } from '../product/mark-routine.ts';

/** What is created again from the text that the server itself gives. */
export interface Definition {
  readonly name: string;
  readonly create: string;
}

/** A view or a piece of code, with the settings that it was made under. */
export interface CodeDefinition extends Definition {
  readonly kind: 'view' | 'trigger' | 'procedure' | 'function' | 'package' | 'package body' | 'event';
  readonly sqlMode?: string;
  readonly charset: string;
  readonly collation: string;
  readonly timeZone?: string;
  /** Of an event: `ENABLED`, `DISABLED`, `SLAVESIDE_DISABLED`. */
  readonly status?: string;
}

/** All that a database is made of but rows and positions. */
export interface Definitions {
  readonly tables: readonly Definition[];
  readonly sequences: readonly Definition[];
  readonly code: readonly CodeDefinition[];
}

/** Reads one database's, and leaves the session in it: only there are its own names printed without its name. */
export async function readDefinitions(rows: Rows, database: string): Promise<Definitions> {
  await rows(`USE ${identifier(database)}`);
  const names = async (sql: string): Promise<string[]> =>
    (await rows(sql)).map((row) => text(row, 'name')).sort(byCodeUnits);
  const ofType = (types: readonly string[]): string =>
    `SELECT TABLE_NAME AS name FROM information_schema.TABLES
      WHERE TABLE_SCHEMA = ${literal(database)} AND TABLE_TYPE IN (${list(types)})`;
  const tables: Definition[] = [];
  for (const name of await names(ofType(['BASE TABLE', 'SYSTEM VERSIONED'])))
    tables.push({ name, create: withoutCounter(await created(rows, 'TABLE', database, name)) });
  const sequences: Definition[] = [];
  for (const name of await names(ofType(['SEQUENCE'])))
    sequences.push({ name, create: await created(rows, 'SEQUENCE', database, name) });
  const code: CodeDefinition[] = [];
  for (const name of await names(ofType(['VIEW']))) code.push(await codeOf(rows, 'view', database, name));
  for (const row of await rows(`SELECT ROUTINE_NAME AS name, ROUTINE_TYPE AS type FROM information_schema.ROUTINES
      WHERE ROUTINE_SCHEMA = ${literal(database)} AND ROUTINE_NAME <> ${literal(MARK_ROUTINE)}
      ORDER BY ROUTINE_TYPE, ROUTINE_NAME`))
    code.push(await codeOf(rows, kindOf(text(row, 'type')), database, text(row, 'name')));
  for (const row of await rows(`SELECT TRIGGER_NAME AS name FROM information_schema.TRIGGERS
      WHERE TRIGGER_SCHEMA = ${literal(database)}
      ORDER BY EVENT_OBJECT_TABLE, ACTION_TIMING, EVENT_MANIPULATION, ACTION_ORDER`))
    code.push(await codeOf(rows, 'trigger', database, text(row, 'name')));
  for (const row of await rows(`SELECT EVENT_NAME AS name, STATUS AS status FROM information_schema.EVENTS
      WHERE EVENT_SCHEMA = ${literal(database)} ORDER BY EVENT_NAME`))
    code.push({ ...(await codeOf(rows, 'event', database, text(row, 'name'))), status: text(row, 'status') });
  return { tables, sequences, code };
}

const KINDS = ['view', 'trigger', 'procedure', 'function', 'package', 'package body', 'event'] as const;

function kindOf(type: string): CodeDefinition['kind'] {
  const kind = KINDS.find((known) => known === type.toLowerCase());
  if (kind === undefined)
    throw new StasisError('mariadb.failed', `A routine is of the unknown kind ${type}.`);
  return kind;
}

async function created(rows: Rows, kind: string, database: string, name: string): Promise<string> {
  const [row] = await rows(`SHOW CREATE ${kind} ${qualified(database, name)}`);
  return text(row, 'Create Table');
}

/** Where the next number stands is no part of the definition: it is recorded, and set, by itself. */
function withoutCounter(create: string): string {
  return create.replace(/^(\) ENGINE=\w+) AUTO_INCREMENT=\d+/m, '$1');
}

async function codeOf(
  rows: Rows,
  kind: CodeDefinition['kind'],
  database: string,
  name: string,
): Promise<CodeDefinition> {
  const [row] = await rows(`SHOW CREATE ${kind.toUpperCase()} ${qualified(database, name)}`);
  const create = createOf(row);
  if (create === undefined)
    throw new StasisError(
      'mariadb.rights',
      `The login may not read the ${kind} "${name}" of "${database}".`,
      {
        hint: 'Grant it what shows routines of others: SHOW CREATE ROUTINE, or SELECT on mysql.proc; on MySQL SHOW_ROUTINE.',
        at: ['url'],
      },
    );
  return {
    kind,
    name,
    create,
    sqlMode: optionalText(row, 'sql_mode'),
    charset: text(row, 'character_set_client'),
    collation: text(row, 'collation_connection'),
    timeZone: optionalText(row, 'time_zone'),
  };
}

/** The column has another name for each kind. */
function createOf(row: Row | undefined): string | undefined {
  const column = Object.keys(row ?? {}).find((each) => /^(Create |SQL Original Statement)/.test(each));
  return column === undefined ? undefined : optionalText(row, column);
}

/** Names of databases as the server prints them within definitions, each by another. */
export function requalified(sql: string, names: ReadonlyMap<string, string>): string {
  if (names.size === 0) return sql;
  return sql.replace(/`((?:[^`]|``)+)`\./g, (token, name: string) => {
    const other = names.get(name.replaceAll('``', '`'));
    return other === undefined ? token : `${identifier(other)}.`;
  });
}
