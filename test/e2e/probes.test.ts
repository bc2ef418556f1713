import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { providerDefinition } from '../../provider/composition/provider.ts';
import { StasisError } from '../../provider/core/errors.ts';
import type { ResourceDefinition, ResourceState, Values } from '../../provider/core/resource.ts';
import { testContext } from '../support/context.ts';
import { findMariadb, type MariadbServer, startMariadb } from '../support/mariadb-server.ts';
import { type PostgresServer, startPostgres } from '../support/postgres-server.ts';
import { type RedisServer, startRedis } from '../support/redis-server.ts';
import { testUnless } from '../support/skipped.ts';

const context = testContext();
const noMariadb = findMariadb() === undefined ? 'there is no mariadbd' : undefined;

let folder: string;
let postgres: PostgresServer[];
let redis: RedisServer[];
let mariadb: MariadbServer[] = [];
let resources: Readonly<Record<string, ResourceDefinition>>;
let names = 0;

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'stasis-probes-'));
  postgres = await Promise.all([startPostgres(), startPostgres()]);
  redis = await Promise.all([startRedis(), startRedis()]);
  if (noMariadb === undefined) mariadb = await Promise.all([startMariadb(), startMariadb()]);
  await postgres[0]!.query('CREATE DATABASE shop');
  await postgres[0]!.query(
    `CREATE TABLE orders (id bigserial PRIMARY KEY, what text);
     INSERT INTO orders (what) SELECT 'order ' || n FROM generate_series(1, 100) n;
     CREATE FUNCTION sell() RETURNS bigint LANGUAGE sql AS 'INSERT INTO orders (what) VALUES (''sold'') RETURNING id';`,
    { database: 'shop' },
  );
  await redis[0]!.feed('SET sold 0\nRPUSH queue a b c\nHSET cart:1 item book\nSETBIT bits 7 1\n');
  await mkdir(join(folder, 'receipts'));
  await writeFile(join(folder, 'receipts', 'total.json'), '{"total": {"sum": 12.5}, "made": "then"}');
  const { resources: all } = providerDefinition('test').catalog({ store: { path: join(folder, 'store') } });
  resources = Object.fromEntries(all.map((one) => [one.name, one]));
}, 120_000);

afterAll(async () => {
  await Promise.all([...(postgres ?? []), ...(redis ?? []), ...mariadb].map((server) => server.stop()));
  await rm(folder, { recursive: true, force: true });
});

function members(side: 0 | 1): Values {
  return {
    orders: { postgres: { url: postgres[side]!.url(side === 0 ? 'shop' : `twin${names}`) } },
    carts: { redis: { url: redis[side]!.url } },
    receipts: { files: { path: join(folder, side === 0 ? 'receipts' : `twin-${names}`) } },
  };
}

function take(probes: Values, of: Values = members(0)): Promise<ResourceState> {
  names += 1;
  return resources.Snapshot!.apply({ inputs: { name: `shop-${names}`, members: of, probes } }, context);
}

function bringBack(photo: ResourceState, overrides: Values = {}): Promise<ResourceState> {
  const inputs = { snapshot: photo.outputs.reference, members: members(1), ...overrides };
  return resources.Restore!.apply({ inputs }, context);
}

function outcomes(state: ResourceState): Record<string, string> {
  const probes = state.outputs.probeResults as Record<string, { outcome: string }>;
  return Object.fromEntries(Object.entries(probes).map(([name, { outcome }]) => [name, outcome]));
}

async function codeOf(work: Promise<unknown>): Promise<[string, string]> {
  const error = await work.then(
    () => undefined,
    (thrown: unknown) => thrown,
  );
  if (!(error instanceof StasisError)) throw error ?? new Error('nothing was thrown');
  return [error.code, error.at.join('.')];
}

const PROBES = {
  sold: { member: 'orders', sql: 'SELECT count(*), max(id) FROM orders;' },
  everyOrder: { member: 'orders', sql: 'TABLE orders' },
  told: { member: 'carts', redis: ['GET', 'sold'] },
  keys: { member: 'carts', redis: ['DBSIZE'] },
  nothing: { member: 'carts', redis: ['DBSIZE'], database: '5', expect: '0' },
  queue: { member: 'carts', redis: ['LRANGE', 'queue', '0', '-1'], rows: 'ordered' },
  total: { member: 'receipts', command: ['cat', 'total.json'], jsonPath: '$.total.sum', expect: '12.5' },
};

