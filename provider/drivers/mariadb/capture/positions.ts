import { list, qualified, type Rows, text } from '../connect/sql.ts';

/** Where a table's AUTO_INCREMENT or a sequence stands: no snapshot covers it. Integers of 64 bits, as text. */
export interface Positions {
  readonly counters: readonly { readonly database: string; readonly table: string; readonly next: string }[];
  readonly sequences: readonly {
    readonly database: string;
    readonly name: string;
    readonly next: string;
    readonly round: string;
  }[];
}

/** Read after the mark, and so never behind the rows that it shows. */
export async function readPositions(rows: Rows, databases: readonly string[]): Promise<Positions> {
  const within = `TABLE_SCHEMA IN (${list(databases)})`;
  const counters = await rows(`SELECT TABLE_SCHEMA AS db, TABLE_NAME AS name, AUTO_INCREMENT AS next
    FROM information_schema.TABLES WHERE ${within} AND AUTO_INCREMENT IS NOT NULL`);
  const found = await rows(`SELECT TABLE_SCHEMA AS db, TABLE_NAME AS name FROM information_schema.TABLES
    WHERE ${within} AND TABLE_TYPE = 'SEQUENCE'`);
  const sequences: Positions['sequences'][number][] = [];
  for (const row of found) {
    const [database, name] = [text(row, 'db'), text(row, 'name')];
    const [at] = await rows(
      `SELECT next_not_cached_value AS next, cycle_count AS round FROM ${qualified(database, name)}`,
    );
    sequences.push({ database, name, next: text(at, 'next'), round: text(at, 'round') });
  }
  return {
    counters: counters.map((row) => ({
      database: text(row, 'db'),
      table: text(row, 'name'),
      next: text(row, 'next'),
    })),
    sequences,
  };
}
