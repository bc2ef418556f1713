import { createHash, type Hash, hash } from 'node:crypto';
import type { Digest } from './digest.ts';

/** What a blob's digest is made of: every 64 KiB of it, from its beginning; the last one may be shorter. */
export const SEGMENT_BYTES = 64 * 1024;
export const SEGMENT_HASH_BYTES = 32;

/**
 * The digest of a blob: SHA-256 over the SHA-256 of each of its segments, one after another, and then its length as
 * 8 bytes, least first. So segments are hashed at the same time, one that is all zeros is known without hashing, and
 * hashes of segments that somebody kept are proved by the digest. The length at the end makes it unlike any segment's.
 */
export class BlobDigester {
  readonly #root = createHash('sha256');
  #segment: Hash | undefined;
  #segmentBytes = 0;
  #sizeBytes = 0;

  /** Content in order, in pieces of any length. */
  update(content: Uint8Array): void {
    this.#sizeBytes += content.length;
    for (let at = 0; at < content.length; ) {
      const piece = content.subarray(at, at + SEGMENT_BYTES - this.#segmentBytes);
      at += piece.length;
      if (piece.length === SEGMENT_BYTES) {
        this.#root.update(hash('sha256', piece, 'buffer'));
        continue;
      }
      this.#segment ??= createHash('sha256');
      this.#segment.update(piece);
      this.#segmentBytes += piece.length;
      if (this.#segmentBytes === SEGMENT_BYTES) this.#endSegment();
    }
  }

  /** The same for content that others have hashed: 32 bytes a segment; all of them but a blob's last are whole. */
  addHashes(segments: Uint8Array, sizeBytes: number): void {
    if (this.#segment !== undefined) throw new RangeError('segments follow part of one');
    this.#root.update(segments);
    this.#sizeBytes += sizeBytes;
  }

  /** Ends it. */
  digest(): Digest {
    this.#endSegment();
    const length = Buffer.alloc(8);
    length.writeBigUInt64LE(BigInt(this.#sizeBytes));
    return `sha256:${this.#root.update(length).digest('hex')}`;
  }

  #endSegment(): void {
    if (this.#segment !== undefined) this.#root.update(this.#segment.digest());
    this.#segment = undefined;
    this.#segmentBytes = 0;
  }
}

export function blobDigest(content: Uint8Array): Digest {
  const digester = new BlobDigester();
  digester.update(content);
  return digester.digest();
}
