import { serveWorkload } from '../../../test/support/workload/child.ts';
import { TokensClient } from '../tokens/client.ts';
import { openShop, TILLS } from './open.ts';
import type { ShopStores } from './stores.ts';
import { runTill } from './till.ts';

export interface ShopReport {
  /** Orders since it opened. */
  readonly orders: number;
  /** The tokens of the customers who bought last, some hundreds at most; none where there is no token service. */
  readonly tokens: readonly string[];
  /** Of the orders since the last report: how long they took. */
  readonly medianMs: number;
  readonly slowestMs: number;
}

const stores: ShopStores = {
  ordersUrl: process.env.SHOP_ORDERS_URL ?? '',
  cartsUrl: process.env.SHOP_CARTS_URL ?? '',
  receiptsPath: process.env.SHOP_RECEIPTS_PATH ?? '',
};
/** So many of the newest are told. */
const TOKENS_TOLD = 400;
const tokensUrl = process.env.SHOP_TOKENS_URL ?? '';
const tokens: string[] = [];
let orders = 0;
let tookMs: number[] = [];

function sold(ms: number, token: string | undefined): void {
  orders += 1;
  if (token !== undefined) tokens.push(token);
  tookMs.push(ms);
}

function report(): ShopReport {
  const sorted = tookMs.toSorted((a, b) => a - b);
  tookMs = [];
  return {
    orders,
    tokens: tokens.slice(-TOKENS_TOLD),
    medianMs: sorted[Math.floor(sorted.length / 2)] ?? 0,
    slowestMs: sorted.at(-1) ?? 0,
  };
}

await serveWorkload({
  open: () => openShop(stores),
  work: async (signal) => {
    using service = tokensUrl === '' ? undefined : new TokensClient(tokensUrl);
    const tills = Array.from({ length: TILLS }, (_, index) =>
      runTill(index + 1, stores, service, sold, signal),
    );
    await Promise.all(tills);
  },
  report,
});
