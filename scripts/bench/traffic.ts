import { createInterface } from 'node:readline';
import { createClient } from '@redis/client';
import pg from 'pg';

/**
 * The application under load of the pause's bench, in a process of its own as any application is: what it does must
 * not take time from the coordinator's event loop. Reads one line of JSON with the two URLs and how many rows there
 * are, answers `ready`, and goes on until its standard input ends.
 */
interface Orders {
  readonly postgresUrl: string;
  readonly redisUrl: string;
  readonly rows: number;
}

const input = createInterface({ input: process.stdin })[Symbol.asyncIterator]();
const orders = JSON.parse((await input.next()).value as string) as Orders;
let running = true;

const updaters = await Promise.all(
  [2, 3].map(async (restMs) => {
    const client = new pg.Client({ connectionString: orders.postgresUrl });
    await client.connect();
    return async (): Promise<void> => {
      while (running) {
        const id = 1 + Math.floor(Math.random() * orders.rows);
        await client.query('UPDATE orders SET body = body WHERE id = $1', [id]);
        await new Promise((resolve) => setTimeout(resolve, restMs));
      }
      await client.end();
    };
  }),
);
const redis = createClient({ url: orders.redisUrl });
await redis.connect();
const writer = async (): Promise<void> => {
  while (running) {
    await redis.incr('counter');
    await new Promise((resolve) => setTimeout(resolve, 5));
  }
  redis.destroy();
};

console.log('ready');
const traffic = Promise.all([...updaters.map((update) => update()), writer()]);
await input.next();
running = false;
await traffic;
