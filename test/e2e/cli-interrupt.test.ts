import { randomBytes } from 'node:crypto';
import { mkdir, readdir, writeFile } from 'node:fs/promises';
import { setTimeout as delay } from 'node:timers/promises';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { createClient } from '@redis/client';
import pg from 'pg';
import type { PostgresServer } from '../support/postgres-server.ts';
import { Shop, variable } from './cli/shop.ts';
import { expectStatus, type Ran, type Running } from './cli/stasis.ts';

/** Large enough that copying takes longer than noticing that it began. */
const LARGE_FILES = 24;
const LARGE_BYTES = 8_000_000;

let shop: Shop;

beforeAll(async () => {
  shop = await Shop.open();
  await shop.workspace.inputs('app.yaml', shop.app);
  await shop.workspace.inputs('target.yaml', shop.target);
  expectStatus(await shop.run(['capture', '-f', 'app.yaml']), 0);
  await mkdir(`${shop.receipts}/large`);
  for (let n = 0; n < LARGE_FILES; n += 1)
    await writeFile(`${shop.receipts}/large/${n}`, randomBytes(LARGE_BYTES));
}, 120_000);
afterAll(() => shop?.[Symbol.asyncDispose]());

/** Runs it, and calls `act` once this was said on stderr. */
async function runUntil(
  args: readonly string[],
  said: RegExp,
  act: (running: Running) => Promise<void> | void,
): Promise<Ran> {
  let acted: Promise<void> = Promise.reject(new Error(`never said ${said}`));
  acted.catch(() => {});
  const ran = await shop.workspace.run(args, {
    env: shop.env,
    started: (running) => {
      acted = (async () => {
        for (let waited = 0; !said.test(running.stderr()); waited += 5) {
          if (waited > 60_000) throw new Error(`never said ${said}: ${running.stderr()}`);
          await delay(5);
        }
        await act(running);
      })();
      acted.catch(() => {});
    },
  });
  await acted;
  return ran;
}

/** Everybody can write at once, and none of our sessions or locks is left. */
async function expectThawed(): Promise<void> {
  const startedMs = Date.now();
  await shop.redis.cli('SET', 'after', 'interrupt');
  await shop.postgres.query("INSERT INTO orders (customer, total) VALUES ('after', 1)", {
    database: 'orders',
  });
  expect(Date.now() - startedMs).toBeLessThan(2_000);
  const rows = await untilNone(() =>
    shop.postgres.query(
      "SELECT query FROM pg_stat_activity WHERE datname = 'orders' AND pid <> pg_backend_pid()",
    ),
  );
  expect(rows).toEqual([]);
}

/** A server notices that a client has gone a moment later than the client went. */
async function untilNone<T>(look: () => Promise<readonly T[]>): Promise<readonly T[]> {
  for (let tries = 0; ; tries += 1) {
    const found = await look();
    if (found.length === 0 || tries === 40) return found;
    await delay(50);
  }
}

async function generations(): Promise<number[]> {
  const { snapshots } = (await shop.run(['list', 'shop', '--json'])).json() as {
    snapshots: { generation: number }[];
  };
  return snapshots.map(({ generation }) => generation);
}

describe('Ctrl-C', () => {
  test('in the middle of copying lets all go, leaves no snapshot, and ends with 130', async () => {
    const ran = await runUntil(['capture', '-f', 'app.yaml', '--json'], /copy receipts/, (running) =>
      running.interrupt(),
    );
    expect([ran.status, ran.signal]).toEqual([130, null]);
    expect(ran.json()).toMatchObject({ error: { code: 'interrupted' } });
    expect(ran.stderr).toContain('stasis: interrupted');
    await expectThawed();
    expect(await generations()).toEqual([1]);
    expectStatus(await shop.run(['verify', 'shop:1']), 0);
  });

  test('twice ends soon, and all goes on as well', async () => {
    const ran = await runUntil(['capture', '-f', 'app.yaml', '--json'], /copy receipts/, async (running) => {
      running.interrupt();
      await delay(30);
      running.interrupt();
    });
    expect([ran.status, ran.signal]).toEqual([130, null]);
    expect(ran.json()).toMatchObject({ error: { code: 'interrupted' } });
    await expectThawed();
    expect(await generations()).toEqual([1]);
  });

  test('while it waits for a lock of somebody else ends it at once', async () => {
    const other = new pg.Client({ connectionString: shop.postgres.url('orders') });
    await other.connect();
    try {
      await other.query('BEGIN; LOCK TABLE orders IN ACCESS EXCLUSIVE MODE');
      const ran = await runUntil(['capture', '-f', 'app.yaml'], /stasis: (prepare|hold)/, async (running) => {
        await delay(300);
        running.interrupt();
      });
      expectStatus(ran, 130);
      expect(ran.stdout).toBe('');
    } finally {
      await other.end();
    }
    await expectThawed();
  });

  test('in the middle of a restore leaves the targets as they were', async () => {
    const whole = await shop.run(['capture', '-f', 'app.yaml', '--json']);
    expectStatus(whole, 0);
    const ran = await runUntil(['restore', 'shop:2', '-f', 'target.yaml', '--json'], /load/, (running) =>
      running.interrupt(),
    );
    expectStatus(ran, 130);
    expect(await shop.twinRedis.cli('DBSIZE')).toBe('0');
    const tables = await shop.twinPostgres.query("SELECT 1 FROM pg_class WHERE relname = 'orders'", {
      database: 'orders',
    });
    expect(tables).toEqual([]);
    expect((await readdir(shop.workspace.folder)).filter((name) => name.includes('twin'))).toEqual([]);
    const again = await shop.run(['restore', 'shop:2', '-f', 'target.yaml', '--json']);
    expectStatus(again, 0);
  });
});