test('answers are those of the cut, under writers that never rest, and the same of what is restored', async () => {
  let isSelling = true;
  const selling = (async () => {
    while (isSelling) {
      await postgres[0]!.query('SELECT sell()', { database: 'shop' });
      await redis[0]!.cli('INCR', 'sold');
    }
  })();
  const photo = await take(PROBES).finally(() => {
    isSelling = false;
  });
  await selling;
  expect(outcomes(photo)).toEqual(Object.fromEntries(Object.keys(PROBES).map((name) => [name, 'answered'])));
  expect(photo.outputs.sharp).toBe(true);
  expect((await resources.Snapshot!.read(photo, context))?.problems).toEqual([]);
  const twin = await bringBack(photo);
  expect(twin.outputs.differences).toEqual([]);
  expect(outcomes(twin)).toEqual(Object.fromEntries(Object.keys(PROBES).map((name) => [name, 'equal'])));
  expect(twin.outputs.verdict).toBe('equivalent');
  expect(await redis[1]!.cli('CONFIG', 'GET', 'maxmemory')).toBeTruthy();
  await redis[1]!.cli('FLUSHALL');
}, 120_000);

test('what the originals have done since the cut is named, and what probes count is counted', async () => {
  const probes = {
    sold: { member: 'orders', sql: 'SELECT count(*) FROM orders' },
    depth: { member: 'carts', redis: ['LLEN', 'queue'] },
    total: { member: 'receipts', command: ['cat', 'total.json'], jsonPath: '$.total.sum' },
  };
  const photo = await take(probes);
  for (let sale = 0; sale < 3; sale += 1) await postgres[0]!.query('SELECT sell()', { database: 'shop' });
  await redis[0]!.cli('LPOP', 'queue');
  await writeFile(join(folder, 'receipts', 'late.txt'), 'after the cut');
  try {
    const { outputs } = await bringBack(photo, { original: members(0) });
    expect(outputs.verdict).toBe('equivalent');
    expect(outputs.lostWork).toMatchObject({
      orders: { read: true, changes: { sold: 3 } },
      carts: { read: true, differenceCount: 2, changes: { depth: -1 } },
      receipts: { read: true, changes: { total: 0 } },
    });
    expect(outputs.lostWorkDifferences).toEqual(
      expect.arrayContaining([
        expect.objectContaining({ member: 'orders', object: 'probe/sold', message: expect.any(String) }),
        expect.objectContaining({
          member: 'carts',
          kind: 'changed',
          object: expect.stringContaining('queue'),
        }),
        expect.objectContaining({ member: 'receipts', kind: 'extra', object: 'file/late.txt' }),
      ]),
    );
  } finally {
    await redis[0]!.cli('LPUSH', 'queue', 'a');
    await rm(join(folder, 'receipts', 'late.txt'));
    await redis[1]!.cli('FLUSHALL');
  }
}, 120_000);

test('another answer of the restored makes its member drifted, by name, and rolls the restore back', async () => {
  const probes = {
    port: { member: 'orders', sql: "SELECT current_setting('port')" },
    near: { member: 'orders', sql: "SELECT current_setting('port')::int", within: 65_535 },
    gone: { member: 'receipts', command: ['sh', '-c', 'test -e /proc/self/cwd/../receipts && echo here'] },
  };
  const photo = await take(probes);
  expect(outcomes(photo)).toEqual({ port: 'answered', near: 'answered', gone: 'answered' });
  expect(await codeOf(bringBack(photo))).toEqual(['restore.drifted', 'verify']);
  const twin = await bringBack(photo, { verify: 'report' });
  expect(outcomes(twin)).toEqual({ port: 'different', near: 'equal', gone: 'failed' });
  expect(twin.outputs).toMatchObject({
    verdict: 'drifted',
    results: {
      orders: { verdict: 'drifted' },
      carts: { verdict: 'equivalent' },
      receipts: { verdict: 'drifted' },
    },
  });
  expect(twin.outputs.differences).toEqual(
    expect.arrayContaining([
      expect.objectContaining({ member: 'orders', object: 'probe/port', kind: 'changed' }),
      expect.objectContaining({ member: 'receipts', object: 'probe/gone' }),
    ]),
  );
  await redis[1]!.cli('FLUSHALL');
}, 120_000);

