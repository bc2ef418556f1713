import { hash } from 'node:crypto';
import type { ItemsOf } from '../../../core/compare-states.ts';
import { StasisError, throwIfAborted } from '../../../core/errors.ts';
import type { FingerprintEntry } from '../../../core/fingerprint.ts';
import type { Item, ItemCut, ItemLimits, ItemNode, Items, ItemTree } from '../../../core/items.ts';
import type { MemberCapture } from '../../../core/manifest.ts';
import type { BlobReader } from '../../../core/store.ts';
import { type CopiedTable, type DatabaseIndex, parseContent, readIndex } from '../content.ts';
import { TABLE, tableDigest } from '../fingerprint/data.ts';
import { copiedValues, eachLine, recordText } from './copied-rows.ts';
import { rowName, unquoted } from './row-name.ts';
import { nodeOf } from './row-tree.ts';

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
    const tree = new StoredTree(this.table, this.blobs, cut, signal);
    await tree.sum();
    // Then the rows were hashed here as the server did; of what it computes of them nothing is stored.
    if (
      cut.fields.length === this.fields.length &&
      !this.table.generated &&
      tree.digest !== this.entry.digest
    )
      throw new StasisError('postgres.rows-unlike', 'its stored rows do not read as the server printed them');
    return tree;
  }
}

const bytesOf = (column: string): Buffer => Buffer.from(unquoted(column));

class StoredTree implements ItemTree {
  private readonly table: CopiedTable;
  private readonly blobs: BlobReader;
  private readonly cut: ItemCut;
  private readonly signal: AbortSignal;
  /** By leaf. Both words wrap at 64 bits, as the sums do. */
  private readonly counts: Float64Array;
  private readonly highs: BigUint64Array;
  private readonly lows: BigUint64Array;

  constructor(table: CopiedTable, blobs: BlobReader, cut: ItemCut, signal: AbortSignal) {
    this.table = table;
    this.blobs = blobs;
    this.cut = cut;
    this.signal = signal;
    const leaves = 16 ** cut.depth;
    this.counts = new Float64Array(leaves);
    this.highs = new BigUint64Array(leaves);
    this.lows = new BigUint64Array(leaves);
  }

  async sum(): Promise<void> {
    const { counts, highs, lows } = this;
    await this.eachRow((leaf, digest) => {
      const row = digest();
      counts[leaf]! += 1;
      highs[leaf]! += row.readBigUInt64BE(0);
      lows[leaf]! += row.readBigUInt64BE(8);
    });
  }

  /** As the table's own. */
  get digest(): string {
    const { count, high, low } = this.sumOf(0, this.counts.length);
    return tableDigest(BigInt(count), high, low);
  }

  async children(parents: readonly string[]): Promise<readonly ItemNode[]> {
    return parents
      .flatMap((parent) => HEX.map((digit) => parent + digit))
      .map((path) => {
        const width = 16 ** (this.cut.depth - path.length);
        const first = Number.parseInt(path, 16) * width;
        return nodeOf(path, this.sumOf(first, first + width));
      })
      .filter(({ count }) => count > 0);
  }

  async items(leaves: readonly string[]): Promise<readonly Item[]> {
    const wanted = new Set(leaves.map((leaf) => (leaf === '' ? 0 : Number.parseInt(leaf, 16))));
    const { key } = this.cut;
    const items: Item[] = [];
    await this.eachRow((leaf, digest, values) => {
      if (!wanted.has(leaf)) return;
      const name = key === undefined ? '' : rowName(key, values().map(decoded));
      items.push({ name, digest: digest().toString('hex') });
    });
    return items;
  }

  async [Symbol.asyncDispose](): Promise<void> {}

  private sumOf(first: number, end: number): { count: number; high: bigint; low: bigint } {
    let [count, high, low] = [0, 0n, 0n];
    for (let leaf = first; leaf < end; leaf += 1) {
      count += this.counts[leaf]!;
      high += this.highs[leaf]!;
      low += this.lows[leaf]!;
    }
    return { count, high, low };
  }

  private async eachRow(
    visit: (leaf: number, digest: () => Buffer, key: () => readonly string[]) => void,
  ): Promise<void> {
    const { cut, table, blobs, signal } = this;
    const placesOf = (columns: readonly string[]): number[] =>
      columns.map((column) => table.columns.indexOf(column));
    const [fields, key] = [placesOf(cut.fields), placesOf(cut.key ?? [])];
    const shift = 16 - 4 * cut.depth;
    const [md5, nameMd5] = [hasher(), hasher()];
    await eachLine(
      blobs.get(table.rows.digest),
      () => throwIfAborted(signal),
      (line) => {
        const values = copiedValues(line);
        const pick = (places: readonly number[]): (string | null)[] => places.map((place) => values[place]!);
        const digest = (): Buffer => md5(recordText(pick(fields)));
        const named = cut.key === undefined ? digest() : nameMd5(recordText(pick(key)));
        visit(named.readUInt16BE(0) >>> shift, digest, () => pick(key) as string[]);
      },
    );
  }
}

const HEX = [...'0123456789abcdef'];

/** Of bytes, each as one character. The buffer is the same for all calls: a million of them are not to be collected. */
function hasher(): (bytes: string) => Buffer {
  const digest = Buffer.alloc(16);
  return (bytes) => {
    const hashed = hash('md5', IN_ASCII.test(bytes) ? bytes : Buffer.from(bytes, 'latin1'), 'binary');
    digest.write(hashed, 'latin1');
    return digest;
  };
}

/** Then it is the same bytes in UTF-8, as which a string is hashed. */
const IN_ASCII = /^[\0-\x7f]*$/;

function decoded(bytes: string): string {
  return Buffer.from(bytes, 'latin1').toString('utf8');
}
