import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import pg from 'pg';
import { capture } from '../../provider/coordinator/capture.ts';
import { startClock } from '../../provider/core/clock.ts';
import type { Context } from '../../provider/core/context.ts';
import { DRIVERS } from '../../provider/drivers/registry.ts';
import { localHost } from '../../provider/hosts/local/host.ts';
import { STORE_TYPES } from '../../provider/stores/registry.ts';
import { type PostgresServer, startPostgres } from '../../test/support/postgres-server.ts';
import { type RedisServer, startRedis } from '../../test/support/redis-server.ts';
import { type Figure, median, shareOf } from './figure.ts';

const CAPTURES = 9;
const REDIS_MB = 250;
/** Rows of about 400 bytes: some 100 MB of table. */
const ROWS = 250_000;
/** The pause that a user of a Redis of 250 MB may feel, at the median. */
const PAUSE_TARGET_MS = 20;

/**
 * The pause of an application under load against the span of what is done without us: one native dump after another.
 */
export async function benchPause(): Promise<readonly Figure[]> {
  await using resources = new AsyncDisposableStack();
  const [postgres, redis] = await Promise.all([startPostgres(), startRedis()]);
  resources.defer(async () => {
    await Promise.all([postgres.stop(), redis.stop()]);
  });
  const root = await mkdtemp(join(tmpdir(), 'stasis-bench-'));
  resources.defer(() => rm(root, { recursive: true, force: true }));
  await fill(postgres, redis, join(root, 'folder'));
  const load = startLoad(postgres, redis);
  resources.defer(load.stop);

  const pausesMs: number[] = [];
  const spansMs: number[] = [];
  for (let round = 0; round < CAPTURES; round += 1) {
    pausesMs.push(await pauseOfCapture(postgres, redis, root));
    if (round < 3) spansMs.push(await spanOfDumps(postgres, redis, root));
  }
  const [ours, span] = [median(pausesMs), median(spansMs)];
  return [
    shareOf(
      {
        name: 'pause under load',
        unit: 'ms',
        ours,
        peer: span,
        peerName: 'span of pg_dump, redis-cli --rdb, tar',
      },
      0.1,
    ),
    shareOf(
      {
        name: `pause, Redis of ${REDIS_MB} MB`,
        unit: 'ms',
        ours,
        peer: PAUSE_TARGET_MS,
        peerName: 'the target',
      },
      1,
    ),
  ];
}

async function fill(postgres: PostgresServer, redis: RedisServer, folder: string): Promise<void> {
  const client = new pg.Client({ connectionString: postgres.url() });
  await client.connect();
  await client.query(`CREATE TABLE orders (id bigserial PRIMARY KEY, body text);
    INSERT INTO orders (body) SELECT repeat(md5(n::text), 11) FROM generate_series(1, ${ROWS}) n`);
  await client.end();
  await redis.cli(
    'EVAL',
    `for i = 1, ${REDIS_MB * 900} do redis.call('SET', 'key:' .. i, string.rep(tostring(i), 140)) end`,
    '0',
  );
  await mkdir(folder);
  for (let index = 0; index < 500; index += 1) await writeFile(join(folder, `f${index}`), 'x'.repeat(20_000));
}

function startLoad(postgres: PostgresServer, redis: RedisServer): { stop(): Promise<void> } {
  let running = true;
  const clients = [0, 1].map(async (worker) => {
    const client = new pg.Client({ connectionString: postgres.url() });
    client.on('error', () => {});
    await client.connect();
    while (running) {
      await client.query('UPDATE orders SET body = body WHERE id = $1', [
        1 + Math.floor(Math.random() * ROWS),
      ]);
      await new Promise((resolve) => setTimeout(resolve, 2 + worker));
    }
    await client.end();
  });
  const writer = (async () => {
    while (running) {
      await redis.cli('INCR', 'counter');
      await new Promise((resolve) => setTimeout(resolve, 5));
    }
  })();
  return {
    stop: async () => {
      running = false;
      await Promise.all([...clients, writer]);
    },
  };
}

async function pauseOfCapture(postgres: PostgresServer, redis: RedisServer, root: string): Promise<number> {
  const context: Context = {
    signal: AbortSignal.timeout(300_000),
    clock: startClock(),
    logger: { log: () => {} },
    progress: () => {},
  };
  const store = await STORE_TYPES[0]!.open({ path: join(root, 'store') }, context);
  const specs = {
    orders: ['postgres', { url: postgres.url() }],
    cache: ['redis', { url: redis.url }],
    folder: ['files', { path: join(root, 'folder') }],
  } as const;
  const members = Object.entries(specs).map(([name, [driverName, spec]]) => {
    const driver = DRIVERS.find((one) => one.name === driverName)!;
    return { name, driver, spec: driver.spec.parse(spec), host: localHost() };
  });
  const limits = { maxPauseMs: 5_000, maxBlurMs: 0 };
  const sealed = await capture(
    { name: 'bench', owner: 'bench', members, store, limits, keep: 2, createdBy: 'bench' },
    context,
  );
  return sealed.manifest.pauseMs;
}

async function spanOfDumps(postgres: PostgresServer, redis: RedisServer, root: string): Promise<number> {
  const startNs = process.hrtime.bigint();
  await run('pg_dump', ['-Fc', '-f', join(root, 'dump'), postgres.url()]);
  await run('redis-cli', ['-u', redis.url, '--rdb', join(root, 'dump.rdb')]);
  await run('tar', ['-cf', join(root, 'dump.tar'), '-C', join(root, 'folder'), '.']);
  return Number(process.hrtime.bigint() - startNs) / 1e6;
}

async function run(program: string, args: readonly string[]): Promise<void> {
  const child = spawn(program, args, { stdio: ['ignore', 'ignore', 'pipe'] });
  const errors: Buffer[] = [];
  child.stderr.on('data', (chunk: Buffer) => errors.push(chunk));
  const [code] = (await once(child, 'close')) as [number];
  if (code !== 0) throw new Error(`${program} failed: ${Buffer.concat(errors).toString()}`);
}
