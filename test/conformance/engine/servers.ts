import { randomBytes } from 'node:crypto';
import { join } from 'node:path';
import { PausedDump } from '../../e2e/cli/paused-dump.ts';
import { type PostgresServer, startPostgres } from '../../support/postgres-server.ts';
import { type RedisServer, startRedis } from '../../support/redis-server.ts';
import { freePort } from '../../support/server-process.ts';
import { Gate } from './gate.ts';
import type { Secrets } from './way.ts';

/** What no output, log or file may show: the beginning of every password. No other test's, whose commands are seen. */
export const PLANTED = `Pl4nted-${randomBytes(8).toString('hex')}`;

/** Real servers that all cells of a way share. */
export interface Servers extends AsyncDisposable {
  readonly postgres: PostgresServer;
  /** Has some keys. */
  readonly carts: RedisServer;
  /** Is empty, and stands behind the gate. */
  readonly gated: RedisServer;
  readonly gate: Gate;
  /** Postgres' programs, which can be made to wait in the middle of a copy. */
  readonly dump: PausedDump;
  readonly secrets: Secrets;
}

/** A login of its own, whose password a test may change. */
export const SHOP = 'shop';
export const SHOP_PASSWORD = `${PLANTED}-4`;

export async function startServers(folder: string): Promise<Servers> {
  await using started = new AsyncDisposableStack();
  const [postgres, carts, gated] = await Promise.all([
    startPostgres({ password: `${PLANTED}-1` }),
    startRedis({ password: `${PLANTED}-2` }),
    startRedis({ password: `${PLANTED}-3` }),
  ]);
  for (const server of [postgres, carts, gated]) started.use(server);
  const gate = started.use(await Gate.before(gated.port));
  await fill(postgres, carts);
  const closed = new URL(postgres.url('orders'));
  closed.port = String(await freePort());
  const wrong = new URL(postgres.url('orders'));
  wrong.password = `${PLANTED}-wrong`;
  const asShop = new URL(postgres.url('orders'));
  [asShop.username, asShop.password] = [SHOP, SHOP_PASSWORD];
  const throughGate = new URL(gated.url);
  throughGate.port = String(gate.port);
  const kept = started.move();
  return {
    ...{ postgres, carts, gated, gate },
    dump: await PausedDump.create(join(folder, 'clients'), postgres.binDir),
    secrets: {
      orders: postgres.url('orders'),
      orders_of_shop: asShop.href,
      twin_orders: postgres.url('twin'),
      carts: carts.url,
      twin_carts: gated.url,
      gated: throughGate.href,
      unreachable: closed.href,
      wrong_password: wrong.href,
      database_to_be: postgres.url('to_be'),
    },
    [Symbol.asyncDispose]: () => kept.disposeAsync(),
  };
}

async function fill(postgres: PostgresServer, carts: RedisServer): Promise<void> {
  for (const name of ['orders', 'twin']) await postgres.query(`CREATE DATABASE ${name}`);
  await postgres.query(
    `CREATE TABLE orders (id bigserial PRIMARY KEY, what text);
     INSERT INTO orders (what) SELECT 'order ' || n FROM generate_series(1, 500) n;
     CREATE ROLE ${SHOP} SUPERUSER LOGIN PASSWORD '${SHOP_PASSWORD}';
     SELECT lo_from_bytea(0, 'a large object, which pg_dump has to copy')`,
    { database: 'orders' },
  );
  await carts.feed(Array.from({ length: 100 }, (_, n) => `SET cart:${n} item-${n}`).join('\n'));
}
