import type { ItemsOf } from '../../../core/compare-states.ts';
import { StasisError } from '../../../core/errors.ts';
import type { FingerprintEntry } from '../../../core/fingerprint.ts';
import type { Items } from '../../../core/items.ts';
import type { MemberCapture } from '../../../core/manifest.ts';
import { type RowFormat, storedRows } from '../../../core/read-rows.ts';
import type { BlobReader } from '../../../core/store.ts';
import { type CopiedTable, type DatabaseIndex, parseContent, readIndex } from '../content.ts';
import { TABLE, tableDigest } from '../fingerprint/data.ts';
import { copiedValues, recordText } from './copied-rows.ts';
import { rowName, unquoted } from './row-columns.ts';

/** Encodings in which rows are stored as the bytes that the server hashes. */
const AS_HASHED = ['UTF8', 'SQL_ASCII', 'MULE_INTERNAL'];

/** The rows of captured tables: their blobs are read anew, and hashed as the server does. */
export function storedItems(from: MemberCapture, blobs: BlobReader): ItemsOf {
  const indexes = new Map<string, Promise<DatabaseIndex>>();
  return async (entry) => {
    for (const database of parseContent(from).databases) {
      const { prefix, encoding } = database;
      if (!entry.object.startsWith(prefix + TABLE)) continue;
      if (!indexes.has(prefix)) indexes.set(prefix, readIndex(blobs, database));
      const { tables } = await indexes.get(prefix)!;
      const label = entry.object.slice(prefix.length + TABLE.length);
      const table = tables.find((one) => one.label === label);
      if (table === undefined || table.columns.length === 0) continue;
      if (!AS_HASHED.includes(encoding))
        throw new StasisError(
          'postgres.rows-encoding',
          `its rows are not stored as the ${encoding} that is hashed`,
        );
      return rowsOf(table, entry, blobs);
    }
    return undefined;
  };
}

function rowsOf(table: CopiedTable, { digest, facts }: FingerprintEntry, blobs: BlobReader): Items {
  return storedRows({
    count: Number(facts?.rows),
    columns: table.columns,
    fields: table.columns.toSorted((a, b) => Buffer.compare(bytesOf(a), bytesOf(b))),
    key: table.key,
    content: () => blobs.get(table.rows.digest),
    algorithm: 'md5',
    format: COPIED,
    unlike: 'postgres.rows-unlike',
    ...(table.generated
      ? {}
      : { isFingerprinted: ({ count, high, low }) => tableDigest(BigInt(count), high, low) === digest }),
  });
}

const COPIED: RowFormat = {
  values: copiedValues,
  text: (_columns, values) => recordText(values),
  name: (key, values) =>
    rowName(
      key,
      values.map((value) => decoded(value!)),
    ),
};

const bytesOf = (column: string): Buffer => Buffer.from(unquoted(column));

function decoded(bytes: string): string {
  return Buffer.from(bytes, 'latin1').toString('utf8');
}
