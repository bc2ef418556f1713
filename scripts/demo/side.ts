import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { type PostgresServer, startPostgres } from '../../test/support/postgres-server.ts';
import { type RedisServer, startRedis } from '../../test/support/redis-server.ts';
import type { ShopStores } from './shop/stores.ts';

/** One side of the demo: servers of its own on free loopback ports, run as an unprivileged user, and a folder. */
export interface Side extends AsyncDisposable {
  readonly stores: ShopStores;
}

const DATABASE = 'shop';

/** Starts a side whose folder lies in `parent`. The shop's side gets an empty database; the other starts with none. */
export async function startSide(name: 'shop' | 'twin', parent: string): Promise<Side> {
  const folder = join(parent, name);
  await mkdir(folder, { recursive: true });
  const started = await Promise.allSettled([
    startPostgres(),
    startRedis({ password: `${name}-carts-secret` }),
  ]);
  const [postgres, redis] = started;
  if (postgres.status === 'rejected' || redis.status === 'rejected') {
    for (const one of started) if (one.status === 'fulfilled') await one.value.stop();
    throw postgres.status === 'rejected' ? postgres.reason : (redis as PromiseRejectedResult).reason;
  }
  if (name === 'shop') {
    await postgres.value.query(`CREATE DATABASE ${DATABASE}`);
    // By it a snapshot knows what lies in the buffers.
    await postgres.value.query('CREATE EXTENSION pg_buffercache');
  }
  return sideOf(postgres.value, redis.value, join(folder, 'receipts'));
}

function sideOf(postgres: PostgresServer, redis: RedisServer, receiptsPath: string): Side {
  return {
    stores: { ordersUrl: postgres.url(DATABASE), cartsUrl: redis.url, receiptsPath },
    async [Symbol.asyncDispose]() {
      await Promise.all([postgres.stop(), redis.stop()]);
    },
  };
}
