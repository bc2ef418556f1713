import { describe, expect, test } from '@jest/globals';
import type { Digest } from '../../../provider/core/digest.ts';
import { FORMAT_VERSION } from '../../../provider/core/manifest.ts';
import { testContext } from '../../support/context.ts';
import { captureInto, fillAndSeal, manifestOf, OWNER, readMembers, sampleBytes } from './samples.ts';
import { openFresh } from './suite.ts';
import type { StoreUnderTest } from './under-test.ts';

const OTHER = 'resource:other';
const one = { a: sampleBytes(1, 50_000) };
const two = { a: sampleBytes(2, 50_000) };

/** Names, owners, generations, pins, and what is kept. */
export function describeNames(under: StoreUnderTest): void {
  describe('names', () => {
    test('an empty store has none, and looking makes nothing', async () => {
      await using opened = await openFresh(under);
      expect(await opened.store.names('')).toEqual(new Map());
      expect(await opened.store.name('shop')).toBeUndefined();
      expect(await opened.store.check(1000, testContext())).toEqual([]);
      expect(await opened.store.sweep(testContext())).toEqual({ removedBytes: 0 });
      const nothing: Digest = `sha256:${'0'.repeat(64)}`;
      await expect(opened.store.open('shop', nothing, testContext())).rejects.toMatchObject({
        code: 'store.no-snapshot',
      });
      expect(await opened.fresh.leftovers()).toEqual([]);
    });

    test('generations count up, newest first, also after the newest was removed', async () => {
      await using opened = await openFresh(under);
      const { store } = opened;
      const first = await captureInto(store, 'shop', one);
      const second = await captureInto(store, 'shop', two);
      expect([first.generation, second.generation]).toEqual([1, 2]);
      const listed = await store.name('shop');
      expect(listed).toMatchObject({ owner: OWNER, pins: [] });
      expect(listed?.generations).toEqual([
        { name: 'shop', generation: 2, digest: second.digest, cutAt: second.manifest.cutAt },
        { name: 'shop', generation: 1, digest: first.digest, cutAt: first.manifest.cutAt },
      ]);
      await store.remove('shop', OWNER, [2], testContext());
      const third = await captureInto(store, 'shop', two);
      expect(third.generation).toBe(3);
      expect(third.manifest.generation).toBe(3);
    });

    test('are listed by prefix', async () => {
      await using opened = await openFresh(under);
      for (const name of ['shop', 'shop.eu', 'bank']) await captureInto(opened.store, name, one);
      expect([...(await opened.store.names('')).keys()]).toEqual(['bank', 'shop', 'shop.eu']);
      expect([...(await opened.store.names('shop')).keys()]).toEqual(['shop', 'shop.eu']);
    });

    test('one that is none is refused', async () => {
      await using opened = await openFresh(under);
      for (const name of ['a/b', 'Shop', 'a_1', '', '..'])
        await expect(opened.store.begin(name, OWNER, testContext())).rejects.toMatchObject({
          code: 'reference.malformed',
        });
    });

    test('a name has one owner, until another adopts it', async () => {
      await using opened = await openFresh(under);
      const { store } = opened;
      await captureInto(store, 'shop', one);
      await expect(store.begin('shop', OTHER, testContext())).rejects.toMatchObject({ code: 'store.owned' });
      await expect(store.remove('shop', OTHER, [1], testContext())).rejects.toMatchObject({
        code: 'store.owned',
      });
      await store.adopt('shop', OTHER);
      expect((await captureInto(store, 'shop', two, OTHER)).generation).toBe(2);
      await expect(store.begin('shop', OWNER, testContext())).rejects.toMatchObject({ code: 'store.owned' });
      await expect(store.adopt('nobody', OTHER)).rejects.toMatchObject({ code: 'store.no-snapshot' });
    });

    test('a draft that was never sealed owns nothing', async () => {
      await using opened = await openFresh(under);
      {
        await using _draft = await opened.store.begin('shop', OWNER, testContext());
      }
      expect((await captureInto(opened.store, 'shop', one, OTHER)).generation).toBe(1);
    });

    test('a name is written by one at a time; others go on', async () => {
      await using opened = await openFresh(under);
      await using draft = await opened.store.begin('shop', OWNER, testContext());
      await expect(opened.store.begin('shop', OWNER, testContext())).rejects.toMatchObject({
        code: 'store.busy',
        details: { pid: process.pid },
      });
      await captureInto(opened.store, 'bank', one);
      expect((await fillAndSeal(draft, 'shop', one)).generation).toBe(1);
    });

    test('sealing is refused when the name changed hands meanwhile', async () => {
      await using opened = await openFresh(under);
      const first = await captureInto(opened.store, 'shop', one);
      await using draft = await opened.store.begin('shop', OWNER, testContext());
      await opened.store.adopt('shop', OTHER);
      await expect(fillAndSeal(draft, 'shop', two)).rejects.toMatchObject({ code: 'store.name-taken' });
      const { generations, owner } = (await opened.store.name('shop'))!;
      expect([owner, generations.map(({ digest }) => digest)]).toEqual([OTHER, [first.digest]]);
    });

    test('sealing is refused when the newest generation was removed meanwhile', async () => {
      await using opened = await openFresh(under);
      await captureInto(opened.store, 'shop', one);
      await using draft = await opened.store.begin('shop', OWNER, testContext());
      await opened.store.remove('shop', OWNER, [1], testContext());
      await expect(fillAndSeal(draft, 'shop', one)).rejects.toMatchObject({ code: 'store.name-taken' });
    });

    test.each([
      ['a newer', FORMAT_VERSION + 1, 'store.newer-format'],
      ['an older', FORMAT_VERSION - 1, 'store.older-format'],
    ])(
      '%s format is refused by name, not called damaged, and can be removed',
      async (_what, version, code) => {
        await using opened = await openFresh(under);
        const { store } = opened;
        const draft = await store.begin('shop', OWNER, testContext());
        const sealing = draft.seal({ manifest: manifestOf('shop', {}, version) });
        const { digest } = await sealing.finally(() => draft[Symbol.asyncDispose]());
        await expect(store.open('shop', digest, testContext())).rejects.toMatchObject({ code });
        await expect(store.verify(digest, 'presence', testContext())).rejects.toMatchObject({ code });
        const other = await captureInto(store, 'bank', one);
        const all = await store.verifyAll('content', testContext());
        expect(all.snapshots.map((snapshot) => snapshot.digest)).toEqual([other.digest]);
        expect(all.findings).toEqual([
          {
            ...{ code: 'other-format', digest, members: [] },
            message: expect.stringMatching(`^shop@${digest}: .* has format version ${version}; `),
          },
        ]);
        await store.remove('bank', OWNER, [1], testContext());
        await store.remove('shop', OWNER, [1], testContext());
        expect(await store.name('shop')).toBeUndefined();
        expect(await opened.fresh.leftovers()).toEqual([]);
      },
    );
  });

  describe('removing', () => {
    test('takes what only the removed generations needed, and nothing else', async () => {
      await using opened = await openFresh(under);
      const { store } = opened;
      const shared = sampleBytes(3, 300_000);
      const first = await captureInto(store, 'shop', { shared, own: sampleBytes(4, 300_000) });
      const second = await captureInto(store, 'shop', { shared, own: sampleBytes(5, 300_000) });
      const other = await captureInto(store, 'bank', { shared });
      expect(await store.remove('shop', OWNER, [1, 7], testContext())).toEqual([]);
      await expect(store.open('shop', first.digest, testContext())).rejects.toMatchObject({
        code: 'store.no-snapshot',
      });
      for (const [name, { digest }] of [
        ['shop', second],
        ['bank', other],
      ] as const) {
        expect(await store.verify(digest, 'content', testContext())).toEqual([]);
        expect((await readMembers(store, name, digest)).shared!.equals(shared)).toBe(true);
      }
      expect(await opened.fresh.leftovers()).toEqual([]);
      await store.remove('shop', OWNER, [2], testContext());
      await store.remove('bank', OWNER, [1], testContext());
      expect(await opened.fresh.leftovers()).toEqual([]);
      expect(await store.names('')).toEqual(new Map());
      expect(await store.remove('shop', OWNER, [1], testContext())).toEqual([]);
    });

    test('never takes a pinned generation, and says by whom it is pinned', async () => {
      await using opened = await openFresh(under);
      const { store } = opened;
      const first = await captureInto(store, 'shop', one);
      const second = await captureInto(store, 'shop', two);
      const [pin, note] = [
        { by: 'restore:1', digest: first.digest },
        { by: 'user:audit', digest: first.digest },
      ];
      await store.pin('shop', pin);
      await store.pin('shop', note);
      await store.pin('shop', pin);
      expect((await store.name('shop'))?.pins).toEqual(expect.arrayContaining([pin, note]));
      expect(await store.remove('shop', OWNER, [1, 2], testContext())).toHaveLength(2);
      expect((await store.name('shop'))?.generations.map(({ generation }) => generation)).toEqual([1]);
      expect((await readMembers(store, 'shop', first.digest)).a!.equals(one.a)).toBe(true);
      await expect(store.pin('shop', { by: 'x', digest: second.digest })).rejects.toMatchObject({
        code: 'store.no-snapshot',
      });
      await store.unpin('shop', 'restore:1');
      await store.unpin('shop', 'user:audit');
      await store.unpin('shop', 'nobody');
      expect(await store.remove('shop', OWNER, [1], testContext())).toEqual([]);
      expect(await store.name('shop')).toBeUndefined();
    });

    test('takes nothing that a draft counts on', async () => {
      await using opened = await openFresh(under);
      const shared = sampleBytes(3, 2_000_000);
      await captureInto(opened.store, 'shop', { shared });
      await using draft = await opened.store.begin('bank', OWNER, testContext());
      await opened.store.remove('shop', OWNER, [1], testContext());
      await opened.store.sweep(testContext());
      const sealed = await fillAndSeal(draft, 'bank', { shared });
      expect(await opened.store.verify(sealed.digest, 'content', testContext())).toEqual([]);
      expect((await readMembers(opened.store, 'bank', sealed.digest)).shared!.equals(shared)).toBe(true);
    });
  });
}
