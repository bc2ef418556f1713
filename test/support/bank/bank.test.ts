import { describe, expect, test } from '@jest/globals';
import fc from 'fast-check';
import { startPostgres } from '../postgres-server.ts';
import { startRedis } from '../redis-server.ts';
import { checkBank, readBank, readBooks, type StoreBooks, startBank } from './bank.ts';
import { ACCOUNTS, effectOf, FIRST_BALANCE, moveOf, WORKERS } from './moves.ts';

/** One history in which workers take turns as `turns` says: which store each write goes to, and the books after each. */
function history(stores: number, turns: readonly number[]): { writes: number[]; states: StoreBooks[][] } {
  const books = Array.from({ length: stores }, () => ({
    balances: Array.from({ length: ACCOUNTS }, () => FIRST_BALANCE),
    workers: Array.from({ length: WORKERS }, () => ({ number: 0, seen: [] as number[][] })),
  }));
  const steps = Array.from({ length: WORKERS }, () => 0);
  const states: StoreBooks[][] = [structuredClone(books)];
  const writes = turns.map((worker) => {
    const step = steps[worker]!++;
    const number = 1 + Math.floor(step / stores);
    const move = moveOf(worker, number, stores);
    const store = move.order[step % stores]!;
    const seen = books.map((one) => one.workers.map((entry) => entry.number));
    books[store]!.balances[move.account]! += effectOf(move, store);
    books[store]!.workers[worker] = { number, seen };
    states.push(structuredClone(books));
    return store;
  });
  return { writes, states };
}

const turns = fc.array(fc.nat({ max: WORKERS - 1 }), { minLength: 1, maxLength: 120 });

describe('the books of the bank', () => {
  test.each([2, 3, 5])('of %d stores at any one instant are whole', (stores) => {
    fc.assert(
      fc.property(turns, (list) => {
        for (const state of history(stores, list).states) expect(checkBank(state).faults).toEqual([]);
      }),
      { numRuns: 60 },
    );
  });

  test.each([2, 3, 5])(
    'of %d stores, one of them of a later time, are torn when it shows a consequence',
    (stores) => {
      fc.assert(
        fc.property(turns, fc.nat(), fc.nat({ max: stores - 1 }), (list, at, late) => {
          const { writes, states } = history(stores, list);
          const early = at % states.length;
          const mixed = states[early]!.map((book, store) => (store === late ? states.at(-1)![store]! : book));
          // What the early ones miss, and the late one wrote after it: between them lies no instant that fits both.
          const missed = writes.findIndex((store, index) => index >= early && store !== late);
          expect(checkBank(mixed).torn).toBe(missed !== -1 && writes.lastIndexOf(late) > missed);
        }),
        { numRuns: 300 },
      );
    },
  );

  test('that lost or gained one unit are torn', () => {
    const state = history(2, [0, 1, 2, 3]).states[4]!;
    const [first, second] = state;
    const balances = first!.balances.with(7, first!.balances[7]! + 1);
    expect(checkBank([{ ...first!, balances }, second!]).torn).toBe(true);
  });
});

describe('a real bank', () => {
  test('between Postgres and Redis: whole when it stops, torn when read one after another while it runs', async () => {
    await using postgres = await startPostgres();
    await using redis = await startRedis({ password: 'bank-secret' });
    await expectTornThenWhole([postgres.url(), redis.url]);
  }, 120_000);

  test('between three Postgres servers', async () => {
    await using a = await startPostgres();
    await using b = await startPostgres();
    await using c = await startPostgres();
    await expectTornThenWhole([a.url(), b.url(), c.url()]);
  }, 120_000);
});

async function expectTornThenWhole(urls: readonly string[]): Promise<void> {
  await using bank = await startBank(urls);
  await expectTornByNaiveReading(urls, bank);
  await bank.stop();
  const whole = { torn: false, faults: [], underWay: 0, inFlight: 0 };
  expect(checkBank(await readBank(urls))).toMatchObject(whole);
}

/** Reads one store, and the others only when the bank has gone on by a hundred moves: what a dump of each would do. */
async function expectTornByNaiveReading(
  urls: readonly string[],
  bank: Awaited<ReturnType<typeof startBank>>,
): Promise<void> {
  const [first = '', ...others] = urls;
  const early = await readBooks(first);
  const { moves } = await bank.report();
  while ((await bank.report()).moves < moves + 100) await new Promise((resolve) => setTimeout(resolve, 20));
  expect(checkBank([early, ...(await readBank(others))]).torn).toBe(true);
}
