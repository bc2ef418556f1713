import { createHash } from 'node:crypto';
import { describe, expect, test } from '@jest/globals';
import fc from 'fast-check';
import { testContext } from '../../test/support/context.ts';
import { compareStates, type ReadableState } from './compare-states.ts';
import { StasisError } from './errors.ts';
import type { Comparison } from './fingerprint.ts';
import { ITEMS_NAMED, type ItemCut, type ItemNode, type Items, type ItemTree } from './items.ts';

const md5 = (text: string): string => createHash('md5').update(text).digest('hex');

type Rows = readonly (readonly [name: string, value: string])[];

/** What was read of one side. */
interface Read {
  nodes: number;
  items: number;
}

/** Rows in memory: a tree by the hash of their names, or of themselves. */
function itemsOf(rows: Rows, read: Read, given: Partial<Items> = {}): Items {
  return {
    ...{ noun: 'row', count: rows.length, fields: ['id', 'value'], key: ['id'] },
    async tree({ key, depth, fields }: ItemCut): Promise<ItemTree> {
      const hashed = rows.map(([id, value]) => {
        const digest = md5(JSON.stringify(fields.includes('value') ? [id, value] : [id]));
        return { name: key ? `id=${id}` : '', digest, path: (key ? md5(id) : digest).slice(0, depth) };
      });
      const nodeAt = (path: string): ItemNode => {
        const below = hashed.filter((row) => row.path.startsWith(path));
        const digests = below.map(({ digest }) => digest).sort();
        return { path, count: below.length, digest: md5(digests.join()) };
      };
      return {
        async children(parents) {
          const paths = new Set(
            hashed
              .filter(({ path }) => parents.includes(path.slice(0, parents[0]!.length)))
              .map(({ path }) => path.slice(0, parents[0]!.length + 1)),
          );
          read.nodes += paths.size;
          return [...paths].map(nodeAt);
        },
        async items(leaves) {
          const found = hashed.filter(({ path }) => leaves.includes(path));
          read.items += found.length;
          return found;
        },
        [Symbol.asyncDispose]: async () => {},
      };
    },
    ...given,
  };
}

function stateOf(
  rows: Rows,
  digest: string,
  { read = { nodes: 0, items: 0 }, ...given }: Given = {},
): ReadableState {
  return {
    async *fingerprint() {
      yield { object: 'setting/a', digest: '1' };
      yield { object: 'table/t', digest, facts: { rows: rows.length } };
    },
    itemsOf: async ({ object }) => (object === 'table/t' ? itemsOf(rows, read, given) : undefined),
  };
}

type Given = Partial<Items> & { readonly read?: Read };

function compared(left: Rows, right: Rows, a: Given = {}, b: Given = a): Promise<Comparison> {
  return compareStates(stateOf(left, 'l', a), stateOf(right, 'r', b), testContext());
}

const many = (size: number): Rows => Array.from({ length: size }, (_, n) => [String(n), 'x'] as const);
const messageOf = ({ differences }: Comparison): string | undefined => differences[0]?.message;

