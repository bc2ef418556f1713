/** Quotes an identifier as SQL wants it. */
export function identifier(name: string): string {
  return `"${name.replaceAll('"', '""')}"`;
}

/** Quotes a string as an SQL literal, whatever standard_conforming_strings says. */
export function literal(text: string): string {
  const quoted = `'${text.replaceAll("'", "''")}'`;
  return text.includes('\\') ? ` E${quoted.replaceAll('\\', '\\\\')}` : quoted;
}

/** `schema.name`, quoted. */
export function qualified(schema: string, name: string): string {
  return `${identifier(schema)}.${identifier(name)}`;
}

/**
 * A text with names of the catalogs in it, without the quotes that only a keyword needs: which words are keywords
 * differs between versions of the server.
 */
export function plainNames(text: string): string {
  return text.replace(/(?<!")"([a-z_][a-z0-9_$]*)"(?!")/g, '$1');
}

/** A list in batches, for statements that name many things. */
export function* batches<T>(items: readonly T[], size: number): Generator<readonly T[]> {
  for (let start = 0; start < items.length; start += size) yield items.slice(start, start + size);
}

/** Where rows of the catalogs are read: a connection of ours or a psql session. Every value is text, boolean, number, array or null. */
export type Rows = (sql: string) => Promise<Row[]>;
export type Row = Readonly<Record<string, unknown>>;

export function text(row: Row, column: string): string {
  const value = row[column];
  if (typeof value === 'string') return value;
  if (typeof value === 'number' || typeof value === 'boolean') return String(value);
  throw new TypeError(`the catalog's ${column} is ${value === null ? 'null' : typeof value}, not text`);
}

export function optionalText(row: Row, column: string): string | undefined {
  const value = row[column];
  return value === null || value === undefined ? undefined : text(row, column);
}

export function texts(row: Row, column: string): readonly string[] {
  const value = row[column];
  return Array.isArray(value) ? value.map(String) : [];
}
