/** Of items: how many, and the sums of the two words of 64 bits that their digests begin with. Sums wrap at 64 bits. */
export interface ItemSum {
  readonly count: number;
  readonly high: bigint;
  readonly low: bigint;
}

const HEX = [...'0123456789abcdef'];

/** The leaves of a tree of items, of a side that reads them one by one. Up to four levels. */
export class ItemSums {
  private readonly depth: number;
  private readonly counts: Float64Array;
  private readonly highs: BigUint64Array;
  private readonly lows: BigUint64Array;

  constructor(depth: number) {
    const leaves = 16 ** depth;
    this.depth = depth;
    this.counts = new Float64Array(leaves);
    this.highs = new BigUint64Array(leaves);
    this.lows = new BigUint64Array(leaves);
  }

  add(leaf: number, digest: Buffer): void {
    this.counts[leaf]! += 1;
    this.highs[leaf]! += digest.readBigUInt64BE(0);
    this.lows[leaf]! += digest.readBigUInt64BE(8);
  }

  /** By the hash of what names an item. */
  leafOf(hash: Buffer): number {
    return hash.readUInt16BE(0) >>> (16 - 4 * this.depth);
  }

  leafAt(path: string): number {
    return path === '' ? 0 : Number.parseInt(path, 16);
  }

  get total(): ItemSum {
    return this.sumOf(0, this.counts.length);
  }

  /** What lies directly below these; nothing of what is empty. */
  below(parents: readonly string[]): (ItemSum & { readonly path: string })[] {
    return parents
      .flatMap((parent) => HEX.map((digit) => parent + digit))
      .map((path) => {
        const width = 16 ** (this.depth - path.length);
        const first = this.leafAt(path) * width;
        return { path, ...this.sumOf(first, first + width) };
      })
      .filter(({ count }) => count > 0);
  }

  private sumOf(first: number, end: number): ItemSum {
    let [count, high, low] = [0, 0n, 0n];
    for (let leaf = first; leaf < end; leaf += 1) {
      count += this.counts[leaf]!;
      high += this.highs[leaf]!;
      low += this.lows[leaf]!;
    }
    return { count, high: BigInt.asUintN(64, high), low: BigInt.asUintN(64, low) };
  }
}
