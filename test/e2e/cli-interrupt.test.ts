import { randomBytes } from 'node:crypto';
import { mkdir, readdir, writeFile } from 'node:fs/promises';
import { setTimeout as delay } from 'node:timers/promises';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import pg from 'pg';
import { Shop } from './cli/shop.ts';
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
