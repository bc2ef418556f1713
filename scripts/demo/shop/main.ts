import { serveWorkload } from '../../../test/support/workload/child.ts';
import { openShop, TILLS } from './open.ts';
import type { ShopStores } from './stores.ts';
import { runTill } from './till.ts';

export interface ShopReport {
  /** Orders since it opened. */
  readonly orders: number;
  /** Of the orders since the last report: how long they took. */
  readonly medianMs: number;
  readonly slowestMs: number;
}

const stores: ShopStores = {
  ordersUrl: process.env.SHOP_ORDERS_URL ?? '',
  cartsUrl: process.env.SHOP_CARTS_URL ?? '',
  receiptsPath: process.env.SHOP_RECEIPTS_PATH ?? '',
};
let orders = 0;
let tookMs: number[] = [];

function sold(ms: number): void {
  orders += 1;
  tookMs.push(ms);
}

function report(): ShopReport {
  const sorted = tookMs.toSorted((a, b) => a - b);
  tookMs = [];
  return { orders, medianMs: sorted[Math.floor(sorted.length / 2)] ?? 0, slowestMs: sorted.at(-1) ?? 0 };
}

await serveWorkload({
  open: () => openShop(stores),
  work: async (signal) => {
    const tills = Array.from({ length: TILLS }, (_, index) => runTill(index + 1, stores, sold, signal));
    await Promise.all(tills);
  },
  report,
});
