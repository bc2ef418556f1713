import { hash } from 'node:crypto';
import { type ItemSum, ItemSums } from './item-sums.ts';
import type { Item, ItemCut, ItemNode, ItemTree } from './items.ts';

/** An item as it is read. Texts are bytes, each as one character, as the other side hashes them. */
export interface ReadItem {
  text(): string;
  /** Of its key; asked only where there is one. */
  keyText(): string;
  /** For people; likewise. */
  name(): string;
}

/** A tree of items that are read twice: for their sums, and for those of the leaves that differ. */
export class ReadTree implements ItemTree {
  private readonly cut: ItemCut;
  private readonly algorithm: 'md5' | 'sha256';
  private readonly read: (visit: (item: ReadItem) => void) => Promise<void>;
  private readonly sums: ItemSums;

  private constructor(
    cut: ItemCut,
    algorithm: 'md5' | 'sha256',
    read: (visit: (item: ReadItem) => void) => Promise<void>,
  ) {
    this.cut = cut;
    this.algorithm = algorithm;
    this.read = read;
    this.sums = new ItemSums(cut.depth);
  }

  /** @param read calls for each item, the same ones each time */
  static async open(
    cut: ItemCut,
    algorithm: 'md5' | 'sha256',
    read: (visit: (item: ReadItem) => void) => Promise<void>,
  ): Promise<ReadTree> {
    const tree = new ReadTree(cut, algorithm, read);
    await tree.each((leaf, digest) => tree.sums.add(leaf, digest()));
    return tree;
  }

  get total(): ItemSum {
    return this.sums.total;
  }

  async children(parents: readonly string[]): Promise<readonly ItemNode[]> {
    return this.sums.below(parents).map(({ path, ...sum }) => nodeOf(path, sum));
  }

  async items(leaves: readonly string[]): Promise<readonly Item[]> {
    const wanted = new Set(leaves.map((leaf) => this.sums.leafAt(leaf)));
    const items: Item[] = [];
    await this.each((leaf, digest, item) => {
      if (!wanted.has(leaf)) return;
      const name = this.cut.key === undefined ? '' : item.name();
      items.push({ name, digest: digest().toString('hex', 0, DIGEST_BYTES) });
    });
    return items;
  }

  private each(visit: (leaf: number, digest: () => Buffer, item: ReadItem) => void): Promise<void> {
    const [hashText, hashKey] = [hasher(this.algorithm), hasher(this.algorithm)];
    return this.read((item) => {
      const digest = (): Buffer => hashText(item.text());
      const hashed = this.cut.key === undefined ? digest() : hashKey(item.keyText());
      visit(this.sums.leafOf(hashed), digest, item);
    });
  }

  async [Symbol.asyncDispose](): Promise<void> {}
}

/** An item's digest is so much of its hash. */
const DIGEST_BYTES = 16;

/** Equal exactly when the sums are. */
export function nodeOf(path: string, { count, high, low }: ItemSum): ItemNode {
  return { path, count, digest: hash('md5', [count, high, low].join(' '), 'hex') };
}

/** The buffer is the same for all calls: a million of them are not to be collected. */
function hasher(algorithm: string): (bytes: string) => Buffer {
  const digest = Buffer.alloc(32);
  return (bytes) => {
    digest.write(hash(algorithm, hashable(bytes), 'binary'), 'latin1');
    return digest;
  };
}

/** Text in ASCII is the same bytes in UTF-8, as which a string is hashed. */
export function hashable(bytes: string): string | Buffer {
  return IN_ASCII.test(bytes) ? bytes : Buffer.from(bytes, 'latin1');
}

const IN_ASCII = /^[\0-\x7f]*$/;
