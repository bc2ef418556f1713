import { describe, expect, test } from '@jest/globals';
import { testContext } from '../../support/context.ts';
import { openFresh } from './suite.ts';
import type { StoreUnderTest } from './under-test.ts';

/** Small documents and locks. */
export function describeRecords(under: StoreUnderTest): void {
  describe('records', () => {
    test('come back as they were written, under keys of any kind', async () => {
      await using opened = await openFresh(under);
      const { records } = opened.store;
      const keys = [
        'journal/r-1',
        'journal/r-2',
        'other',
        '../../etc/passwd',
        'ä/ö ?*.',
        '.',
        'x'.repeat(500),
      ];
      expect(await records.list('')).toEqual([]);
      expect(await records.read('journal/r-1')).toBeUndefined();
      for (const key of keys) await records.write(key, { key, list: [1, null, 'x'] });
      for (const key of keys) expect(await records.read(key)).toEqual({ key, list: [1, null, 'x'] });
      expect(await records.list('')).toEqual([...keys].sort());
      expect(await records.list('journal/')).toEqual(['journal/r-1', 'journal/r-2']);
      await records.write('other', 'replaced');
      expect(await records.read('other')).toBe('replaced');
      await records.remove('journal/r-1');
      await records.remove('journal/r-1');
      expect(await records.read('journal/r-1')).toBeUndefined();
      expect(await records.list('journal/')).toEqual(['journal/r-2']);
    });

    test('are the same for whoever opens the store', async () => {
      await using opened = await openFresh(under);
      await opened.store.records.write('journal/1', { step: 'load' });
      const again = await under.type.open(opened.fresh.spec, testContext());
      expect(await again.records.read('journal/1')).toEqual({ step: 'load' });
    });
  });

  describe('locks', () => {
    test('are held by one, and waited for as long as is allowed', async () => {
      await using opened = await openFresh(under);
      const { store } = opened;
      const held = await store.lock('target:postgres://here/shop', 0, testContext());
      await expect(store.lock('target:postgres://here/shop', 100, testContext())).rejects.toMatchObject({
        code: 'store.busy',
        details: { pid: process.pid },
      });
      await using _other = await store.lock('target:postgres://here/bank', 0, testContext());
      const waiting = store.lock('target:postgres://here/shop', 30_000, testContext());
      await held[Symbol.asyncDispose]();
      await held[Symbol.asyncDispose]();
      await using again = await waiting;
      expect(again.name).toBe('target:postgres://here/shop');
    });

    test('waiting for one ends with an abort', async () => {
      await using opened = await openFresh(under);
      await using _held = await opened.store.lock('x', 0, testContext());
      const signal = AbortSignal.timeout(100);
      await expect(opened.store.lock('x', 60_000, testContext({ signal }))).rejects.toMatchObject({
        code: 'timeout',
      });
    });

    test('a lock on a name does not keep its own holder from capturing', async () => {
      await using opened = await openFresh(under);
      await using _lock = await opened.store.lock('shop', 0, testContext());
      await using _draft = await opened.store.begin('shop', 'resource:shop', testContext());
    });
  });
}
