import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { type PostgresServer, startPostgres } from './postgres-server.ts';
import { type RedisServer, startRedis } from './redis-server.ts';

/** What no output, log or state may show: the beginning of every password of the shop. */
export const SHOP_PASSWORD = 'Pl4nted-in-the-shop';

/** A shop with orders in Postgres and carts in Redis, and the empty servers where they are to stand again. */
export interface ShopServers {
  readonly orders: PostgresServer;
  readonly carts: RedisServer;
  readonly twinOrders: PostgresServer;
  readonly twinCarts: RedisServer;
  readonly passwords: readonly string[];
}

/** Starts and fills them; they end with `scope`. */
export async function startShopServers(scope: AsyncDisposableStack): Promise<ShopServers> {
  const servers = await Promise.all([
    startPostgres({ password: `${SHOP_PASSWORD}-1` }),
    startPostgres({ password: `${SHOP_PASSWORD}-2` }),
    startRedis({ password: `${SHOP_PASSWORD}-3` }),
    startRedis({ password: `${SHOP_PASSWORD}-4` }),
  ]);
  for (const server of servers) scope.use(server);
  const [orders, twinOrders, carts, twinCarts] = servers;
  await orders.query(
    `CREATE TABLE orders (id bigserial PRIMARY KEY, what text);
     INSERT INTO orders (what) SELECT 'order ' || n FROM generate_series(1, 2000) n`,
  );
  await carts.feed(Array.from({ length: 500 }, (_, n) => `SET cart:${n} item-${n} EX 9000`).join('\n'));
  const passwords = servers.map(({ password }) => password!);
  return { orders, carts, twinOrders, twinCarts, passwords };
}

/** Twenty receipts in a new folder `receipts`; its path. */
export async function writeReceipts(folder: string): Promise<string> {
  const receipts = join(folder, 'receipts');
  await mkdir(receipts);
  for (let n = 0; n < 20; n += 1) await writeFile(join(receipts, `${n}.txt`), `receipt ${n}\n`);
  return receipts;
}
