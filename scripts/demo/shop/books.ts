import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { FIRST_STOCK, TILLS } from './open.ts';
import { connectCarts, connectOrders, type ShopStores } from './stores.ts';
import { receiptName } from './till.ts';

/** What the three stores say of one till. */
export interface TillBooks {
  readonly till: number;
  /** Totals in cents of its orders in Postgres, by number: the first is order 1. */
  readonly orderTotals: readonly number[];
  /** Its newest order and its takings, as Redis has them. */
  readonly lastOrder: number;
  readonly takingsCents: number;
  /** Totals that its receipts say, by number. */
  readonly receiptTotals: readonly number[];
}

export interface Audit {
  /** No fault was found: the three stores show one instant. */
  readonly consistent: boolean;
  readonly faults: readonly string[];
  /** Orders in Postgres, in Redis, and with a receipt. */
  readonly orders: number;
  readonly lastOrders: number;
  readonly receipts: number;
  /** Orders in Postgres of each till, the first till's first. */
  readonly tillOrders: readonly number[];
}

/** Reads the books of a shop that stands still, and checks them. */
export async function auditShop(stores: ShopStores): Promise<Audit> {
  await using orders = await connectOrders(stores);
  await using carts = await connectCarts(stores);
  const books: TillBooks[] = [];
  for (let till = 1; till <= TILLS; till += 1) {
    const { rows } = await orders.query<{ number: number; total_cents: number }>(
      'SELECT number, total_cents FROM orders WHERE till = $1 ORDER BY number',
      [till],
    );
    books.push({
      till,
      orderTotals: byNumber(rows.map((row) => [row.number, row.total_cents])),
      lastOrder: Number((await carts.get(`last-order:${till}`)) ?? 0),
      takingsCents: Number((await carts.get(`takings:${till}`)) ?? 0),
      receiptTotals: await readReceipts(join(stores.receiptsPath, `till-${till}`)),
    });
  }
  const stock = await orders.query<{ missing: string; sold: string }>(
    `SELECT sum($1 - stock) AS missing, (SELECT coalesce(sum(quantity), 0) FROM order_lines) AS sold FROM products`,
    [FIRST_STOCK],
  );
  const { missing, sold } = stock.rows[0] ?? { missing: '0', sold: '' };
  const faults = books.flatMap(faultsOf);
  if (missing !== sold) faults.push(`${missing} pieces left the stock, but ${sold} were sold`);
  return {
    consistent: faults.length === 0,
    faults,
    orders: sum(books.map((till) => till.orderTotals.length)),
    lastOrders: sum(books.map((till) => till.lastOrder)),
    receipts: sum(books.map((till) => till.receiptTotals.length)),
    tillOrders: books.map((till) => till.orderTotals.length),
  };
}

/**
 * What one till's books say against one instant: an order reaches Postgres, then Redis, then the folder, and a till
 * has at most one under way.
 */
export function faultsOf(books: TillBooks): string[] {
  const { till, orderTotals, lastOrder, takingsCents, receiptTotals } = books;
  const faults: string[] = [];
  if (orderTotals.includes(Number.NaN)) faults.push(`till ${till}: an order is missing in Postgres`);
  if (receiptTotals.includes(Number.NaN)) faults.push(`till ${till}: a receipt is missing`);
  if (lastOrder > orderTotals.length)
    faults.push(`till ${till}: Redis knows order ${lastOrder}, Postgres only ${orderTotals.length}`);
  if (receiptTotals.length > lastOrder)
    faults.push(
      `till ${till}: there is a receipt for order ${receiptTotals.length}, Redis knows only ${lastOrder}`,
    );
  if (orderTotals.length - receiptTotals.length > 1)
    faults.push(`till ${till}: ${orderTotals.length} orders, but ${receiptTotals.length} receipts`);
  const takings = sum(orderTotals.slice(0, lastOrder));
  if (takings !== takingsCents)
    faults.push(`till ${till}: Redis says ${takingsCents} cents were taken, the orders say ${takings}`);
  const wrong = receiptTotals.findIndex((total, index) => total !== orderTotals[index]);
  if (wrong !== -1) faults.push(`till ${till}: receipt ${wrong + 1} says another total than its order`);
  return faults;
}

async function readReceipts(folder: string): Promise<number[]> {
  const names = (await readdir(folder)).filter((name) => /^\d+\.txt$/.test(name));
  const totals = await Promise.all(
    names.map(async (name): Promise<[number, number]> => {
      const number = Number.parseInt(name, 10);
      const text = await readFile(join(folder, receiptName(number)), 'utf8');
      return [number, Number(/^Total (\d+)$/m.exec(text)?.[1])];
    }),
  );
  return byNumber(totals);
}

/** A list by number from 1; what is missing in between is NaN. */
function byNumber(pairs: readonly (readonly [number, number])[]): number[] {
  const list: number[] = Array.from(
    { length: Math.max(0, ...pairs.map(([number]) => number)) },
    () => Number.NaN,
  );
  for (const [number, value] of pairs) list[number - 1] = value;
  return list;
}

function sum(values: readonly number[]): number {
  return values.reduce((total, value) => total + value, 0);
}
