import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import pg from 'pg';
import { capture } from '../../provider/coordinator/capture.ts';
import { STORE_TYPES } from '../../provider/stores/registry.ts';
import { memberOf } from '../../test/support/member.ts';
import { type PostgresServer, startPostgres } from '../../test/support/postgres-server.ts';
import { type RedisServer, startRedis } from '../../test/support/redis-server.ts';
import { quietContext } from './context.ts';
import { type Figure, median, shareOf } from './figure.ts';

const CAPTURES = 9;
const REDIS_MB = 250;
/** Keys of the kind that `fill` makes, in 1 MB of used_memory. */
const KEYS_A_MB = 1_150;
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
  const traffic = await startTraffic(postgres, redis);
  resources.defer(traffic.stop);

  const pausesMs: number[] = [];
  const forksMs: number[] = [];
  const spansMs: number[] = [];
  for (let round = 0; round < CAPTURES; round += 1) {
    pausesMs.push(await pauseOfCapture(postgres, redis, root));
    forksMs.push(await lastForkMs(redis));
    if (round < 3) spansMs.push(await spanOfDumps(postgres, redis, root));
  }
  const [ours, span, fork] = [median(pausesMs), median(spansMs), median(forksMs)];
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
    // No target of ours: it says how much of the pause nobody but the server's kernel could shorten.
    shareOf({
      name: 'the pause, by the fork alone',
      unit: 'ms',
      ours,
      peer: fork,
      peerName: 'latest_fork_usec of the same captures',
    }),
  ];
}

/** How long the server itself says that its last fork took. */
async function lastForkMs(redis: RedisServer): Promise<number> {
  const forkUs = /latest_fork_usec:(\d+)/.exec(await redis.cli('INFO', 'stats'))?.[1];
  if (forkUs === undefined) throw new Error('the server does not say how long its fork took');
  return Number(forkUs) / 1_000;
}

async function fill(postgres: PostgresServer, redis: RedisServer, folder: string): Promise<void> {
  const client = new pg.Client({ connectionString: postgres.url() });
  await client.connect();
  await client.query(`CREATE TABLE orders (id bigserial PRIMARY KEY, body text);
    INSERT INTO orders (body) SELECT repeat(md5(n::text), 11) FROM generate_series(1, ${ROWS}) n`);
  await client.end();
  await redis.cli(
    'EVAL',
    `for i = 1, ${REDIS_MB * KEYS_A_MB} do redis.call('SET', 'key:' .. i, string.rep(tostring(i), 140)) end`,
    '0',
  );
  await mkdir(folder);
  for (let index = 0; index < 500; index += 1) await writeFile(join(folder, `f${index}`), 'x'.repeat(20_000));
}

/** Traffic of another process, until it is stopped. */
async function startTraffic(
  postgres: PostgresServer,
  redis: RedisServer,
): Promise<{ stop(): Promise<void> }> {
  const child = spawn(process.execPath, [join(import.meta.dirname, 'traffic.ts')], {
    stdio: ['pipe', 'pipe', 'inherit'],
  });
  child.stdin.on('error', () => {});
  const ended = once(child, 'close');
  child.stdin.write(`${JSON.stringify({ postgresUrl: postgres.url(), redisUrl: redis.url, rows: ROWS })}\n`);
  const [first] = await Promise.race([once(child.stdout, 'data'), ended]);
  if (!(first instanceof Buffer)) throw new Error('the traffic did not start');
  return {
    stop: async () => {
      child.stdin.end();
      await ended;
    },
  };
}

async function pauseOfCapture(postgres: PostgresServer, redis: RedisServer, root: string): Promise<number> {
  const context = quietContext(300_000);
  const store = await STORE_TYPES[0]!.open({ path: join(root, 'store') }, context);
  const specs = {
    orders: ['postgres', { url: postgres.url() }],
    cache: ['redis', { url: redis.url }],
    folder: ['files', { path: join(root, 'folder') }],
  } as const;
  const members = Object.entries(specs).map(([name, [driverName, spec]]) =>
    memberOf(driverName, spec, { name }),
  );
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
