import { createClient } from '@redis/client';
import pg from 'pg';

/** Where the shop keeps what it knows: orders in Postgres, carts in Redis, receipts in a folder. */
export interface ShopStores {
  readonly ordersUrl: string;
  readonly cartsUrl: string;
  readonly receiptsPath: string;
}

/** One connection to the orders' database, closed with the block that uses it. */
export async function connectOrders(stores: ShopStores): Promise<pg.Client & AsyncDisposable> {
  const client = new pg.Client({ connectionString: stores.ordersUrl, connectionTimeoutMillis: 10_000 });
  // A server that goes away is told by the query that fails.
  client.on('error', () => undefined);
  await client.connect();
  return Object.assign(client, { [Symbol.asyncDispose]: () => client.end() });
}

export type Carts = Awaited<ReturnType<typeof connectCarts>>;

/** One connection to the carts' server, closed with the block that uses it. */
export async function connectCarts(stores: ShopStores) {
  const client = createClient({ url: stores.cartsUrl, socket: { reconnectStrategy: false } });
  client.on('error', () => undefined);
  await client.connect();
  return Object.assign(client, { [Symbol.asyncDispose]: async () => client.destroy() });
}
