import { hash } from 'node:crypto';
import { describe, expect, test } from '@jest/globals';
import fc from 'fast-check';
import { BlobDigester, blobDigest, SEGMENT_BYTES } from './blob-digest.ts';
import { hashedAgain } from './blobs.ts';
import type { BlobReader } from './store.ts';

/** By the definition, straight. */
function expected(content: Buffer): string {
  const hashes: Buffer[] = [];
  for (let at = 0; at < content.length; at += SEGMENT_BYTES)
    hashes.push(hash('sha256', content.subarray(at, at + SEGMENT_BYTES), 'buffer'));
  const length = Buffer.alloc(8);
  length.writeUInt32LE(content.length);
  return `sha256-64k:${hash('sha256', Buffer.concat([...hashes, length]), 'hex')}`;
}

function sample(length: number): Buffer {
  return Buffer.alloc(length, 'stasis and its segments');
}

function holding(content: Buffer): BlobReader {
  return {
    has: async () => true,
    get: async function* () {
      yield content.subarray(0, 1000);
      yield content.subarray(1000);
    },
  };
}

async function readAll(content: AsyncIterable<Uint8Array>): Promise<Buffer> {
  const pieces: Uint8Array[] = [];
  for await (const piece of content) pieces.push(piece);
  return Buffer.concat(pieces);
}

describe('the digest of a blob', () => {
  test('is what its definition says, whatever pieces the content comes in', () => {
    const lengths = fc.oneof(
      fc.nat(100),
      fc.nat(4 * SEGMENT_BYTES),
      fc.nat(4).map((count) => count * SEGMENT_BYTES),
    );
    fc.assert(
      fc.property(lengths, fc.array(fc.nat(2 * SEGMENT_BYTES)), (length, sizes) => {
        const content = sample(length);
        expect(blobDigest(content)).toBe(expected(content));
        const digester = new BlobDigester();
        let at = 0;
        for (const size of sizes) {
          digester.update(content.subarray(at, at + size));
          at += size;
        }
        digester.update(content.subarray(at));
        expect(digester.digest()).toBe(expected(content));
      }),
    );
  });

  test('is the same where others have hashed the segments, and no other way round', () => {
    const content = sample(3 * SEGMENT_BYTES + 10);
    const hashes = [0, 1, 2, 3].map((place) =>
      hash('sha256', content.subarray(place * SEGMENT_BYTES, (place + 1) * SEGMENT_BYTES), 'buffer'),
    );
    const digester = new BlobDigester();
    digester.addHashes(Buffer.concat(hashes.slice(0, 2)), 2 * SEGMENT_BYTES);
    digester.addHashes(Buffer.concat(hashes.slice(2)), SEGMENT_BYTES + 10);
    expect(digester.digest()).toBe(blobDigest(content));
    digester.update(content.subarray(0, 10));
    expect(() => digester.addHashes(hashes[0]!, SEGMENT_BYTES)).toThrow(RangeError);
  });

  test('tells lengths of zeros, and a segment from its hash, apart', () => {
    const seen = new Set<string>();
    for (const length of [0, 1, 2, SEGMENT_BYTES - 1, SEGMENT_BYTES, SEGMENT_BYTES + 1, 2 * SEGMENT_BYTES])
      seen.add(blobDigest(Buffer.alloc(length)));
    const content = sample(SEGMENT_BYTES);
    seen.add(blobDigest(content));
    seen.add(blobDigest(hash('sha256', content, 'buffer')));
    expect(seen.size).toBe(9);
  });

  test('is looked at again as content passes by', async () => {
    const content = sample(200_000);
    expect(await readAll(hashedAgain(holding(content), blobDigest(content)))).toEqual(content);
    const other = Buffer.from(content);
    other[150_000] = other[150_000]! ^ 1;
    for (const wrong of [other, content.subarray(1), content.subarray(0, -1)])
      await expect(readAll(hashedAgain(holding(wrong), blobDigest(content)))).rejects.toMatchObject({
        code: 'store.damaged',
      });
  });
});
