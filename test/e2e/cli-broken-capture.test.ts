import { spawn } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { rm, statfs, writeFile } from 'node:fs/promises';
import { setTimeout as delay } from 'node:timers/promises';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { startRedis } from '../support/redis-server.ts';
import { testUnless } from '../support/skipped.ts';
import { mountSmallDisk, whyNoSmallDisk } from '../support/small-disk.ts';
import { PausedDump } from './cli/paused-dump.ts';
import { Shop, variable } from './cli/shop.ts';
import { expectStatus, type Ran, type Refused, type Running, STASIS } from './cli/stasis.ts';

const MB = 1_000_000;

let shop: Shop;
let dump: PausedDump;

beforeAll(async () => {
  shop = await Shop.open();
  dump = await PausedDump.create(shop.workspace.path('clients'), shop.postgres.binDir);
  await shop.postgres.query("SELECT lo_from_bytea(0, 'a large object')", { database: 'orders' });
  await shop.workspace.inputs('app.yaml', app);
  expectStatus(await shop.run(['capture', '-f', 'app.yaml']), 0);
}, 120_000);
afterAll(() => shop?.[Symbol.asyncDispose]());

const app = `name: shop
members:
  orders: { postgres: { url: "${variable('ORDERS_URL')}", clientPath: clients } }
  sessions: { redis: { url: "${variable('SESSIONS_URL')}" } }
  receipts: { files: { path: receipts } }
`;

/** Captures, and does something once it is copying. */
async function inMidCopy(
  act: (pid: number, running: Running) => Promise<void> | void,
  args: readonly string[] = [],
): Promise<Ran> {
  await dump.arm();
  let acted: Promise<void> = Promise.resolve();
  const ran = await shop.workspace.run(['capture', '-f', 'app.yaml', '--json', ...args], {
    env: shop.env,
    started: (running) => {
      acted = dump
        .reached()
        .then((pid) => act(pid, running))
        .finally(() => dump.go());
      acted.catch(() => {});
    },
  });
  await acted;
  return ran;
}

async function generations(store = 'snapshots'): Promise<number[]> {
  const ran = await shop.run(['list', 'shop', '--json', '--store', store]);
  const { snapshots } = ran.json() as { snapshots: { generation: number }[] };
  return snapshots.map(({ generation }) => generation);
}

/** Members take writes, whatever was in the store is whole, nothing was added to it, and the next capture works. */
async function expectConverges(store = 'snapshots'): Promise<void> {
  await shop.postgres.query("INSERT INTO orders (customer, total) VALUES ('after', 1)", {
    database: 'orders',
  });
  expect(await shop.redis.cli('SET', 'after', 'it')).toBe('OK');
  await writeFile(`${shop.receipts}/after.txt`, 'after\n');
  const before = await generations(store);
  expectStatus(await shop.run(['verify', '--store', store]), 0);
  expectStatus(await shop.run(['capture', '-f', 'app.yaml', '--store', store]), 0);
  expect(await generations(store)).toEqual([before[0]! + 1, ...before]);
}

function errorOf(ran: Ran): Refused {
  expectStatus(ran, 1);
  return (ran.json() as unknown as { error: Refused }).error;
}

