import { execFile } from 'node:child_process';
import { mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { providerDefinition } from '../../provider/composition/provider.ts';
import type { ResourceDefinition, ResourceState, Values } from '../../provider/core/resource.ts';
import { REPORT_SCHEMA } from '../../provider/report/schema.ts';
import { testContext } from '../support/context.ts';
import { findMariadb, type MariadbServer, startMariadb } from '../support/mariadb-server.ts';
import { ourSessions } from '../support/postgres-rig.ts';
import { type PostgresServer, startPostgres } from '../support/postgres-server.ts';
import { type RedisServer, startRedis } from '../support/redis-server.ts';
import { testUnless } from '../support/skipped.ts';

const MINUTES = 60_000;
/** Of a target: the table is far larger, so that loading it leaves no place in them warm by itself. */
const BUFFERS = '4MB';
const ROWS = 60_000;
const REQUESTS = 200;
const context = testContext();
const database = 'shop';
const noMariadb = findMariadb() === undefined ? 'there is no mariadbd' : undefined;

let folder: string;
let source: PostgresServer;
let redis: RedisServer;
let resources: Readonly<Record<string, ResourceDefinition>>;
const path = (name: string): string => join(folder, name);

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'stasis-samples-'));
  [source, redis] = await Promise.all([startPostgres({ settings: { autovacuum: 'off' } }), startRedis()]);
  await source.query('CREATE DATABASE shop');
  await source.query('CREATE EXTENSION pg_buffercache');
  await source.query(
    `CREATE TABLE orders (id int PRIMARY KEY, note text NOT NULL);
     INSERT INTO orders SELECT n, repeat(md5(n::text), 12) FROM generate_series(1, ${ROWS}) n`,
    { database },
  );
  for (const statement of ['VACUUM ANALYZE orders', 'CHECKPOINT'])
    await source.query(statement, { database });
  // What filling has left in the buffers is not what the application uses.
  await source.kill();
  await source.restart();
  await redis.feed('SET cart:1 book\nSET cart:2 pen\n');
  const requests = Array.from(
    { length: REQUESTS },
    (_, n) => `SELECT note FROM orders WHERE id = ${20_000 + n * 5};`,
  );
  // As the application does all the time.
  for (const request of requests) await source.query(request, { database });
  await writeFile(path('requests.sql'), `# of a day in November\n\n${requests.join('\n')}\n`);
  await mkdir(path('receipts'));
  await writeFile(path('receipts/1.txt'), 'receipt\n');
  const { resources: all } = providerDefinition('test').catalog({ store: { path: path('store') } });
  resources = Object.fromEntries(all.map((one) => [one.name, one]));
}, 3 * MINUTES);

afterAll(async () => {
  await Promise.all([source?.stop(), redis?.stop()]);
  await rm(folder, { recursive: true, force: true });
});

const inputs = (samples: Values, more: Values = {}): Values => ({
  name: 'shop',
  members: {
    orders: { postgres: { url: source.url('shop') } },
    carts: { redis: { url: redis.url } },
    receipts: { files: { path: path('receipts') } },
  },
  samples,
  ...more,
});

const recorded = { member: 'orders', file: '', database: 'shop', duration: '2s' };
const carts = {
  member: 'carts',
  redis: [
    ['GET', 'cart:1'],
    ['GET', 'cart:9'],
  ],
  duration: '1s',
};
const receipts = { member: 'receipts', command: [['cat', '1.txt']], duration: '1s' };

type Told = Readonly<Record<string, number>> & { readonly message: string };

/** Of a Restore or a Drill: by sample. */
function told(outputs: Values): Record<string, Told> {
  const warmth = outputs.warmth as Record<string, { samples: Record<string, Told> }>;
  return Object.assign({}, ...Object.values(warmth).map(({ samples }) => samples));
}

/** Into servers of its own, which are gone afterwards. */
async function onNewServers<T>(work: (members: Values) => Promise<T>): Promise<T> {
  const settings = { shared_buffers: BUFFERS, autovacuum: 'off' };
  const [postgres, target] = await Promise.all([startPostgres({ settings }), startRedis()]);
  try {
    return await work({
      orders: { postgres: { url: postgres.url('twin') } },
      carts: { redis: { url: target.url } },
      receipts: { files: { path: path(`twin-${target.url.split(':').at(-1)!.replace('/', '-')}`) } },
    });
  } finally {
    await Promise.all([postgres.stop(), target.stop()]);
  }
}