describe('while a member is held', () => {
  /** Transactions all the time, so that no quiet moment is found and the lock lasts, on any machine. */
  async function busy(server: PostgresServer, database: string): Promise<AsyncDisposable> {
    const writers = await Promise.all(Array.from({ length: 4 }, () => busyWriter(server, database)));
    return {
      async [Symbol.asyncDispose]() {
        await Promise.all(writers.map((writer) => writer[Symbol.asyncDispose]()));
      },
    };
  }

  async function busyWriter(server: PostgresServer, database: string): Promise<AsyncDisposable> {
    const client = new pg.Client({ connectionString: server.url(database) });
    client.on('error', () => {});
    await client.connect();
    const [row] = (await client.query('SELECT pg_backend_pid() AS pid')).rows;
    const loop = client.query(
      'DO $$ BEGIN LOOP PERFORM txid_current(); COMMIT; PERFORM pg_sleep(0.0002); END LOOP; END $$',
    );
    const ended = loop.catch(() => {});
    return {
      async [Symbol.asyncDispose]() {
        await server.query(`SELECT pg_terminate_backend(${row.pid})`);
        await ended;
      },
    };
  }

  /** A write that is not answered within this waits for something. */
  const HELD_MS = 15;

  /** A capture of busy members in a row that ends before it is seen to hold them is luck; not of so many. */
  const MOST_CAPTURES = 12;

  /** Two connections to the Redis: one that a lock makes wait, and one that it does not. */
  async function openProbe() {
    const [writer, reader] = [createClient({ url: shop.redis.url }), createClient({ url: shop.redis.url })];
    for (const client of [writer, reader]) {
      client.on('error', () => {});
      await client.connect();
    }
    return {
      writer,
      reader,
      async [Symbol.asyncDispose]() {
        for (const client of [writer, reader]) client.destroy();
      },
    };
  }

  test.each([1, 2])('Ctrl-C pressed %i times lets it go at once', async (times) => {
    await shop.workspace.inputs(
      'busy.yaml',
      `name: busy
maxPauseMs: 60000
members:
  orders: { postgres: { url: "${variable('ORDERS_URL')}" } }
  others: { postgres: { url: "${variable('TWIN_ORDERS_URL')}" } }
  sessions: { redis: { url: "${variable('SESSIONS_URL')}" } }
`,
    );
    await using _one = await busy(shop.postgres, 'orders');
    await using _two = await busy(shop.twinPostgres, 'orders');
    await using probe = await openProbe();
    let wasHeld = false;
    let thawedMs = Number.POSITIVE_INFINITY;
    const interruptHeld = async (running: Running): Promise<void> => {
      for (let tries = 0; tries < 2_000 && !wasHeld; tries += 1) {
        const write = probe.writer.set('probe', String(tries)).then(() => true);
        const waits = !(await Promise.race([write, delay(HELD_MS, false)]));
        // Only a server that answers a question while a write waits is held; otherwise the machine is slow.
        wasHeld =
          waits && (await Promise.race([probe.reader.ping().then(() => true), write.then(() => false)]));
        if (!wasHeld) continue;
        const interruptedMs = Date.now();
        for (let n = 0; n < times; n += 1) {
          running.interrupt();
          await delay(30);
        }
        await write;
        thawedMs = Date.now() - interruptedMs;
      }
    };
    // Where all writers are off the processor at once, the moment is quiet: then the hold is over too soon to be seen.
    let ran: Ran | undefined;
    for (let captures = 0; captures < MOST_CAPTURES && !wasHeld; captures += 1)
      ran = await runUntil(['capture', '-f', 'busy.yaml', '--json'], /stasis: hold/, interruptHeld);
    expect(wasHeld).toBe(true);
    expectStatus(ran!, 130);
    expect(ran!.json()).toMatchObject({ error: { code: 'interrupted' } });
    // The lease alone would hold it for more than a minute.
    expect(thawedMs).toBeLessThan(10_000);
  });
});

describe('the next capture', () => {
  test('sweeps what a killed one left, and succeeds', async () => {
    const killed = await runUntil(['capture', '-f', 'app.yaml'], /copy receipts/, (running) =>
      running.kill('SIGKILL'),
    );
    expect(killed.signal).toBe('SIGKILL');
    await delay(6_000);
    await expectThawed();
    const ran = await shop.run(['capture', '-f', 'app.yaml', '--json']);
    expectStatus(ran, 0);
    expect(await generations()).toEqual([3, 2, 1]);
  });
});
