import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { startShop } from '../shop-process.ts';
import { type Side, startSide } from '../side.ts';
import { auditShop, faultsOf, type TillBooks } from './books.ts';
import { connectCarts, connectOrders } from './stores.ts';
import { receiptName } from './till.ts';

const SETTLED: TillBooks = {
  till: 1,
  orderTotals: [100, 250, 300],
  lastOrder: 3,
  takingsCents: 650,
  receiptTotals: [100, 250, 300],
};

describe('the books of one till', () => {
  test.each<[string, Partial<TillBooks>]>([
    ['nothing under way', {}],
    ['an order that only Postgres knows', { lastOrder: 2, takingsCents: 350, receiptTotals: [100, 250] }],
    ['an order whose receipt is not written', { receiptTotals: [100, 250] }],
  ])('agree with %s', (_, change) => {
    expect(faultsOf({ ...SETTLED, ...change })).toEqual([]);
  });

  test.each<[string, Partial<TillBooks>]>([
    ['Redis ahead of Postgres', { lastOrder: 4, takingsCents: 999 }],
    ['a receipt ahead of Redis', { lastOrder: 2, takingsCents: 350 }],
    ['two orders under way', { lastOrder: 1, takingsCents: 100, receiptTotals: [100] }],
    ['takings of another instant', { takingsCents: 350 }],
    ['a hole in the orders', { orderTotals: [100, Number.NaN, 300] }],
    ['a hole in the receipts', { receiptTotals: [100, Number.NaN, 300] }],
    ['another total on the receipt', { receiptTotals: [100, 251, 300] }],
  ])('disagree with %s', (_, change) => {
    expect(faultsOf({ ...SETTLED, ...change })).not.toEqual([]);
  });
});

describe('a real shop', () => {
  let folder: string;
  let side: Side;

  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), 'stasis-shop-'));
    side = await startSide('shop', folder);
    await using shop = await startShop(side.stores);
    while ((await shop.report()).orders < 40) await sleep(50);
  }, 120_000);

  afterAll(async () => {
    await side?.[Symbol.asyncDispose]();
    await rm(folder, { recursive: true, force: true });
  });

  test('that has closed has nothing under way', async () => {
    const audit = await auditShop(side.stores);
    expect(audit.faults).toEqual([]);
    expect(audit.orders).toBeGreaterThanOrEqual(40);
    expect([audit.lastOrders, audit.receipts]).toEqual([audit.orders, audit.orders]);
  });

  test('is seen to be torn when one store is of another time', async () => {
    await using carts = await connectCarts(side.stores);
    await carts.incr('last-order:1');
    expect((await auditShop(side.stores)).consistent).toBe(false);
    await carts.decr('last-order:1');
    expect((await auditShop(side.stores)).consistent).toBe(true);

    await using orders = await connectOrders(side.stores);
    await orders.query('DELETE FROM order_lines WHERE order_id = (SELECT max(id) FROM orders)');
    expect((await auditShop(side.stores)).faults).toEqual([expect.stringContaining('left the stock')]);

    await rm(join(side.stores.receiptsPath, 'till-1', receiptName(1)));
    expect((await auditShop(side.stores)).faults).toContainEqual('till 1: a receipt is missing');
  });
});