test('what was broken already is told at the cut, and refused only where it is asked to be', async () => {
  const probes = {
    unmet: { member: 'orders', sql: 'SELECT count(*) < 0 FROM orders', expect: 't' },
    missing: { member: 'orders', sql: 'SELECT 1 FROM no_such_table' },
    slow: { member: 'orders', sql: 'SELECT pg_sleep(20)', timeoutMs: 50 },
    refused: { member: 'carts', redis: ['HGET', 'queue', 'x'] },
    status: { member: 'receipts', command: ['false'] },
    fine: { member: 'orders', sql: 'SELECT 1', expect: '1' },
  };
  const photo = await take(probes);
  expect(outcomes(photo)).toEqual({
    ...{ unmet: 'unmet', missing: 'failed', slow: 'failed', refused: 'failed', status: 'failed' },
    fine: 'answered',
  });
  expect(photo.outputs.probeResults).toMatchObject({
    missing: { message: expect.stringContaining('no_such_table') },
    unmet: { message: expect.stringContaining('already so in the original') },
  });
  const required = (name: keyof typeof probes) => ({ [name]: { ...probes[name], required: true } });
  expect(await codeOf(take(required('unmet')))).toEqual(['probe.unexpected', 'probes.unmet']);
  expect(await codeOf(take(required('missing')))).toEqual(['probe.unanswered', 'probes.missing']);
  expect((await take(required('fine'))).outputs.sharp).toBe(true);
}, 120_000);

test('a question that would change something is refused, by the server itself, and changes nothing', async () => {
  const count = () => postgres[0]!.query('SELECT count(*) FROM orders', { database: 'shop' });
  const before = await count();
  const ask = (sql: string) => ({ member: 'orders', sql });
  const photo = await take({
    function: ask('SELECT sell()'),
    sequence: ask("SELECT nextval('orders_id_seq')"),
    cte: ask("WITH x AS (INSERT INTO orders (what) VALUES ('x') RETURNING 1) SELECT * FROM x"),
    second: ask('SELECT 1; DROP TABLE orders'),
    ending: ask('SELECT 1; COMMIT; DROP TABLE orders; --'),
    many: ask('SELECT * FROM generate_series(1, 5000000)'),
    large: ask("SELECT repeat('x', 2000000)"),
  });
  for (const [name, outcome] of Object.entries(outcomes(photo)))
    expect([name, outcome]).toEqual([name, 'failed']);
  expect(await count()).toEqual(before);
}, 60_000);

test('whom a probe cannot ask, and what, is told at plan time at the probe', async () => {
  const plan = async (probes: Values, more: Values = {}) => {
    const inputs = { name: 'planned', members: { ...members(0), ...more }, probes };
    const { problems } = await resources.Snapshot!.plan({ inputs }, context);
    return problems
      .filter(({ severity }) => severity === 'error')
      .map(({ code, at }) => [code, at.join('.')]);
  };
  expect(await plan({ a: { member: 'nobody', sql: 'SELECT 1' } })).toEqual([
    ['probe.no-member', 'probes.a.member'],
  ]);
  expect(await plan({ a: { member: 'carts', sql: 'SELECT 1' } })).toEqual([
    ['probe.unanswerable', 'probes.a.sql'],
  ]);
  expect(await plan({ a: { member: 'orders', sql: 'DROP TABLE orders' } })).toEqual([
    ['probe.no-query', 'probes.a.sql'],
  ]);
  expect(await plan({ a: { member: 'carts', redis: ['FLUSHALL'] } })).toEqual([
    ['probe.no-reading', 'probes.a.redis'],
  ]);
  expect(await plan({ a: { member: 'carts' } })).toEqual([['probe.no-question', 'probes.a']]);
  expect(await plan({ a: { member: 'carts', redis: ['GET', 'x'], sql: 'SELECT 1' } })).toEqual([
    ['probe.two-questions', 'probes.a'],
  ]);
  expect(await plan({ a: { member: 'receipts', command: ['true'], jsonPath: '$..x' } })).toEqual([
    ['probe.json-path', 'probes.a.jsonPath'],
  ]);
  const job = { job: { process: { pid: 1 } } };
  expect(await plan({ a: { member: 'job', sql: 'SELECT 1' } }, job)).toContainEqual([
    'probe.unanswerable',
    'probes.a.sql',
  ]);
  const guest = { guest: { vm: { qmp: '/run/guest.sock' } } };
  expect(await plan({ a: { member: 'guest', command: ['true'] } }, guest)).toContainEqual([
    'probe.unanswerable',
    'probes.a.command',
  ]);
}, 60_000);

