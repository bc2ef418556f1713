import { openShop, TILLS } from './open.ts';
import type { ShopStores } from './stores.ts';
import { runTill } from './till.ts';

/**
 * The shop's own process: `started` is sent when it is open, `report` is answered with its figures since it was asked
 * last. It ends on SIGTERM, or when whoever started it is gone.
 */
export interface ShopReport {
  /** Orders since it opened. */
  readonly orders: number;
  /** Of the orders since the last report: how long they took. */
  readonly medianMs: number;
  readonly slowestMs: number;
}

export type ShopMessage =
  | { readonly kind: 'started' }
  | { readonly kind: 'report'; readonly report: ShopReport }
  | { readonly kind: 'failed'; readonly message: string };

const stores: ShopStores = {
  ordersUrl: process.env.SHOP_ORDERS_URL ?? '',
  cartsUrl: process.env.SHOP_CARTS_URL ?? '',
  receiptsPath: process.env.SHOP_RECEIPTS_PATH ?? '',
};
const closing = new AbortController();
let orders = 0;
let tookMs: number[] = [];

function tell(message: ShopMessage): void {
  if (process.connected) process.send?.(message);
}

function report(): ShopReport {
  const sorted = tookMs.toSorted((a, b) => a - b);
  tookMs = [];
  return { orders, medianMs: sorted[Math.floor(sorted.length / 2)] ?? 0, slowestMs: sorted.at(-1) ?? 0 };
}

process.on('message', () => tell({ kind: 'report', report: report() }));
process.on('disconnect', () => closing.abort());
process.on('SIGTERM', () => closing.abort());
// A Ctrl-C in the terminal reaches us too, but the one who started us decides when we close.
process.on('SIGINT', () => undefined);

try {
  await openShop(stores);
  tell({ kind: 'started' });
  const sold = (ms: number): void => {
    orders += 1;
    tookMs.push(ms);
  };
  const tills = Array.from({ length: TILLS }, (_, index) => runTill(index + 1, stores, sold, closing.signal));
  await Promise.all(tills);
} catch (error) {
  tell({ kind: 'failed', message: error instanceof Error ? error.message : String(error) });
  process.exitCode = 1;
} finally {
  if (process.connected) process.disconnect();
}
