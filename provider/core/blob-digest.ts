import { createHash, type Hash, hash } from 'node:crypto';
/** What a blob's digest is made of: every 64 KiB of it, from its beginning; the last one may be shorter. */
export const SEGMENT_BYTES = 64 * 1024;
export const SEGMENT_HASH_BYTES = 32;

/**
 * A blob's digest: `sha256-64k:` and 64 hexadecimal digits. The name is our own, in OCI's grammar of algorithms
 * (image-spec, "Digests"), as it is not the SHA-256 of the content, which `sha256:` would promise. A blob is no OCI
 * blob and no file of a store: those have a `Digest`.
 */
export type BlobDigest = `${typeof ALGORITHM}:${string}`;

const ALGORITHM = 'sha256-64k';

export const BLOB_DIGEST_PATTERN = `^${ALGORITHM}:[0-9a-f]{64}$`;

const BLOB_DIGEST = new RegExp(BLOB_DIGEST_PATTERN);

export function isBlobDigest(value: unknown): value is BlobDigest {
  return typeof value === 'string' && BLOB_DIGEST.test(value);
}

/** @param root 32 bytes, as the digester ends in and `blobDigestBytes` gives back. */
export function blobDigestOf(root: Uint8Array): BlobDigest {
  return `${ALGORITHM}:${Buffer.from(root).toString('hex')}`;
}

export function blobDigestBytes(digest: BlobDigest): Buffer {
  return Buffer.from(digest.slice(ALGORITHM.length + 1), 'hex');
}

/**
 * Makes the digest of a blob: SHA-256 over the SHA-256 of each of its segments, one after another, and then its length as
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
  digest(): BlobDigest {
    this.#endSegment();
    const length = Buffer.alloc(8);
    length.writeBigUInt64LE(BigInt(this.#sizeBytes));
    return blobDigestOf(this.#root.update(length).digest());
  }

  #endSegment(): void {
    if (this.#segment !== undefined) this.#root.update(this.#segment.digest());
    this.#segment = undefined;
    this.#segmentBytes = 0;
  }
}

export function blobDigest(content: Uint8Array): BlobDigest {
  const digester = new BlobDigester();
  digester.update(content);
  return digester.digest();
}
