import { describe, expect, test } from '@jest/globals';
import fc from 'fast-check';
import { chooseBlocks, lengthOf } from './choose.ts';

const named = { schema: 'public', name: 'orders' } as const;
const table = { kind: 'table', ...named } as const;

/** Stretches in order, with a gap between any two. */
const ranges = fc
  .array(
    fc.tuple(
      fc.integer({ min: 1, max: 50 }),
      fc.integer({ min: 1, max: 50 }),
      fc.integer({ min: 0, max: 5 }),
    ),
    {
      minLength: 1,
      maxLength: 20,
    },
  )
  .map((steps) => {
    let at = 0;
    return steps.map(([gap, length, used]): [number, number, number] => {
      const first = at + gap;
      at = first + length;
      return [first, at - 1, used];
    });
  });

describe('the blocks to bring back', () => {
  test('are exactly those that were hot, where the table comes back as it was', () => {
    fc.assert(
      fc.property(ranges, (hot) => {
        const blocks = hot.at(-1)![1] + 1;
        const { chosen, left } = chooseBlocks(
          [{ ...table, blocks, ranges: hot }],
          [{ ...table, oid: '1', blocks }],
          Number.MAX_SAFE_INTEGER,
        );
        const wanted = hot.flatMap(([first, last]) =>
          Array.from({ length: last - first + 1 }, (_, n) => first + n),
        );
        const got = chosen.flatMap((one) => Array.from({ length: lengthOf(one) }, (_, n) => one.first + n));
        expect(got.sort((a, b) => a - b)).toEqual(wanted);
        expect(left).toBe(0);
      }),
    );
  });

  test('lie within the restored table, never twice, and keep to the budget, the most used first', () => {
    fc.assert(
      fc.property(ranges, fc.nat(3_000), fc.nat(1_000), (hot, blocks, budget) => {
        const {
          chosen,
          blocks: sum,
          left,
        } = chooseBlocks(
          [{ ...table, blocks: hot.at(-1)![1] + 1, ranges: hot }],
          [{ ...table, oid: '1', blocks }],
          budget,
        );
        const got = chosen.flatMap((one) => Array.from({ length: lengthOf(one) }, (_, n) => one.first + n));
        expect(new Set(got).size).toBe(got.length);
        expect(got.length).toBe(sum);
        expect(sum).toBeLessThanOrEqual(budget);
        if (left > 0) expect(sum).toBe(budget);
        expect(got.every((block) => block >= 0 && block < blocks)).toBe(true);
        const used = chosen.map((one) => one.used);
        expect(used).toEqual(used.toSorted((a, b) => b - a));
      }),
    );
  });

  test('are as far into a table that comes back without its holes as they were', () => {
    const { chosen } = chooseBlocks(
      [{ ...table, blocks: 1_000, ranges: [[500, 599, 3]] }],
      [{ ...table, oid: '1', blocks: 500 }],
      1_000,
    );
    expect(chosen).toMatchObject([{ first: 250, last: 299 }]);
  });

  test('are a whole index where half of it was hot, and of what is not restored none', () => {
    const index = { kind: 'index', ...named } as const;
    const { chosen, left } = chooseBlocks(
      [
        { ...index, blocks: 100, ranges: [[0, 49, 1]] },
        { ...index, name: 'gone', blocks: 100, ranges: [[0, 99, 5]] },
      ],
      [{ ...index, oid: '2', blocks: 60 }],
      1_000,
    );
    expect(chosen).toMatchObject([{ oid: '2', first: 0, last: 59 }]);
    expect(left).toBe(0);
  });
});