test(
  'a cold restore reads before it is as before and a warm one does not; a drill says so without a release',
  async () => {
    const samples = { recorded: { ...recorded, file: path('requests.sql') }, carts, receipts };
    const photo = await resources.Snapshot!.apply({ inputs: inputs(samples) }, context);
    expect(photo.outputs).toMatchObject({ sharp: true, sampleResults: before });
    const results = photo.outputs.sampleResults as Record<string, Told>;
    expect(Object.keys(results).sort()).toEqual(['carts', 'receipts', 'recorded']);
    for (const one of Object.values(results)) {
      expect(one.lineMs).toBeLessThanOrEqual(one.p50Ms!);
      expect(one.p50Ms).toBeLessThanOrEqual(one.p99Ms!);
    }
    expect(results.recorded!.requests).toBeGreaterThan(REQUESTS);
    expect(results.recorded!.hitRate).toBeGreaterThan(0.999);
    expect(results.carts!.hitRate).toBeCloseTo(0.5, 1);
    expect(results.receipts).not.toHaveProperty('hitRate');
    expect(await ourSessions(source)).toBe(0);

    const restored = (members: Values, more: Values): Promise<ResourceState> =>
      resources.Restore!.apply(
        { inputs: { snapshot: photo.outputs.reference, members, warmWithin: '20s', ...more } },
        context,
      );
    const report = path('cold.json');
    const cold = await onNewServers((members) => restored(members, { report }));
    const warm = await onNewServers((members) => restored(members, { warm: true }));
    const drill = await onNewServers(async (members) => {
      await promisify(execFile)('openssl', ['genpkey', '-algorithm', 'ed25519', '-out', path('key.pem')]);
      const sign = { keyFile: path('key.pem') };
      const asked = { snapshot: photo.outputs.reference, members, sign, warm: true, warmWithin: '20s' };
      return resources.Drill!.apply({ inputs: asked }, context);
    });
    const all = [cold, warm, drill].map(({ outputs }) => told(outputs));
    for (const each of all) {
      expect(Object.keys(each).sort()).toEqual(['carts', 'receipts', 'recorded']);
      expect(each.recorded!.hitRateBefore).toBeCloseTo(results.recorded!.hitRate!, 3);
      expect(each.recorded!.p99BeforeMs).toBeCloseTo(results.recorded!.p99Ms!, 3);
      expect(each.recorded!.hitRateLast).toBeGreaterThan(0.999);
      for (const one of Object.values(each))
        expect(one.message.startsWith('As before from')).toBe(one.timeToWarmMs !== undefined);
    }
    const first = all.map((each) => each.recorded!.hitRateFirst!);
    expect(first[0]).toBeLessThan(0.98);
    expect(first[1]).toBeGreaterThan(0.999);
    expect(first[2]).toBeGreaterThan(0.999);
    const { warmth } = cold.outputs as { warmth: Record<string, Values> };
    expect(warmth.carts).toMatchObject({
      ...{ known: false, warmedBytes: 0, message: 'Nothing was read back before the release.' },
    });

    const page = REPORT_SCHEMA.parse(JSON.parse(await readFile(report, 'utf8')));
    expect(page.samples.find(({ name }) => name === 'recorded')).toMatchObject({
      ...{ member: 'orders', kind: 'sql', before: { requests: results.recorded!.requests } },
    });
    expect(page.outcome!.warmth.find(({ member }) => member === 'orders')!.samples).toMatchObject([
      { name: 'recorded', hitRateFirst: first[0] },
    ]);
    const imported = await resources.Drill!.importState(drill.id, context);
    expect(told(imported.outputs).recorded).toMatchObject({ hitRateFirst: first[2] });
  },
  6 * MINUTES,
);

const before = {
  recorded: { member: 'orders', outcome: 'measured' },
  carts: { member: 'carts', outcome: 'measured' },
  receipts: { member: 'receipts', outcome: 'measured' },
};

test(
  'a sample that fails is told and fails nothing, and one that would write changes nothing',
  async () => {
    const samples = {
      wrong: { member: 'orders', sql: ['SELECT nothing FROM orders'] },
      writing: {
        member: 'orders',
        sql: ['WITH gone AS (DELETE FROM orders RETURNING id) SELECT id FROM gone'],
      },
      several: { member: 'orders', sql: ['SELECT 1; SELECT 2'] },
      missing: { member: 'receipts', command: [['cat', '2.txt']] },
      nowhere: { member: 'orders', sql: ['SELECT 1'], database: 'other' },
      typed: { member: 'carts', redis: [['LLEN', 'cart:1']] },
    };
    const photo = await resources.Snapshot!.apply({ inputs: inputs(samples, { name: 'failing' }) }, context);
    const results = photo.outputs.sampleResults as Record<string, Values>;
    for (const name of Object.keys(samples))
      expect(results[name]).toMatchObject({
        outcome: 'failed',
        requests: 0,
        message: expect.stringMatching(/^Not measured: ./),
      });
    expect(results.writing!.message).toMatch(/read-only/);
    expect(await source.query('SELECT count(*)::int AS n FROM orders', { database })).toEqual([{ n: ROWS }]);
    const warnings = context.events.filter(({ severity }) => severity === 'warning');
    expect(warnings.filter(({ message }) => message?.startsWith('The sample "typed"'))).toHaveLength(1);
    const plan = await resources.Restore!.plan(
      {
        inputs: {
          ...{ snapshot: photo.outputs.reference, warmWithin: '5m' },
          members: { receipts: { files: { path: path('nowhere') } } },
        },
      },
      context,
    );
    expect(plan.problems.find(({ code }) => code === 'warm-within.no-samples')).toMatchObject({
      ...{ severity: 'warning', at: ['warmWithin'] },
    });
  },
  2 * MINUTES,
);

