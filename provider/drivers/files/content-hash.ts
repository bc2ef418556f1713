import { createHash } from 'node:crypto';

/** What counts of a file's content. */
export interface ContentDigest {
  /** Hexadecimal. */
  readonly sha256: string;
  /** Whether it has a stretch of zeros, at a multiple of its length, that any file system can leave out. */
  readonly hollow: boolean;
}

/** A block of the file systems with the largest ones. */
const STRETCH_BYTES = 65_536;
const ZEROS = Buffer.alloc(STRETCH_BYTES);

/** Hashes content that comes in pieces of any size. Whether it is hollow is looked at only where that is asked for. */
export class ContentHash {
  private readonly hash = createHash('sha256');
  private readonly looks: boolean;
  private at = 0;
  private zeroSoFar = true;
  private hollow = false;

  constructor(looksForZeros: boolean) {
    this.looks = looksForZeros;
  }

  update(piece: Uint8Array): void {
    this.hash.update(piece);
    if (this.looks && !this.hollow) this.look(piece);
  }

  digest(): ContentDigest {
    return { sha256: this.hash.digest('hex'), hollow: this.hollow };
  }

  private look(piece: Uint8Array): void {
    for (let from = 0; from < piece.length && !this.hollow; ) {
      const length = Math.min(piece.length - from, STRETCH_BYTES - (this.at % STRETCH_BYTES));
      this.zeroSoFar &&= ZEROS.compare(piece, from, from + length, 0, length) === 0;
      from += length;
      this.at += length;
      if (this.at % STRETCH_BYTES > 0) continue;
      this.hollow = this.zeroSoFar;
      this.zeroSoFar = true;
    }
  }
}
