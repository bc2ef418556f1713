import { execFile, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { promisify } from 'node:util';
import { capture } from '../../provider/coordinator/capture.ts';
import type { Member } from '../../provider/coordinator/member.ts';
import { restore } from '../../provider/coordinator/restore.ts';
import type { Store } from '../../provider/core/store.ts';
import { STORE_TYPES } from '../../provider/stores/registry.ts';
import { memberOf } from '../../test/support/member.ts';
import { type PostgresServer, startPostgres } from '../../test/support/postgres-server.ts';
import { type RedisServer, startRedis } from '../../test/support/redis-server.ts';
import { quietContext } from './context.ts';
import { type Figure, median, shareOf } from './figure.ts';
import { slowDisk } from './slow-disk.ts';
import { WINDOW_MS, type Window } from './warm-load.ts';

/** Rows of some 400 bytes. The hot ones are asked for all the time, the others never. */
const ROWS = 500_000;
const HOT = 100_000;
const BUFFERS = '256MB';
const BEFORE_MS = 15_000;
const AFTER_MS = 60_000;
/** As before is: no more than this much slower, for half of the next second and from then on. */
const AS_BEFORE = 1.25;
const STEADY_WINDOWS = 10;
const ROUNDS = 3;
/** What a gp3 volume of EC2 does where nothing else was asked for (AWS, "General Purpose SSD volumes"). */
const READS_PER_S = 3_000;

/**
 * How long after its release a restored shop is as slow as a cold one: time until the 99th percentile of its requests
 * is as before, warm (`warm: true`, with the Redis that is restored) against cold (Postgres as a restore without it leaves it,
 * and an empty Redis). What of the target's files lies in the machine's page cache is dropped before either is
 * released, as it would not be there on a new machine, or not for a database larger than its memory; and its disk reads
 * no faster than that of a virtual machine in a cloud.
 */
export async function benchWarm(): Promise<readonly Figure[]> {
  await using resources = new AsyncDisposableStack();
  const root = await mkdtemp(join(tmpdir(), 'stasis-bench-'));
  resources.defer(() => rm(root, { recursive: true, force: true }));
  const load = startLoad();
  resources.defer(load.stop);
  const source = await openShop(resources);
  await fill(source);
  // Twice: the first time fills the caches.
  await load.run(source, BEFORE_MS);
  const before = await load.run(source, BEFORE_MS);
  const steady = { p99Ms: median(before.map(({ p99Ms }) => p99Ms)), hitRate: 1 };
  const store = await STORE_TYPES[0]!.open({ path: join(root, 'store') }, quietContext());
  await capture(
    {
      ...{ name: 'shop', owner: 'bench', members: membersOf(source), store },
      ...{ limits: { maxPauseMs: 5_000, maxBlurMs: 0 }, createdBy: 'bench' },
    },
    quietContext(),
  );
  const times = { warm: [] as Times[], cold: [] as Times[] };
  for (let round = 0; round < ROUNDS; round += 1)
    for (const way of ['cold', 'warm'] as const) {
      await using twin = await restored(store, way, `${way}-${round}`);
      await using _slow = await slowDisk(twin.postgres.pid, twin.postgres.folder, READS_PER_S);
      times[way].push(timesUntil(await load.run(twin, AFTER_MS), steady));
    }
  const medianOf = (way: keyof typeof times, what: keyof Times): number =>
    median(times[way].map((one) => one[what]));
  const figure = (name: string, what: keyof Times, target?: number): Figure =>
    shareOf(
      {
        ...{ name, unit: 'ms', peerName: 'a cold restore' },
        ...{ ours: medianOf('warm', what), peer: medianOf('cold', what) },
      },
      target,
    );
  return [
    figure('time until p99 is as before', 'p99Ms', 0.1),
    figure('time until the hit rate is as before', 'hitRateMs'),
    figure('p99 of the first second', 'firstSecondMs'),
  ];
}

interface Shop extends AsyncDisposable {
  readonly postgres: PostgresServer;
  readonly redis: RedisServer;
}

async function openShop(resources: AsyncDisposableStack): Promise<Shop> {
  const postgres = await startPostgres({ settings: { shared_buffers: BUFFERS } });
  resources.defer(() => postgres.stop());
  const redis = await startRedis();
  resources.defer(() => redis.stop());
  return { postgres, redis, [Symbol.asyncDispose]: () => resources.disposeAsync() };
}

async function fill({ postgres, redis }: Shop): Promise<void> {
  const database = 'shop';
  await postgres.query('CREATE DATABASE shop');
  await postgres.query('CREATE EXTENSION pg_buffercache');
  for (const table of ['orders', 'sessions'])
    await postgres.query(
      `CREATE TABLE ${table} (id int PRIMARY KEY, body text NOT NULL);
       INSERT INTO ${table} SELECT n, repeat(md5(n::text), 11) FROM generate_series(1, ${ROWS}) n`,
      { database },
    );
  await postgres.query('VACUUM ANALYZE', { database });
  await redis.cli(
    'EVAL',
    `for i = 1, ${HOT} do redis.call('SET', 'session:' .. i, string.rep(redis.sha1hex(tostring(i)), 9)) end`,
    '0',
  );
  // What filling has left in the buffers is not what the application uses.
  await postgres.kill();
  await postgres.restart();
}

function membersOf({ postgres, redis }: Shop): Member[] {
  const specs = {
    orders: ['postgres', { url: postgres.url('shop') }],
    sessions: ['redis', { url: redis.url }],
  } as const;
  return Object.entries(specs).map(([name, [driverName, spec]]) => memberOf(driverName, spec, { name }));
}

async function restored(store: Store, way: 'warm' | 'cold', restoreId: string): Promise<Shop> {
  await using resources = new AsyncDisposableStack();
  const shop = await openShop(resources);
  const record = await store.name('shop');
  const snapshot = await store.open('shop', record!.generations.at(-1)!.digest, quietContext());
  await restore(
    {
      ...{ restoreId, snapshot, store, members: membersOf(shop), verify: 'equivalent' },
      ...{ overwrite: false, safetySnapshot: false, expiry: 'absolute', createdBy: 'bench' },
      warm: way === 'warm',
    },
    quietContext(),
    () => dropPageCache(shop.postgres),
  );
  if (way === 'cold') await shop.redis.cli('FLUSHALL');
  const kept = resources.move();
  return { ...shop, [Symbol.asyncDispose]: () => kept.disposeAsync() };
}

const DROP = `import os, sys
for folder, _, names in os.walk(sys.argv[1]):
    for name in names:
        try: file = os.open(os.path.join(folder, name), os.O_RDONLY)
        except FileNotFoundError: continue
        os.fsync(file)
        os.posix_fadvise(file, 0, 0, os.POSIX_FADV_DONTNEED)
        os.close(file)
`;

async function dropPageCache(postgres: PostgresServer): Promise<void> {
  await postgres.query('CHECKPOINT');
  await promisify(execFile)('python3', ['-c', DROP, join(postgres.folder, 'data')]);
}

interface Times {
  readonly p99Ms: number;
  readonly hitRateMs: number;
  readonly firstSecondMs: number;
}

function timesUntil(windows: readonly Window[], steady: Pick<Window, 'p99Ms' | 'hitRate'>): Times {
  const first = windows.filter(({ atMs }) => atMs < 1_000).map(({ p99Ms }) => p99Ms);
  return {
    p99Ms: since(windows, ({ p99Ms }) => p99Ms <= steady.p99Ms * AS_BEFORE),
    hitRateMs: since(windows, ({ hitRate }) => hitRate >= steady.hitRate * 0.99),
    firstSecondMs: median(first),
  };
}

/** From when on it is so for half of the windows of a second; no less than a window, which is how fine it is looked at. */
function since(windows: readonly Window[], isAsBefore: (window: Window) => boolean): number {
  const index = windows.findIndex((_window, start) => {
    const next = windows.slice(start, start + STEADY_WINDOWS);
    return next.length === STEADY_WINDOWS && next.filter(isAsBefore).length >= STEADY_WINDOWS / 2;
  });
  return Math.max(WINDOW_MS, index === -1 ? AFTER_MS : windows[index]!.atMs);
}

/** The same process for all, as one that has just started is slow in itself. */
function startLoad(): { run(shop: Shop, forMs: number): Promise<readonly Window[]>; stop(): Promise<void> } {
  const child = spawn(process.execPath, [join(import.meta.dirname, 'warm-load.ts')], {
    stdio: ['pipe', 'pipe', 'inherit'],
  });
  child.stdin.on('error', () => {});
  const ended = once(child, 'close');
  const lines = createInterface({ input: child.stdout })[Symbol.asyncIterator]();
  return {
    async run({ postgres, redis }, forMs) {
      const asked = { postgresUrl: postgres.url('shop'), redisUrl: redis.url, hot: HOT, forMs };
      child.stdin.write(`${JSON.stringify(asked)}\n`);
      const { value, done } = await lines.next();
      if (done) throw new Error('the load has ended');
      return JSON.parse(value) as Window[];
    },
    async stop() {
      child.stdin.end();
      await ended;
    },
  };
}