test('a plan says at the sample what is wrong with it', async () => {
  await writeFile(path('empty.sql'), '# nothing\n\n');
  await writeFile(path('writing.sql'), 'SELECT 1\n\nDELETE FROM orders\n');
  await writeFile(path('carts.txt'), 'GET cart:1\nFLUSHALL\n');
  const wrong = {
    nobody: { member: 'nobody', sql: ['SELECT 1'] },
    kind: { member: 'carts', sql: ['SELECT 1'] },
    writes: { member: 'orders', sql: ['SELECT 1', 'DELETE FROM orders'] },
    none: { member: 'orders' },
    two: { member: 'orders', sql: ['SELECT 1'], file: path('requests.sql') },
    long: { member: 'orders', sql: ['SELECT 1'], duration: '2m' },
    gone: { member: 'orders', file: path('gone.sql') },
    empty: { member: 'orders', file: path('empty.sql') },
    line: { member: 'orders', file: path('writing.sql') },
    flushes: { member: 'carts', file: path('carts.txt') },
  };
  const found = async (samples: Values): Promise<string[]> => {
    const { problems } = await resources.Snapshot!.plan(
      { inputs: inputs(samples, { name: 'planned' }) },
      context,
    );
    return problems
      .filter(({ severity }) => severity === 'error')
      .map(({ code, at }) => `${code} ${at.join('.')}`)
      .sort();
  };
  expect(await found(wrong)).toEqual([
    'probe.no-member samples.nobody.member',
    'probe.no-query samples.line.file',
    'probe.no-query samples.writes.sql.1',
    'probe.no-reading samples.flushes.file',
    'probe.unanswerable samples.kind.sql',
    'sample.duration samples.long.duration',
    'sample.empty samples.empty.file',
    'sample.no-request samples.none',
    'sample.two-kinds samples.two',
    'sample.unreadable samples.gone.file',
  ]);
  expect(await found({ recorded: { ...recorded, file: path('requests.sql') }, carts, receipts })).toEqual([]);
});

testUnless(noMariadb)(
  'MariaDB is asked for its pages as well',
  async () => {
    const servers: MariadbServer[] = await Promise.all([startMariadb(), startMariadb()]);
    try {
      const [original, target] = servers as [MariadbServer, MariadbServer];
      await original.query('CREATE DATABASE shop');
      await original.query(
        "CREATE TABLE shop.orders (id int PRIMARY KEY, what text); INSERT INTO shop.orders SELECT seq, CONCAT('Bestellung für ', seq) FROM shop.seq_1_to_1000",
      );
      const url = (server: MariadbServer, name: string): Values => ({ mariadb: { url: server.url(name) } });
      const sql = [
        "SELECT what FROM orders WHERE id = 7 AND what = 'Bestellung für 7'",
        'SELECT count(*) FROM orders',
      ];
      const photo = await resources.Snapshot!.apply(
        {
          inputs: {
            ...{ name: 'mariadb', members: { orders: url(original, 'shop') } },
            samples: { asked: { member: 'orders', sql, database: 'shop', duration: '1s' } },
          },
        },
        context,
      );
      expect(photo.outputs.sampleResults).toMatchObject({
        asked: { outcome: 'measured', hitRate: expect.any(Number) },
      });
      const { outputs } = await resources.Restore!.apply(
        {
          inputs: {
            ...{ snapshot: photo.outputs.reference, warmWithin: '10s' },
            members: { orders: url(target, 'twin') },
          },
        },
        context,
      );
      expect(told(outputs).asked).toMatchObject({ hitRateFirst: expect.any(Number) });
      expect(told(outputs).asked!.requests).toBeGreaterThan(100);
    } finally {
      await Promise.all(servers.map((server) => server.stop()));
    }
  },
  3 * MINUTES,
);