describe('what differs within an object', () => {
  test('is named by key and kind, by reading no more than a path and its leaf', async () => {
    const rows = many(20_000);
    const read = { nodes: 0, items: 0 };
    const changed = rows
      .filter(([id]) => id !== '7')
      .map(([id, value]) => [id, id === '417' ? 'y' : value] as const);
    const found = await compared(rows, changed, { read });
    expect(messageOf(found)).toBe('rows: 20000 -> 19999; 1 row changed: id=417; 1 row missing: id=7');
    expect(found).toMatchObject({ equal: 1, differenceCount: 1 });
    // Two paths of at most three levels on each side, and about a leaf each.
    expect(read.nodes).toBeLessThan(2 * 2 * 3 * 16);
    expect(read.items).toBeLessThan(2 * 2 * 40);
  });

  test('is what a plain comparison of all finds', async () => {
    const rows = fc.uniqueArray(fc.tuple(fc.nat(300).map(String), fc.constantFrom('x', 'y')), {
      maxLength: 120,
      selector: ([id]) => id,
    });
    await fc.assert(
      fc.asyncProperty(rows, rows, async (left, right) => {
        const [a, b] = [new Map(left), new Map(right)];
        const ids = [...new Set([...a.keys(), ...b.keys()])];
        const of = (kind: (id: string) => boolean): number => ids.filter(kind).length;
        const { differences } = await compared(left, right);
        expect(differences[0]!.within?.counts ?? { changed: 0, missing: 0, extra: 0 }).toEqual({
          changed: of((id) => a.has(id) && b.has(id) && a.get(id) !== b.get(id)),
          missing: of((id) => !b.has(id)),
          extra: of((id) => !a.has(id)),
        });
        for (const { name, kind } of differences[0]!.within?.named ?? []) {
          const id = name.slice('id='.length);
          expect(kind).toBe(!b.has(id) ? 'missing' : !a.has(id) ? 'extra' : 'changed');
        }
      }),
      { numRuns: 60 },
    );
  });

  test('is counted where it is too much to be named, and some of each kind are', async () => {
    const rows = many(3_000);
    const right = [...rows.slice(1_000).map(([id]) => [id, 'y'] as const), ['new', 'x'] as const];
    const [difference] = (await compared(rows, right)).differences;
    expect(difference!.within).toMatchObject({
      counts: { changed: 2_000, missing: 1_000, extra: 1 },
      passedOver: 0,
    });
    expect(difference!.within!.named.length).toBeLessThanOrEqual(ITEMS_NAMED);
    expect(new Set(difference!.within!.named.map(({ kind }) => kind))).toEqual(
      new Set(['changed', 'missing', 'extra']),
    );
    expect(difference!.message).toMatch(
      /2,000 rows changed: id=\d+(, id=\d+){4}, …; 1,000 rows missing: .*; 1 row extra: id=new$/,
    );
  });

  test('is counted alone without a key, twice where it is there twice', async () => {
    const left: Rows = [
      ['1', 'x'],
      ['1', 'x'],
      ['1', 'x'],
      ['2', 'x'],
    ];
    const found = await compared(
      left,
      [
        ['1', 'x'],
        ['2', 'x'],
        ['3', 'x'],
      ],
      { key: undefined },
    );
    expect(messageOf(found)).toBe('rows: 4 -> 3; 2 rows missing, 1 row extra (no key names them)');
    expect(found.differences[0]!.within!.named).toEqual([]);
  });

  test('is said to be there where too much lies in one leaf to be read', async () => {
    const same: Rows = Array.from({ length: 100_001 }, () => ['1', 'x'] as const);
    const read = { nodes: 0, items: 0 };
    const found = await compared(same, same.slice(1), { key: undefined, read });
    expect(messageOf(found)).toBe('rows: 100001 -> 100000; at least 1 row differs');
    expect(read.items).toBe(0);
  });

  test('is told of what both sides have, where one has more', async () => {
    const [left, right]: Rows[] = [many(100), [...many(99), ['99', 'y']]];
    const narrow = { fields: ['id'] };
    expect(messageOf(await compared(left!, right!, {}, narrow))).toBe(
      'its rows are equal in what both sides have of them',
    );
    const other = await compared(left!, right!.slice(1), {}, narrow);
    expect(messageOf(other)).toBe('rows: 100 -> 99; 1 row missing: id=0');
    expect(other.differences[0]!.within).toMatchObject({ isWhole: false });
  });

  test('fails nothing where it cannot be told', async () => {
    const broken = async (): Promise<ItemTree> => {
      throw new StasisError('x.broken', 'It broke.');
    };
    const found = await compared(many(10), many(9), { tree: broken });
    expect(messageOf(found)).toBe('rows: 10 -> 9 (not looked into: It broke.)');
    expect(found).toMatchObject({ differenceCount: 1 });
    const without = await compareStates(
      { ...stateOf(many(10), 'l'), itemsOf: undefined },
      stateOf(many(9), 'r'),
      testContext(),
    );
    expect(messageOf(without)).toBe('rows: 10 -> 9');
  });

  test('is given up when its time is over, and the next ones are not begun', async () => {
    let nowNs = 0;
    const clock = { nowNs: () => nowNs, wallMs: () => 0 };
    let begun = 0;
    const slow = async (): Promise<ItemTree> => {
      begun += 1;
      nowNs += 200_000 * 1e6;
      throw new StasisError('x.slow', 'It took too long.');
    };
    const two = (digest: string): ReadableState => ({
      ...stateOf(many(10), digest, { tree: slow }),
      async *fingerprint() {
        yield { object: 'table/t', digest };
        yield { object: 'table/u', digest };
      },
      itemsOf: async () => itemsOf(many(10), { nodes: 0, items: 0 }, { tree: slow }),
    });
    const { differences } = await compareStates(two('l'), two('r'), { ...testContext(), clock });
    expect(differences.map(({ message }) => message)).toEqual([
      'content differs (not looked into: It took too long.)',
      'content differs (not looked into: no time was left)',
    ]);
    expect(begun).toBe(2);
  });

  test('ends with the comparison that is cancelled', async () => {
    const cancel = new AbortController();
    const stopping = async (): Promise<ItemTree> => {
      cancel.abort(new StasisError('cancelled', 'Enough.'));
      throw new Error('cut off');
    };
    const work = compareStates(
      stateOf(many(10), 'l', { tree: stopping }),
      stateOf(many(9), 'r'),
      testContext({ signal: cancel.signal }),
    );
    await expect(work).rejects.toMatchObject({ code: 'cancelled' });
  });
});
