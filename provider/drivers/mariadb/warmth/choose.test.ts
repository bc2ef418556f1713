import { describe, expect, test } from '@jest/globals';
import fc from 'fast-check';
import { chooseReadings, keyAt, type RestoredTable } from './choose.ts';
import type { HotTable } from './hot.ts';

const MANY = Number.MAX_SAFE_INTEGER;

function hot(index: string, hotPages: number, stretches: [number, number][] = []): HotTable {
  return {
    ...{ name: 'orders', filePages: 1_000, largePages: 0 },
    indexes: [{ name: index, pages: 800, hotPages, stretches }],
  };
}

function here(key?: string): RestoredTable {
  return { name: 'orders', indexes: new Set(['PRIMARY', 'by_state']), key, filePages: 900 };
}

function choose(table: HotTable, restored: RestoredTable, room = MANY) {
  return chooseReadings({ pageBytes: 16_384, tables: [table] }, [restored], room);
}

describe('what is read back', () => {
  test('is an index as a whole where half of it was hot', () => {
    expect(choose(hot('by_state', 400), here())).toMatchObject({
      chosen: [{ table: 'orders', index: 'by_state', pages: 800 }],
    });
    expect(choose(hot('by_state', 399), here())).toMatchObject({ chosen: [], scattered: 399 });
  });

  test('is as far into keys that count up as it was into the file, and of other keys nothing', () => {
    const part = hot('PRIMARY', 90, [[500, 599]]);
    expect(choose(part, here('id'))).toEqual({
      chosen: [expect.objectContaining({ by: { key: 'id', parts: [[0.5, 0.6]] }, hotPages: 90, pages: 90 })],
      ...{ left: 0, scattered: 0 },
    });
    expect(choose(part, here())).toEqual({ chosen: [], left: 0, scattered: 90 });
  });

  test('is nothing of what is not restored, or has no room', () => {
    expect(choose(hot('gone', 700), here('id'))).toEqual({ chosen: [], left: 0, scattered: 0 });
    expect(choose(hot('PRIMARY', 700), here('id'), 799)).toEqual({ chosen: [], left: 800, scattered: 0 });
  });
});

test('a share of the way between two keys lies between them, to the last digit', () => {
  fc.assert(
    fc.property(
      fc.bigInt(-(2n ** 63n), 2n ** 64n),
      fc.bigInt(0n, 2n ** 64n),
      fc.nat(1_000),
      (least, more, n) => {
        const at = keyAt(least, least + more, n / 1_000);
        expect(at >= least && at <= least + more).toBe(true);
      },
    ),
  );
  expect(keyAt(0n, 2n ** 64n - 1n, 1)).toBe(2n ** 64n - 1n);
  expect(keyAt(10n, 20n, 0)).toBe(10n);
});
