import type { ItemsOf } from '../../../core/compare-states.ts';
import { StasisError, throwIfAborted } from '../../../core/errors.ts';
import type { FingerprintEntry } from '../../../core/fingerprint.ts';
import type { ItemCut, ItemLimits, Items, ItemTree } from '../../../core/items.ts';
import type { MemberCapture } from '../../../core/manifest.ts';
import { ReadTree } from '../../../core/read-items.ts';
import { type RowFormat, rowsIn } from '../../../core/read-rows.ts';
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
      return new StoredRows(table, entry, blobs);
    }
    return undefined;
  };
}

class StoredRows implements Items {
  readonly noun = 'row';
  readonly count: number;
  readonly fields: readonly string[];
  readonly key: readonly string[] | undefined;
  private readonly table: CopiedTable;
  private readonly entry: FingerprintEntry;
  private readonly blobs: BlobReader;

  constructor(table: CopiedTable, entry: FingerprintEntry, blobs: BlobReader) {
    this.table = table;
    this.entry = entry;
    this.blobs = blobs;
    this.count = Number(entry.facts?.rows);
    this.fields = table.columns.toSorted((a, b) => Buffer.compare(bytesOf(a), bytesOf(b)));
    this.key = table.key;
  }

  async tree(cut: ItemCut, { signal }: ItemLimits): Promise<ItemTree> {
    const { table, blobs } = this;
    const rows = rowsIn(
      () => blobs.get(table.rows.digest),
      table.columns,
      cut,
      COPIED,
      () => throwIfAborted(signal),
    );
    const tree = await ReadTree.open(cut, 'md5', rows);
    const { count, high, low } = tree.total;
    const isWhole = cut.fields.length === this.fields.length && !table.generated;
    // Where it is, the rows were hashed here as the server did.
    if (isWhole && tableDigest(BigInt(count), high, low) !== this.entry.digest)
      throw new StasisError('postgres.rows-unlike', 'its stored rows do not read as the server printed them');
    return tree;
  }
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
