import type { FingerprintEntry } from '../../../core/fingerprint.ts';
import { digestOf } from '../../../core/fingerprint-digest.ts';
import { type SequencePosition, type Table, tableName } from '../capture/tables.ts';
import type { PsqlSession } from '../connect/psql-session.ts';
import { batches, optionalText, type Rows, text, texts } from '../connect/sql.ts';
import { grants } from './definitions.ts';

/** The two halves of the 128 bits of `h`, each summed over all rows; what is beyond 64 bits falls away in `word`. */
export const SUMS = `coalesce(pg_catalog.sum(pg_catalog.substring(h, 1, 64)::bigint), 0)::text AS high,
  coalesce(pg_catalog.sum(pg_catalog.substring(h, 65, 64)::bigint), 0)::text AS low`;

/** MD5 as a bit string. */
export const bits = (value: string): string => `('x' || pg_catalog.md5(${value}))::bit(128)`;

/**
 * Rows and their 128-bit sum: it does not depend on their order, and a row that is there twice counts twice. Columns
 * go in by order of their names; every value as the text that the server prints under pinned settings.
 */
export async function tableEntry(session: PsqlSession, table: Table): Promise<FingerprintEntry> {
  // OFFSET keeps the planner from writing out `h` twice, and so from computing it twice.
  const [row] = await session.rows(
    `SELECT pg_catalog.count(*)::text AS rows, ${SUMS}
      FROM (SELECT ${bits(rowText(table.hashed))} AS h
        FROM ONLY ${tableName(table)} t ${table.condition ?? ''} OFFSET 0) AS hashed`,
    `reading ${tableName(table)}`,
  );
  const rows = text(row!, 'rows');
  return {
    object: `${TABLE}${table.label}`,
    digest: tableDigest(BigInt(rows), BigInt(text(row!, 'high')), BigInt(text(row!, 'low'))),
    facts: { rows: Number(rows) },
  };
}

/** The row `t`, of these columns (quoted), as the server prints it. */
export function rowText(columns: readonly string[]): string {
  return `ROW(${columns.map((column) => `t.${column}`).join(', ')})::text`;
}

/** What the object of a table's rows begins with. */
export const TABLE = 'table/';

/** Of the number of rows, and the sums of the halves of their MD5. */
export function tableDigest(rows: bigint, high: bigint, low: bigint): string {
  return digestOf(String(rows), word(high), word(low));
}

function word(sum: bigint): string {
  return BigInt.asUintN(64, sum).toString(16).padStart(16, '0');
}

export function sequenceEntry(position: SequencePosition): FingerprintEntry {
  const { lastValue, isCalled } = position;
  return {
    object: `sequence/${position.label}`,
    digest: digestOf(lastValue, isCalled),
    facts: { next: isCalled ? `after ${lastValue}` : lastValue },
  };
}

/** Large objects are hashed in pieces of 1 MiB, whatever pages they are stored in. */
const PIECE_BYTES = 1_048_576;
const OBJECTS_A_QUERY = 500;
/** INV_READ of libpq-fs.h. */
const READ = 0x40000;

/** One entry a large object, in order of their names. `rows` and `session` see the same snapshot. */
export async function* largeObjectEntries(
  rows: Rows,
  session: PsqlSession,
  prefix: string,
): AsyncGenerator<FingerprintEntry> {
  const objects = await rows(
    `SELECT m.oid::text AS oid, pg_catalog.pg_get_userbyid(m.lomowner)::text AS owner,
        ${grants('m.lomacl', 'L', 'm.lomowner')} AS acl, pg_catalog.obj_description(m.oid, 'pg_largeobject') AS comment
      FROM pg_catalog.pg_largeobject_metadata m ORDER BY m.oid::text COLLATE "C"`,
  );
  for (const batch of batches(objects, OBJECTS_A_QUERY)) {
    const oids = batch.map((row) => text(row, 'oid'));
    const hashed = new Map(
      (await session.rows(piecesOf(oids), 'reading large objects')).map((row) => [text(row, 'oid'), row]),
    );
    for (const row of batch) {
      const content = hashed.get(text(row, 'oid'))!;
      yield {
        object: `${prefix}large-object/${text(row, 'oid')}`,
        digest: digestOf(
          ...[text(content, 'size'), word(BigInt(text(content, 'high'))), word(BigInt(text(content, 'low')))],
          ...[text(row, 'owner'), texts(row, 'acl').join(' '), optionalText(row, 'comment')],
        ),
        facts: { sizeBytes: Number(text(content, 'size')), owner: text(row, 'owner') },
      };
    }
  }
}

/** Its number goes in with it, so that the same pieces in another order differ. */
const PIECE = `pg_catalog.convert_to(g || ':', 'SQL_ASCII') || pg_catalog.lo_get(m.oid, g * ${PIECE_BYTES}, ${PIECE_BYTES})`;

/** Works for every login that may read the objects; pg_largeobject itself is for superusers only. */
function piecesOf(oids: readonly string[]): string {
  return `SELECT m.oid::text AS oid, s.size::text AS size, high, low
    FROM (SELECT o.oid, pg_catalog.lo_open(o.oid, ${READ}) AS fd
        FROM pg_catalog.unnest(ARRAY[${oids.join(', ')}]::pg_catalog.oid[]) AS o (oid) OFFSET 0) AS m,
      LATERAL (SELECT pg_catalog.lo_lseek64(m.fd, 0, 2) AS size OFFSET 0) AS s,
      LATERAL (SELECT ${SUMS} FROM (
          SELECT ${bits(PIECE)} AS h
          FROM pg_catalog.generate_series(0, greatest((s.size - 1) / ${PIECE_BYTES}, 0)) AS g OFFSET 0) AS pieces) AS sums,
      LATERAL (SELECT pg_catalog.lo_close(CASE WHEN s.size >= 0 THEN m.fd END) OFFSET 0) AS closed`;
}
