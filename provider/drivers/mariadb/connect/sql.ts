import { StasisError } from '../../../core/errors.ts';

/** Quotes an identifier, whatever the sql_mode. */
export function identifier(name: string): string {
  return `\`${name.replaceAll('`', '``')}\``;
}

/** Quotes a string, for sessions whose sql_mode we have set: without NO_BACKSLASH_ESCAPES. */
export function literal(text: string): string {
  return `'${text.replaceAll('\\', '\\\\').replaceAll("'", "\\'")}'`;
}

/** `database.name`, quoted. */
export function qualified(database: string, name: string): string {
  return `${identifier(database)}.${identifier(name)}`;
}

export function list(names: readonly string[]): string {
  return names.map(literal).join(', ');
}

/** A list in batches, for statements that name many things. */
export function* batches<T>(items: readonly T[], size: number): Generator<readonly T[]> {
  for (let start = 0; start < items.length; start += size) yield items.slice(start, start + size);
}

/** Where rows of the catalogs are read. Every value is text, number or null. */
export type Rows = (sql: string) => Promise<Row[]>;
export type Row = Readonly<Record<string, unknown>>;

export function text(row: Row | undefined, column: string): string {
  const value = optionalText(row, column);
  if (value === undefined) throw new StasisError('mariadb.failed', `The server told no ${column}.`);
  return value;
}

export function optionalText(row: Row | undefined, column: string): string | undefined {
  const value = row?.[column];
  if (value === null || value === undefined) return undefined;
  return Buffer.isBuffer(value) ? value.toString('utf8') : String(value);
}
