import { describe, expect, test } from '@jest/globals';
import { blobDigest } from '../../../provider/core/blob-digest.ts';
import type { Chunking } from '../../../provider/core/store.ts';
import { testContext } from '../../support/context.ts';
import {
  captureInto,
  MB,
  manifestOf,
  OWNER,
  pieces,
  put,
  readAll,
  readMembers,
  sampleBytes,
} from './samples.ts';
import { openFresh } from './suite.ts';
import type { StoreUnderTest } from './under-test.ts';

/** What goes in comes out, and costs what it should. */
export function describeContent(under: StoreUnderTest): void {
  describe('content', () => {
    test.each<Chunking>(['pages-4k', 'pages-8k', 'content'])(
      'comes back as it went in: %s',
      async (chunking) => {
        await using opened = await openFresh(under);
        const { store } = opened;
        const contents = [0, 1, 4095, 4096, 100_000, 9 * MB].map((length) => sampleBytes(length, length));
        await using draft = await store.begin('shop', OWNER, testContext());
        const blobs = draft.blobs('orders');
        for (const bytes of contents)
          expect(await blobs.put(pieces(bytes), { chunking })).toEqual({
            digest: blobDigest(bytes),
            sizeBytes: bytes.length,
          });
        for (const bytes of contents) {
          expect(await blobs.has(blobDigest(bytes))).toBe(true);
          expect((await readAll(blobs, blobDigest(bytes))).equals(bytes)).toBe(true);
        }
        const member = { digest: blobDigest(contents[5]!), sizeBytes: 9 * MB };
        const { digest } = await draft.seal({ manifest: manifestOf('shop', { orders: member }) });
        const reader = (await store.open('shop', digest, testContext())).blobs('orders');
        for (const bytes of contents) {
          expect(await reader.has(blobDigest(bytes))).toBe(true);
          expect((await readAll(reader, blobDigest(bytes))).equals(bytes)).toBe(true);
        }
        expect(await reader.has(blobDigest(Buffer.from('never put')))).toBe(false);
      },
    );

    test('a range is exactly that, and is cut to the end of the blob', async () => {
      await using opened = await openFresh(under);
      const bytes = sampleBytes(5, 7 * MB);
      const sealed = await captureInto(opened.store, 'shop', { orders: bytes });
      const reader = (await opened.store.open('shop', sealed.digest, testContext())).blobs('orders');
      const ranges = [
        [0, 0],
        [0, 1],
        [4095, 2],
        [MB, 3 * MB],
        [6_999_990, 100],
        [7 * MB, 5],
        [8 * MB, 5],
      ] as const;
      for (const [offset, length] of ranges) {
        const part = await readAll(reader, blobDigest(bytes), { offset, length });
        expect(part.equals(bytes.subarray(offset, offset + length))).toBe(true);
      }
    });

    test('what a blob has no part in is no blob of it: members keep theirs apart', async () => {
      await using opened = await openFresh(under);
      const sealed = await captureInto(opened.store, 'shop', {
        a: sampleBytes(1, 1000),
        b: sampleBytes(2, 1000),
      });
      const snapshot = await opened.store.open('shop', sealed.digest, testContext());
      const ofB = blobDigest(sampleBytes(2, 1000));
      expect(await snapshot.blobs('b').has(ofB)).toBe(true);
      expect(await snapshot.blobs('a').has(ofB)).toBe(false);
      await expect(readAll(snapshot.blobs('a'), ofB)).rejects.toMatchObject({ code: 'store.damaged' });
      await expect(readAll(snapshot.blobs('nobody'), ofB)).rejects.toMatchObject({ code: 'store.damaged' });
    });

    test('equal content is stored once, over members and generations', async () => {
      await using opened = await openFresh(under);
      const bytes = sampleBytes(9, 6 * MB);
      const first = await captureInto(opened.store, 'shop', { a: bytes, b: Buffer.from(bytes) });
      expect(first.manifest.storedBytes).toBeLessThan(bytes.length);
      expect(first.manifest.newBytes).toBe(first.manifest.storedBytes);
      const changed = Buffer.from(bytes);
      for (let page = 0; page < bytes.length; page += 100 * 4096) changed.fill('changed', page, page + 100);
      const second = await captureInto(opened.store, 'shop', { a: changed, b: bytes });
      expect(second.manifest.newBytes).toBeLessThan(first.manifest.newBytes / 10);
      const other = await captureInto(opened.store, 'other', { a: bytes }, 'resource:other');
      expect(other.manifest.newBytes).toBeLessThan(5000);
      expect((await readMembers(opened.store, 'shop', first.digest)).b!.equals(bytes)).toBe(true);
      expect((await readMembers(opened.store, 'shop', second.digest)).a!.equals(changed)).toBe(true);
      expect((await readMembers(opened.store, 'other', other.digest)).a!.equals(bytes)).toBe(true);
    });

    test('a chain of generations, each a little changed, reads back whole', async () => {
      await using opened = await openFresh(under);
      const bytes = sampleBytes(21, 5 * MB);
      const digests = [];
      for (let generation = 1; generation <= 6; generation += 1) {
        for (let at = generation * 70_001; at < bytes.length; at += 900_000)
          bytes.fill(generation, at, at + 300);
        const { digest } = await captureInto(opened.store, 'shop', { disk: bytes });
        digests.push({ digest, expected: Buffer.from(bytes) });
      }
      for (const { digest, expected } of digests)
        expect((await readMembers(opened.store, 'shop', digest)).disk!.equals(expected)).toBe(true);
    });

    test('a blob of the newest snapshot is kept without its content, by the member that had it, and outlives that snapshot', async () => {
      await using opened = await openFresh(under);
      const { store } = opened;
      // Zeros, pages that come twice, and an end that is no whole page.
      const bytes = Buffer.concat([
        sampleBytes(31, 5 * MB),
        Buffer.alloc(3 * MB),
        sampleBytes(31, 1_000_001),
      ]);
      const first = await captureInto(store, 'shop', { disk: bytes, other: sampleBytes(1, 1000) });
      const wanted = blobDigest(bytes);
      let second: Awaited<ReturnType<typeof captureInto>>;
      {
        await using draft = await store.begin('shop', OWNER, testContext());
        expect(await draft.blobs('other').keep!(wanted)).toBeUndefined();
        expect(await draft.blobs('disk').keep!(blobDigest(Buffer.from('never put')))).toBeUndefined();
        const kept = await draft.blobs('disk').keep!(wanted);
        expect(kept).toEqual({ digest: wanted, sizeBytes: bytes.length });
        expect((await readAll(draft.blobs('disk'), wanted)).equals(bytes)).toBe(true);
        second = await draft.seal({ manifest: manifestOf('shop', { disk: kept! }) });
      }
      expect(second.manifest.newBytes).toBeLessThan(5000);
      await store.remove('shop', OWNER, [first.generation], testContext());
      expect(await store.verify(second.digest, 'content', testContext())).toEqual([]);
      expect((await readMembers(store, 'shop', second.digest)).disk!.equals(bytes)).toBe(true);
      // Nothing is kept of a name that has no snapshot.
      await using draft = await store.begin('fresh', 'resource:fresh', testContext());
      expect(await draft.blobs('disk').keep!(wanted)).toBeUndefined();
    });

    test('zeros are not stored', async () => {
      await using opened = await openFresh(under);
      const sealed = await captureInto(opened.store, 'shop', { disk: Buffer.alloc(40 * MB) });
      expect(sealed.manifest.storedBytes).toBeLessThan(1000);
    });

    test('many puts at once keep apart', async () => {
      await using opened = await openFresh(under);
      const contents = Array.from({ length: 30 }, (_unused, place) => sampleBytes(place, 20_000 * place));
      await using draft = await opened.store.begin('shop', OWNER, testContext());
      const blobs = await Promise.all(
        contents.map((bytes, place) =>
          put(draft.blobs(`m${place % 3}`), bytes, place % 2 ? 'content' : 'pages-8k'),
        ),
      );
      const members = { m0: blobs[27]!, m1: blobs[28]!, m2: blobs[29]! };
      const { digest } = await draft.seal({ manifest: manifestOf('shop', members) });
      const snapshot = await opened.store.open('shop', digest, testContext());
      const read = await Promise.all(
        blobs.map((blob, place) => readAll(snapshot.blobs(`m${place % 3}`), blob.digest)),
      );
      for (const [place, bytes] of read.entries()) expect(bytes.equals(contents[place]!)).toBe(true);
    });

    test('a draft that is dropped leaves nothing, and the next one does not miss it', async () => {
      await using opened = await openFresh(under);
      const kept = await captureInto(opened.store, 'shop', { a: sampleBytes(1, MB) });
      {
        await using draft = await opened.store.begin('shop', OWNER, testContext());
        await put(draft.blobs('a'), sampleBytes(2, 3 * MB));
      }
      expect(await opened.fresh.leftovers()).toEqual([]);
      expect((await opened.store.name('shop'))?.generations.map(({ digest }) => digest)).toEqual([
        kept.digest,
      ]);
      const next = await captureInto(opened.store, 'shop', { a: sampleBytes(2, 3 * MB) });
      expect(next.generation).toBe(2);
      expect(await opened.store.verify(next.digest, 'content', testContext())).toEqual([]);
    });

    test('an abort ends a capture, and the store is as it was', async () => {
      await using opened = await openFresh(under);
      const controller = new AbortController();
      {
        const context = testContext({ signal: controller.signal });
        await using draft = await opened.store.begin('shop', OWNER, context);
        const endless = async function* (): AsyncGenerator<Uint8Array> {
          for (let round = 0; ; round += 1) {
            if (round === 20) controller.abort();
            yield sampleBytes(round, 200_000);
          }
        };
        await expect(draft.blobs('a').put(endless(), { chunking: 'content' })).rejects.toMatchObject({
          code: 'cancelled',
        });
        await expect(draft.seal({ manifest: manifestOf('shop', {}) })).rejects.toMatchObject({
          code: 'cancelled',
        });
      }
      expect(await opened.store.name('shop')).toBeUndefined();
      expect(await opened.fresh.leftovers()).toEqual([]);
    });
  });
}
