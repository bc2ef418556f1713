import { randomBytes } from 'node:crypto';
import { describe, expect } from '@jest/globals';
import { testContext } from '../../support/context.ts';
import { testUnless } from '../../support/skipped.ts';
import { captureInto, MB, OWNER, put, readMembers, sampleBytes } from './samples.ts';
import type { StoreUnderTest } from './under-test.ts';

const ROOM_BYTES = 24 * MB;

/** A store that has no more room. */
export function describeSpace(under: StoreUnderTest): void {
  describe('a full store', () => {
    const testSmall = testUnless(under.whyNoSmall);
    testSmall('is told before, and in the middle of a capture leaves what was there', async () => {
      await using fresh = await under.small(ROOM_BYTES);
      const store = await under.type.open(fresh.spec, testContext());
      expect(await store.check(MB, testContext())).toEqual([]);
      expect(await store.check(1000 * MB, testContext())).toEqual([
        expect.objectContaining({ code: 'store.no-space', hint: expect.any(String) }),
      ]);
      const members = { a: sampleBytes(1, MB) };
      const sealed = await captureInto(store, 'shop', members);
      {
        await using draft = await store.begin('shop', OWNER, testContext());
        const filling = async (): Promise<void> => {
          for (let round = 0; round < 20; round += 1) await put(draft.blobs('a'), randomBytes(10 * MB));
        };
        await expect(filling()).rejects.toMatchObject({ code: 'store.no-space' });
      }
      expect(await fresh.leftovers()).toEqual([]);
      expect(await store.verify(sealed.digest, 'content', testContext())).toEqual([]);
      expect((await readMembers(store, 'shop', sealed.digest)).a!.equals(members.a)).toBe(true);
      const next = await captureInto(store, 'shop', { a: sampleBytes(2, MB) });
      expect(next.generation).toBe(2);
    });
  });
}
