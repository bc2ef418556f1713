import { hash } from 'node:crypto';
import type { ItemsOf } from '../../../core/compare-states.ts';
import type { FingerprintEntry } from '../../../core/fingerprint.ts';
import { itemName } from '../../../core/item-name.ts';
import type { Items } from '../../../core/items.ts';
import type { MemberCapture } from '../../../core/manifest.ts';
import { byCodeUnits } from '../../../core/order.ts';
import { hashable } from '../../../core/read-items.ts';
import { type RowFormat, storedRows } from '../../../core/read-rows.ts';
import type { BlobReader } from '../../../core/store.ts';
import { type DatabaseIndex, parseContent, readIndex } from '../content.ts';
import { TABLE, tableDigest } from '../fingerprint/data.ts';
import { mariadb } from '../product/mariadb.ts';
import { mysql } from '../product/mysql.ts';
import { keyText } from './live-rows.ts';
import { lineValues } from './sql-lines.ts';

type StoredTable = DatabaseIndex['tables'][number];

/** The rows of captured tables: their blobs are read anew, and hashed as the server does. */
export function storedItems(from: MemberCapture, blobs: BlobReader): ItemsOf {
  const indexes = new Map<string, Promise<DatabaseIndex>>();
  return async (entry) => {
    const { databases, product, release } = parseContent(from);
    for (const database of databases) {
      const { prefix } = database;
      if (!entry.object.startsWith(prefix + TABLE)) continue;
      if (!indexes.has(prefix)) indexes.set(prefix, readIndex(blobs, database));
      const { tables } = await indexes.get(prefix)!;
      const table = tables.find(({ name }) => prefix + TABLE + name === entry.object);
      // A capture of before says less of its columns.
      if (table?.long === undefined || table.columns.length === 0) continue;
      const { algorithm } = product === 'MariaDB' ? mariadb : mysql(release);
      return rowsOf(table, table.long, algorithm, entry, blobs);
    }
    return undefined;
  };
}

function rowsOf(
  table: StoredTable,
  long: readonly string[],
  algorithm: 'md5' | 'sha256',
  { digest, facts }: FingerprintEntry,
  blobs: BlobReader,
): Items {
  return storedRows({
    count: Number(facts?.rows),
    columns: table.columns,
    fields: table.columns.toSorted(byCodeUnits),
    key: table.key,
    content: () => blobs.get(table.rows.digest),
    algorithm,
    format: formatOf(new Set(long), new Set(table.uuids), algorithm),
    unlike: 'mariadb.rows-unlike',
    ...(table.generated
      ? {}
      : { isFingerprinted: ({ count, high, low }) => tableDigest(String(count), high, low) === digest }),
  });
}

function formatOf(
  long: ReadonlySet<string>,
  uuids: ReadonlySet<string>,
  algorithm: 'md5' | 'sha256',
): RowFormat {
  /** As `hashOf` has the server put it. */
  const printed = (column: string, value: string | null): string => {
    if (value === null) return 'N';
    if (long.has(column)) return `${value.length}:${hash(algorithm, hashable(value), 'hex')}`;
    if (!uuids.has(column)) return `${value.length}:${value}`;
    return `${value.length}:${Buffer.from(value.replaceAll('-', ''), 'hex').toString('latin1')}`;
  };
  return {
    values: lineValues,
    text: (columns, values) => values.map((value, index) => printed(columns[index]!, value)).join(','),
    name: (key, values) =>
      itemName(
        key,
        values.map((value) => keyText(bytesOf(value))),
      ),
  };
}

function bytesOf(value: string | null): Buffer | null {
  return value === null ? null : Buffer.from(value, 'latin1');
}
