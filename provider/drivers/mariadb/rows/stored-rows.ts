import { hash } from 'node:crypto';
import type { ItemsOf } from '../../../core/compare-states.ts';
import { StasisError, throwIfAborted } from '../../../core/errors.ts';
import type { FingerprintEntry } from '../../../core/fingerprint.ts';
import { itemName } from '../../../core/item-name.ts';
import type { ItemCut, ItemLimits, Items, ItemTree } from '../../../core/items.ts';
import type { MemberCapture } from '../../../core/manifest.ts';
import { byCodeUnits } from '../../../core/order.ts';
import { hashable, ReadTree } from '../../../core/read-items.ts';
import { type RowFormat, rowsIn } from '../../../core/read-rows.ts';
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
      return new StoredRows(table, table.long, algorithm, entry, blobs);
    }
    return undefined;
  };
}

class StoredRows implements Items {
  readonly noun = 'row';
  readonly count: number;
  readonly fields: readonly string[];
  readonly key: readonly string[] | undefined;
  private readonly table: StoredTable;
  private readonly long: ReadonlySet<string>;
  private readonly uuids: ReadonlySet<string>;
  private readonly algorithm: 'md5' | 'sha256';
  private readonly entry: FingerprintEntry;
  private readonly blobs: BlobReader;

  constructor(
    table: StoredTable,
    long: readonly string[],
    algorithm: 'md5' | 'sha256',
    entry: FingerprintEntry,
    blobs: BlobReader,
  ) {
    this.table = table;
    this.long = new Set(long);
    this.uuids = new Set(table.uuids);
    this.algorithm = algorithm;
    this.entry = entry;
    this.blobs = blobs;
    this.count = Number(entry.facts?.rows);
    this.fields = table.columns.toSorted(byCodeUnits);
    this.key = table.key;
  }

  async tree(cut: ItemCut, { signal }: ItemLimits): Promise<ItemTree> {
    const { table, blobs } = this;
    const rows = rowsIn(
      () => blobs.get(table.rows.digest),
      table.columns,
      cut,
      this.format,
      () => throwIfAborted(signal),
    );
    const tree = await ReadTree.open(cut, this.algorithm, rows);
    const { count, high, low } = tree.total;
    const isWhole = cut.fields.length === this.fields.length && !table.generated;
    // Where it is, the rows were hashed here as the server did.
    if (isWhole && tableDigest(String(count), high, low) !== this.entry.digest)
      throw new StasisError('mariadb.rows-unlike', 'its stored rows do not read as the server printed them');
    return tree;
  }

  private readonly format: RowFormat = {
    values: lineValues,
    text: (columns, values) => values.map((value, index) => this.printed(columns[index]!, value)).join(','),
    name: (key, values) =>
      itemName(
        key,
        values.map((value) => keyText(bytesOf(value))),
      ),
  };

  /** As `hashOf` has the server put it. */
  private printed(column: string, value: string | null): string {
    if (value === null) return 'N';
    if (this.long.has(column)) return `${value.length}:${hash(this.algorithm, hashable(value), 'hex')}`;
    if (!this.uuids.has(column)) return `${value.length}:${value}`;
    return `${value.length}:${Buffer.from(value.replaceAll('-', ''), 'hex').toString('latin1')}`;
  }
}

function bytesOf(value: string | null): Buffer | null {
  return value === null ? null : Buffer.from(value, 'latin1');
}