describe('what breaks in the middle of a copy seals nothing and harms nothing', () => {
  test('the server of a member dies', async () => {
    const before = await generations();
    const ran = await inMidCopy(() => shop.postgres.kill());
    const error = errorOf(ran);
    expect(error.code).toMatch(/^postgres\./);
    expect(error.at.slice(0, 2)).toEqual(['members', 'orders']);
    expect(await shop.redis.cli('SET', 'while', 'down')).toBe('OK');
    expect(await generations()).toEqual(before);
    await shop.postgres.restart();
    await expectConverges();
  });

  test('a Redis dies', async () => {
    const yaml = (url: string) => `name: slow\nmembers: { a: { redis: { url: "${url}" } } }\n`;
    // The child that writes the RDB takes half a second for a hundred keys.
    await using slow = await startRedis({ config: { 'rdb-key-save-delay': 5_000 } });
    await slow.feed(Array.from({ length: 400 }, (_, n) => `SET key:${n} ${n}`).join('\n'));
    await shop.workspace.inputs('slow.yaml', yaml(slow.url));
    const ran = await shop.workspace.run(['capture', '-f', 'slow.yaml', '--json'], {
      env: shop.env,
      started: () => {
        void (async () => {
          while (!/rdb_bgsave_in_progress:1/.test(await slow.cli('INFO', 'persistence'))) await delay(5);
          await slow.kill();
        })().catch(() => {});
      },
    });
    const error = errorOf(ran);
    expect(error.code).toMatch(/^redis\./);
    expect(error.at.slice(0, 2)).toEqual(['members', 'a']);
    expect((await shop.run(['list', 'slow', '--json'])).status).toBe(2);
    await shop.workspace.inputs('slow.yaml', yaml(shop.redis.url));
    expectStatus(await shop.run(['capture', '-f', 'slow.yaml']), 0);
  });

  test('a table is dropped: it waits for the copy, and is in the snapshot', async () => {
    await shop.postgres.query("CREATE TABLE doomed AS SELECT 'still here' AS note", { database: 'orders' });
    let dropped: Promise<unknown> = Promise.resolve();
    let wasDropped = false;
    const ran = await inMidCopy(async () => {
      dropped = shop.postgres.query('DROP TABLE doomed', { database: 'orders' }).then(() => {
        wasDropped = true;
      });
      await delay(500);
      expect(wasDropped).toBe(false);
    });
    expectStatus(ran, 0);
    await dropped;
    const compared = await shop.run(['compare', 'shop', '-f', 'app.yaml', '--json']);
    expectStatus(compared, 3);
    expect(JSON.stringify(compared.json())).toContain('doomed');
    await expectConverges();
  });

  test('a program that copies is killed with -9', async () => {
    const before = await generations();
    const error = errorOf(await inMidCopy((pid) => void process.kill(pid, 'SIGKILL')));
    expect(error).toMatchObject({ code: 'postgres.dump-failed' });
    expect(await generations()).toEqual(before);
    await expectConverges();
  });

  test('the shell that it was started from is killed with -9', async () => {
    const before = await generations();
    await dump.arm();
    const shell = spawn('sh', ['-c', `'${STASIS}' capture -f app.yaml --json; echo ended`], {
      cwd: shop.workspace.folder,
      env: { PATH: process.env.PATH ?? '', HOME: process.env.HOME ?? '', ...shop.env },
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    const exited = once(shell, 'exit');
    // Whoever is left of its group holds these open, until all have ended.
    const closed = once(shell, 'close');
    await dump.reached();
    shell.kill('SIGKILL');
    await exited;
    // A terminal that closes takes its readers along.
    shell.stdout.destroy();
    shell.stderr.destroy();
    await closed;
    await dump.go();
    for (let tries = 0; tries < 400 && (await isCapturing()); tries += 1) await delay(50);
    expect(await isCapturing()).toBe(false);
    const after = await generations();
    // It may have ended its work, or given it up; nothing in between.
    expect([before, [before[0]! + 1, ...before]]).toContainEqual(after);
    await expectConverges();
  });

  async function isCapturing(): Promise<boolean> {
    const rows = await shop.postgres.query(
      "SELECT 1 FROM pg_stat_activity WHERE datname = 'orders' AND pid <> pg_backend_pid()",
    );
    return rows.length > 0;
  }
});

testUnless(await whyNoSmallDisk())(
  'a disk that fills in the middle of a copy keeps what it had, and takes the next one when there is room',
  async () => {
    const store = 'disk/snapshots';
    const path = shop.workspace.path('disk');
    await using _disk = await mountSmallDisk(path, 'size=48m');
    expectStatus(await shop.run(['capture', '-f', 'app.yaml', '--store', store]), 0);
    await writeFile(`${shop.receipts}/large`, randomBytes(8 * MB));
    const filler = `${path}/filler`;
    const fill = async (): Promise<void> => {
      const { bavail, bsize } = await statfs(path);
      await writeFile(filler, Buffer.alloc(Math.max(0, bavail * bsize - 4096)));
    };
    const ran = await inMidCopy(fill, ['--store', store]);
    expect(errorOf(ran)).toMatchObject({ code: 'store.no-space' });
    expect(await generations(store)).toEqual([1]);
    expectStatus(await shop.run(['verify', '--store', store]), 0);
    await rm(filler);
    await expectConverges(store);
  },
);
