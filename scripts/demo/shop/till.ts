import { randomUUID } from 'node:crypto';
import { rename, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import type pg from 'pg';
import type { TokensClient } from '../tokens/client.ts';
import { choose } from './open.ts';
import { type Carts, connectCarts, connectOrders, type ShopStores } from './stores.ts';

/** A sale, as far as it is known when the customer has filled the cart. */
interface Sale {
  readonly till: number;
  /** 1 for a till's first order; no number is left out. */
  readonly number: number;
  readonly customer: number;
  readonly lines: readonly { readonly product: number; readonly quantity: number }[];
}

const DELIVERIES = ['collect', 'courier', 'post'] as const;

/**
 * A till sells one order after another, each through all stores in this order: where there is a token service, its
 * number and who buys in that one's memory; a cart in Redis, the order in Postgres, its number and the till's takings in
 * Redis, a receipt in the folder. Whatever one instant shows, a till is
 * in the middle of at most one order: that is what a consistent picture must show too.
 */
export async function runTill(
  till: number,
  stores: ShopStores,
  tokens: TokensClient | undefined,
  onSold: (tookMs: number, token: string | undefined) => void,
  signal: AbortSignal,
): Promise<void> {
  await using orders = await connectOrders(stores);
  await using carts = await connectCarts(stores);
  for (let number = 1; !signal.aborted; number += 1) {
    const startedAtMs = performance.now();
    const sale: Sale = { till, number, ...basket() };
    const token = await tokens?.begin(till, number, sale.customer);
    await sell(sale, orders, carts, stores);
    onSold(performance.now() - startedAtMs, token);
    await sleep(15 + Math.random() * 30);
  }
}

function basket(): Pick<Sale, 'customer' | 'lines'> {
  const quantities = new Map<number, number>();
  for (let line = 0; line < 1 + Math.floor(Math.random() * 3); line += 1) {
    const { product } = choose(0, Math.random());
    quantities.set(product, (quantities.get(product) ?? 0) + 1);
  }
  // In one order everywhere: two tills that take the same goods must not wait for each other in a circle.
  const lines = [...quantities]
    .map(([product, quantity]) => ({ product, quantity }))
    .sort((a, b) => a.product - b.product);
  return { customer: choose(Math.random(), 0).customer, lines };
}

async function sell(sale: Sale, orders: pg.Client, carts: Carts, stores: ShopStores): Promise<void> {
  const { till, number, lines } = sale;
  const cart = `cart:${till}:${number}`;
  await carts
    .multi()
    .hSet(cart, Object.fromEntries(lines.map(({ product, quantity }) => [String(product), String(quantity)])))
    .expire(cart, 1_800)
    .exec();
  const totalCents = await placeOrder(orders, sale);
  const takings = carts
    .multi()
    .set(`last-order:${till}`, String(number))
    .incrBy(`takings:${till}`, totalCents);
  for (const { product, quantity } of lines) takings.zIncrBy('bestsellers', quantity, String(product));
  await takings.exec();
  await writeReceipt(join(stores.receiptsPath, `till-${till}`), number, totalCents);
}

async function placeOrder(orders: pg.Client, sale: Sale): Promise<number> {
  const { till, number, customer, lines } = sale;
  const delivery = DELIVERIES[number % DELIVERIES.length];
  await orders.query('BEGIN');
  const prices = await orders.query<{ id: number; price_cents: number }>(
    'SELECT id, price_cents FROM products WHERE id = ANY($1)',
    [lines.map((line) => line.product)],
  );
  const priceOf = new Map(prices.rows.map((row) => [row.id, row.price_cents]));
  const totalCents = lines.reduce((sum, line) => sum + line.quantity * (priceOf.get(line.product) ?? 0), 0);
  const { rows } = await orders.query<{ id: string }>(
    'INSERT INTO orders (till, number, customer, delivery, total_cents) VALUES ($1, $2, $3, $4, $5) RETURNING id',
    [till, number, customer, delivery, totalCents],
  );
  for (const { product, quantity } of lines) {
    await orders.query('INSERT INTO order_lines VALUES ($1, $2, $3)', [rows[0]?.id, product, quantity]);
    await orders.query('UPDATE products SET stock = stock - $2 WHERE id = $1', [product, quantity]);
  }
  await orders.query('COMMIT');
  return totalCents;
}

/** Whole or not at all. */
async function writeReceipt(folder: string, number: number, totalCents: number): Promise<void> {
  const part = join(folder, `.${randomUUID()}`);
  await writeFile(part, `Order ${number}\nTotal ${totalCents}\nThank you.\n`, { mode: 0o640 });
  await rename(part, join(folder, receiptName(number)));
}

export function receiptName(number: number): string {
  return `${String(number).padStart(6, '0')}.txt`;
}
