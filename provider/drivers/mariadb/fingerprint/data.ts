import { StasisError } from '../../../core/errors.ts';
import type { FingerprintEntry } from '../../../core/fingerprint.ts';
import { digestOf } from '../../../core/fingerprint-digest.ts';
import { byCodeUnits } from '../../../core/order.ts';
import type { Positions } from '../capture/positions.ts';
import { type Column, type Table, tableName } from '../capture/tables.ts';
import type { Connection } from '../connect/connection.ts';
import type { Product } from '../product/product.ts';

const half = (start: number): string =>
  `COALESCE(SUM(CAST(CONV(SUBSTRING(h, ${start}, 16), 16, 10) AS UNSIGNED)), 0)`;
/** The two halves of the first 128 bits of the hashes `h`, each summed over all rows. */
export const SUMS = `${half(1)}, ${half(17)}`;
/** What the object of a table's rows begins with. */
export const TABLE = 'table/';

/**
 * Rows and their 128-bit sum: it does not depend on their order, and a row that is there twice counts twice. Each row
 * is hashed by the server (MD5, or SHA-256 cut short) over its columns by order of their names, each with its length before it; long values
 * by their own hash, so that no row outgrows max_allowed_packet. Computed columns count as well, where they are stored.
 */
export async function tableEntry(
  session: Connection,
  table: Table,
  prefix: string,
  signal: AbortSignal,
): Promise<FingerprintEntry> {
  const sql = `SELECT COUNT(*), COUNT(h), ${SUMS}
    FROM (SELECT ${hashOf(comparedColumns(table), session.product)} AS h FROM ${tableName(table)}) AS t`;
  const found: string[] = [];
  for await (const fields of session.stream(sql, `hashing ${tableName(table)}`, signal))
    found.push(...fields.map(String));
  const [rows = '', hashed = '', high = '', low = ''] = found;
  if (rows !== hashed) throw tooLong(table);
  return {
    object: `${prefix}${TABLE}${table.name}`,
    digest: tableDigest(rows, BigInt(high), BigInt(low)),
    facts: { rows: Number(rows) },
  };
}

/** Of the number of rows, and the sums of the halves of their hashes. */
export function tableDigest(rows: string, high: bigint, low: bigint): string {
  return digestOf(rows, word(high), word(low));
}

/** Columns that make a row what it is, by order of their names. */
export function comparedColumns(table: Table): readonly Column[] {
  return table.columns.filter(({ compared }) => compared).toSorted((a, b) => byCodeUnits(a.name, b.name));
}

/** Columns that tell one row from every other, where all of them are copied. */
export function keyOf(table: Table): string[] | undefined {
  const { primaryKey, columns } = table;
  const copied = columns.filter(({ generated }) => !generated).map(({ name }) => name);
  const isKey = primaryKey.length > 0 && primaryKey.every((name) => copied.includes(name));
  return isKey ? [...primaryKey] : undefined;
}

/** The hash of a row's values in these columns. */
export function hashOf(columns: readonly Column[], { hash }: Product): string {
  const values = columns.map(({ read, long }) => {
    const value = long ? hash(read) : `CAST(${read} AS BINARY)`;
    return `COALESCE(CONCAT(LENGTH(${read}), ':', ${value}), 'N')`;
  });
  return hash(`CONCAT('', ${values.join(", ',', ")})`);
}

function word(sum: bigint): string {
  return BigInt.asUintN(64, sum).toString(16).padStart(16, '0');
}

function tooLong(table: Table): StasisError {
  return new StasisError(
    'mariadb.packet-too-large',
    `A row of ${tableName(table)} is longer than the server can hash (max_allowed_packet).`,
    { hint: 'Raise max_allowed_packet of the server.', at: ['url'] },
  );
}

/** Where counters and sequences stand, one entry each. */
export function positionEntries(
  positions: Positions,
  prefixes: ReadonlyMap<string, string>,
): FingerprintEntry[] {
  const prefixOf = (database: string): string => prefixes.get(database) ?? '';
  return [
    ...positions.counters.map(({ database, table, next }) => ({
      object: `${prefixOf(database)}auto-increment/${table}`,
      digest: digestOf(next),
      facts: { next },
    })),
    ...positions.sequences.map(({ database, name, next, round }) => ({
      object: `${prefixOf(database)}sequence/${name}`,
      digest: digestOf(next, round),
      facts: { next },
    })),
  ];
}