test('a request that cannot be made is told at plan time, at what is wrong in it', async () => {
  const url = 'http://127.0.0.1:8080/orders';
  const plan = async (http: Values, member = 'job', more: Values = {}): Promise<unknown> => {
    const inputs = {
      name: 'planned',
      members: { ...members(0), job: { process: { pidFile: '/run/no-such-job.pid' } } },
      probes: { a: { member, http, ...more } },
    };
    const { problems } = await resources.Snapshot!.plan({ inputs }, context);
    return problems.filter(({ at }) => at[0] === 'probes').map(({ code, at }) => [code, at.join('.')]);
  };
  expect(await plan({ url, method: 'POST', body: '{}', headers: { 'X-Tenant': '7' }, status: 404 })).toEqual(
    [],
  );
  expect(await plan({ url }, 'orders')).toEqual([['probe.unanswerable', 'probes.a.http']]);
  expect(await plan({ url: 'ftp://127.0.0.1/' })).toEqual([['probe.http-url', 'probes.a.http.url']]);
  expect(await plan({ url, caFile: '/etc/ca.pem' })).toEqual([['probe.http-tls', 'probes.a.http.caFile']]);
  expect(await plan({ url: 'http://shop.example/' })).toEqual([['probe.http-url', 'probes.a.http.url']]);
  expect(await plan({ url, method: 'FETCH' })).toEqual([[expect.any(String), 'probes.a.http.method']]);
  expect(await plan({ url, method: 'DELETE' })).toEqual([[expect.any(String), 'probes.a.http.method']]);
  expect(await plan({ url, body: 'x' })).toEqual([['probe.http-body', 'probes.a.http.body']]);
  expect(await plan({ url, status: 42 })).toEqual([[expect.any(String), 'probes.a.http.status']]);
  expect(await plan({ url, headersFile: 'headers' })).toEqual([
    [expect.any(String), 'probes.a.http.headersFile'],
  ]);
  expect(await plan({ url, headers: { Authorization: 'Bearer sesame' } })).toEqual([
    ['probe.http-header-secret', 'probes.a.http.headers.Authorization'],
  ]);
  expect(await plan({ url, headers: { 'X-Tenant': 'a\nb' } })).toEqual([
    ['probe.http-header-malformed', 'probes.a.http.headers.X-Tenant'],
  ]);
  expect(await plan({ url, headers: { Connection: 'close' } })).toEqual([
    ['probe.http-header-ours', 'probes.a.http.headers.Connection'],
  ]);
  expect(await plan({ url }, 'job', { jsonPath: '$..x' })).toEqual([
    ['probe.json-path', 'probes.a.jsonPath'],
  ]);
  expect(await plan({ url }, 'job', { sql: 'SELECT 1' })).toEqual([['probe.two-questions', 'probes.a']]);
}, 60_000);

testUnless(noMariadb)(
  'MariaDB answers in its snapshot, and of what is loaded beside',
  async () => {
    await mariadb[0]!.query('CREATE DATABASE shop');
    await mariadb[0]!.query(
      `CREATE TABLE orders (id int PRIMARY KEY AUTO_INCREMENT, what varchar(100) CHARACTER SET latin1);
     INSERT INTO orders (what) VALUES ('one'), ('zwölf');
     CREATE FUNCTION sell() RETURNS int DETERMINISTIC MODIFIES SQL DATA BEGIN INSERT INTO orders (what) VALUES ('sold'); RETURN 1; END`,
      'shop',
    );
    const ask = (sql: string) => ({ member: 'orders', sql });
    let isSelling = true;
    const selling = (async () => {
      while (isSelling) await mariadb[0]!.query("INSERT INTO orders (what) VALUES ('sold')", 'shop');
    })();
    const photo = await take(
      {
        ...{ sold: ask('SELECT count(*), max(id) FROM orders'), all: ask('SELECT * FROM orders') },
        twelve: { ...ask('SELECT what FROM orders WHERE id = 2'), expect: 'zwölf' },
        ...{ writes: ask('SELECT sell()'), second: ask('SELECT 1; DROP TABLE orders') },
      },
      { orders: { mariadb: { url: mariadb[0]!.url('shop') } } },
    ).finally(() => {
      isSelling = false;
    });
    await selling;
    expect(outcomes(photo)).toEqual({
      ...{ sold: 'answered', all: 'answered', twelve: 'answered', writes: 'failed', second: 'failed' },
    });
    const target = { orders: { mariadb: { url: mariadb[1]!.url('shop') } } };
    const twin = await bringBack(photo, { members: target });
    expect(twin.outputs.differences).toEqual([]);
    expect(outcomes(twin)).toEqual({
      ...{ sold: 'equal', all: 'equal', twelve: 'equal', writes: 'unasked', second: 'unasked' },
    });
  },
  120_000,
);
