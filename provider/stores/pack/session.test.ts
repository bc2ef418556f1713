import { hash, randomBytes } from 'node:crypto';
import { afterAll, describe, expect, test } from '@jest/globals';
import fc from 'fast-check';
import {
  addKnown,
  content,
  inPieces,
  MB,
  MemorySink,
  never,
  noKnown,
  readAll,
  segmented,
  tocOf,
} from '../../../test/support/packs.ts';
import { blobDigest } from '../../core/blob-digest.ts';
import type { Chunking } from '../../core/store.ts';
import { endIdlePool } from './pool.ts';
import { PackSession } from './session.ts';

afterAll(endIdlePool);

const chunkings: readonly Chunking[] = ['pages-4k', 'pages-8k', 'content'];

describe('a session of packs', () => {
  test('gives back what was put, whole and in ranges, however it came in', async () => {
    const input = fc.record({
      seed: fc.integer(),
      length: fc.oneof(fc.nat(20), fc.nat(200_000), fc.integer({ min: 4 * MB, max: 9 * MB })),
      sizes: fc.array(fc.oneof(fc.integer({ min: 3, max: 70_000 }), fc.constant(5 * MB)), { minLength: 1 }),
      chunking: fc.constantFrom(...chunkings),
      from: fc.nat(),
      count: fc.nat(3 * MB),
    });
    await fc.assert(
      fc.asyncProperty(fc.array(input, { minLength: 1, maxLength: 4 }), async (inputs) => {
        const sink = new MemorySink();
        const session = new PackSession(sink, noKnown, never);
        const blobs = await Promise.all(
          inputs.map(async ({ seed, length, sizes, chunking }) => {
            const bytes = content(seed, length);
            return { bytes, blob: await session.put(inPieces(bytes, sizes), chunking) };
          }),
        );
        for (const [place, { bytes, blob }] of blobs.entries()) {
          expect(blob).toMatchObject({ digest: blobDigest(bytes), sizeBytes: bytes.length });
          expect((await readAll(session.read(blob))).equals(bytes)).toBe(true);
          const offset = inputs[place]!.from % (bytes.length + 1);
          const length = inputs[place]!.count;
          const part = await readAll(session.read(blob, { offset, length }));
          expect(part.equals(bytes.subarray(offset, offset + length))).toBe(true);
        }
        await session.finish();
        for (const { bytes, blob } of blobs)
          expect((await readAll(session.read(blob))).equals(bytes)).toBe(true);
        await session.end();
      }),
      { numRuns: 12 },
    );
  });

  test('the same bytes in another alignment or order of arrival take no more than new chunks need', async () => {
    const sink = new MemorySink();
    const session = new PackSession(sink, noKnown, never);
    const bytes = randomBytes(12 * MB);
    await session.put(inPieces(bytes, [MB]), 'content');
    await session.put(
      inPieces(Buffer.concat([Buffer.from('shifted by a little'), bytes]), [99_999]),
      'content',
    );
    await session.put(inPieces(bytes, [65_536]), 'content');
    await session.finish();
    expect(sink.storedBytes).toBeLessThan(12.6 * MB);
    await session.end();
  });

  test('zero runs take no space', async () => {
    const sink = new MemorySink();
    const session = new PackSession(sink, noKnown, never);
    for (const chunking of chunkings) {
      const blob = await session.put(inPieces(Buffer.alloc(50 * MB), [MB]), chunking);
      expect((await readAll(session.read(blob))).equals(Buffer.alloc(50 * MB))).toBe(true);
    }
    await session.finish();
    expect(sink.packs.size).toBe(0);
    await session.end();
  });

  test('chunks of known packs are not written again', async () => {
    const sink = new MemorySink();
    const bytes = content(3, 20 * MB);
    const first = new PackSession(sink, noKnown, never);
    await first.put(inPieces(bytes, [MB]), 'pages-4k');
    await first.finish();
    const { info } = first.pack(0);
    await first.end();

    const second = new PackSession(sink, sink.reader, never);
    const pack = sink.packs.get(info.digest)!;
    second.addKnown(info, tocOf(pack, info));
    const changed = Buffer.from(bytes);
    for (let page = 0; page < changed.length; page += 500 * 4096) changed[page] = changed[page]! ^ 0xff;
    const blob = await second.put(inPieces(changed, [MB]), 'pages-4k');
    expect((await readAll(second.read(blob))).equals(changed)).toBe(true);
    await second.finish();
    const added = sink.storedBytes - pack.length;
    expect(added).toBeLessThan(12 * (4096 + 100) + 500);
    expect(second.pack(0)).toMatchObject({ isNew: false, info: { digest: info.digest } });
    await second.end();
  });

  test('what has not changed is found by its segments, whatever has changed around it', async () => {
    const sink = new MemorySink();
    const change = fc.record({ at: fc.nat(), length: fc.nat(300_000), byte: fc.nat(255) });
    const inputs = fc.record({
      seed: fc.integer(),
      length: fc.nat(6 * MB),
      changes: fc.array(change, { maxLength: 5 }),
    });
    await fc.assert(
      fc.asyncProperty(inputs, async ({ seed, length, changes }) => {
        const bytes = content(seed, length);
        const first = new PackSession(sink, noKnown, never);
        const before = await first.put(inPieces(bytes, [MB]), 'pages-4k');
        await first.finish();
        for (let from = 0, at = 0; from < length; from += 65_536, at += 32)
          expect(Buffer.from(before.segments!.subarray(at, at + 32))).toEqual(
            hash('sha256', bytes.subarray(from, from + 65_536), 'buffer'),
          );

        const changed = Buffer.from(bytes);
        for (const { at, length: run, byte } of changes) {
          const from = at % (length + 1);
          changed.subarray(from, from + run).fill(byte);
        }
        const second = new PackSession(sink, sink.reader, never);
        if (first.packCount > 0) addKnown(second, sink, first);
        second.watchChanges([segmented(first, before)]);
        const after = await second.put(inPieces(changed, [MB]), 'pages-4k');
        expect(after.digest).toBe(blobDigest(changed));
        expect((await readAll(second.read(after))).equals(changed)).toBe(true);
        await Promise.all([first.end(), second.end()]);
      }),
      { numRuns: 15 },
    );
  });

  test('only pages of segments that have changed are looked up', async () => {
    const bytes = randomBytes(4 * MB);
    const sink = new MemorySink();
    const first = new PackSession(sink, noKnown, never);
    const before = await first.put(inPieces(bytes, [MB]), 'pages-4k');
    await first.finish();
    const changed = Buffer.from(bytes);
    changed[0] = changed[0]! ^ 1;
    // Of the pack only its frames are told, not its chunks: what is not written again was found by its segment.
    const { info } = first.pack(0);
    const toc = tocOf(sink.packs.get(info.digest)!, info);
    const second = new PackSession(sink, sink.reader, never);
    second.addKnown(info, { ...toc, chunkHashes: randomBytes(toc.chunkHashes.length) });
    second.watchChanges([segmented(first, before)]);
    const after = await second.put(inPieces(changed, [MB]), 'pages-4k');
    expect((await readAll(second.read(after))).equals(changed)).toBe(true);
    const writtenBefore = sink.storedBytes;
    await second.finish();
    const lastPartBytes = bytes.length % 65_536;
    expect(sink.storedBytes - writtenBefore).toBeGreaterThan(65_536 + lastPartBytes);
    expect(sink.storedBytes - writtenBefore).toBeLessThan(65_536 + lastPartBytes + 3000);
    await Promise.all([first.end(), second.end()]);
  });

  test('hashes of segments that the digest of their blob does not prove are not believed', async () => {
    const sink = new MemorySink();
    const [one, other] = [randomBytes(MB), randomBytes(MB)];
    const first = new PackSession(sink, noKnown, never);
    const ofOne = await first.put(inPieces(one, [MB]), 'pages-8k');
    const ofOther = await first.put(inPieces(other, [MB]), 'pages-8k');
    await first.finish();
    const poisoned = { ...segmented(first, ofOther), segments: ofOne.segments! };
    for (const segments of [ofOne.segments!, ofOther.segments!.subarray(32), new Uint8Array(0)]) {
      const second = new PackSession(sink, sink.reader, never);
      addKnown(second, sink, first);
      second.watchChanges([{ ...poisoned, segments }]);
      const again = await second.put(inPieces(one, [MB]), 'pages-8k');
      expect(again.digest).toBe(ofOne.digest);
      expect((await readAll(second.read(again))).equals(one)).toBe(true);
      await second.end();
    }
    await first.end();
  });
});
