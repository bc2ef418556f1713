import { StasisError } from '../../../core/errors.ts';
import type { FingerprintEntry } from '../../../core/fingerprint.ts';
import { digestOf } from '../../../core/fingerprint-digest.ts';
import { byCodeUnits } from '../../../core/order.ts';
import type { Positions } from '../capture/positions.ts';
import { type Table, tableName } from '../capture/tables.ts';
import type { Connection } from '../connect/connection.ts';
import type { Product } from '../product/product.ts';

const WORD = 1n << 64n;

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
  const half = (start: number): string =>
    `COALESCE(SUM(CAST(CONV(SUBSTRING(h, ${start}, 16), 16, 10) AS UNSIGNED)), 0)`;
  const sql = `SELECT COUNT(*), COUNT(h), ${half(1)}, ${half(17)}
    FROM (SELECT ${hashOf(table, session.product)} AS h FROM ${tableName(table)}) AS t`;
  const found: string[] = [];
  for await (const fields of session.stream(sql, `hashing ${tableName(table)}`, signal))
    found.push(...fields.map(String));
  const [rows = '', hashed = '', high = '', low = ''] = found;
  if (rows !== hashed) throw tooLong(table);
  return {
    object: `${prefix}table/${table.name}`,
    digest: digestOf(rows, word(high), word(low)),
    facts: { rows: Number(rows) },
  };
}

function hashOf(table: Table, { hash }: Product): string {
  const values = [...table.columns]
    .filter(({ compared }) => compared)
    .sort((a, b) => byCodeUnits(a.name, b.name))
    .map(({ read, long }) => {
      const value = long ? hash(read) : `CAST(${read} AS BINARY)`;
      return `COALESCE(CONCAT(LENGTH(${read}), ':', ${value}), 'N')`;
    });
  return hash(`CONCAT('', ${values.join(", ',', ")})`);
}

function word(sum: string): string {
  return BigInt.asUintN(64, BigInt(sum) % WORD)
    .toString(16)
    .padStart(16, '0');
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
