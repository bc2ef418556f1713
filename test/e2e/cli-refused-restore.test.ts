import { readdir } from 'node:fs/promises';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { startPostgres } from '../support/postgres-server.ts';
import { postgresWithoutHstore } from '../support/postgres-without-hstore.ts';
import { startRedis } from '../support/redis-server.ts';
import { testUnless } from '../support/skipped.ts';
import { postgresPair, redisPair } from '../support/version-pairs.ts';
import { PLANTED, Shop, variable } from './cli/shop.ts';
import { expectStatus, type Refused } from './cli/stasis.ts';

const POSTGRES_PAIR = await postgresPair();
const REDIS_PAIR = await redisPair();

let shop: Shop;

beforeAll(async () => {
  shop = await Shop.open();
  await shop.workspace.inputs('app.yaml', shop.app);
  expectStatus(await shop.run(['capture', '-f', 'app.yaml']), 0);
}, 120_000);
afterAll(() => shop?.[Symbol.asyncDispose]());

describe('a restore that cannot succeed is refused with 2, and the target is as it was', () => {
  async function refusedRestore(reference: string, yaml = shop.target): Promise<Refused> {
    await shop.workspace.inputs('bad-target.yaml', yaml);
    const ran = await shop.run(['restore', reference, '-f', 'bad-target.yaml', '--json']);
    expect(ran.stdout + ran.stderr).not.toContain(PLANTED);
    expectStatus(ran, 2);
    return (ran.json() as unknown as { error: Refused }).error;
  }

  test.each<[string, string, Partial<Refused>]>([
    ['a generation that is not there', 'shop:99', { code: 'snapshot.no-generation', at: ['snapshot'] }],
    ['a name that is not there', 'bank', { code: 'snapshot.none', at: ['snapshot'] }],
    ['a reference that is none', 'shop/eu:1', { code: 'reference.malformed', at: ['snapshot'] }],
  ])('%s', async (_name, reference, expected) => {
    expect(await refusedRestore(reference)).toMatchObject(expected);
    const shown = await shop.run(['show', reference, '--json']);
    expect([shown.status, shown.json()]).toMatchObject([2, { error: { code: expected.code } }]);
  });

  test('a member without a target, and a target of another driver', async () => {
    const missing = 'store: { path: snapshots }\nmembers:\n  receipts: { files: { path: other } }\n';
    expect(await refusedRestore('shop', missing)).toMatchObject({
      code: 'restore.no-target',
      at: ['members'],
      line: 2,
    });
    const swapped = shop.target.replace(
      'files: { path: twin-receipts }',
      `redis: { url: "${variable('SESSIONS_URL')}" }`,
    );
    expect(await refusedRestore('shop', swapped)).toMatchObject({ code: 'restore.other-driver', line: 5 });
  });

  test('targets that are not empty', async () => {
    const source = shop.target.replaceAll('TWIN_', '').replace('twin-receipts', 'receipts');
    await shop.workspace.inputs('bad-target.yaml', source);
    const ran = await shop.run(['restore', 'shop', '-f', 'bad-target.yaml', '--json']);
    const { error, more } = ran.json() as unknown as { error: Refused; more: Refused[] };
    const found = [error, ...more].filter(({ code }) => code === 'restore.target-not-empty');
    expect(found.map(({ at, line }) => [at[1], line]).sort()).toEqual([
      ['orders', 3],
      ['receipts', 5],
      ['sessions', 4],
    ]);
    expectStatus(ran, 2);
    expect(await readdir(shop.receipts)).toHaveLength(50);
    expect(await shop.redis.cli('DBSIZE')).toBe('2000');
  });

  test('a target that lacks an extension', async () => {
    await using programs = await postgresWithoutHstore();
    await shop.postgres.query('CREATE DATABASE extended');
    await shop.postgres.query('CREATE EXTENSION hstore', { database: 'extended' });
    await using lacking = await startPostgres({ binDir: programs.binDir });
    const source = `name: extended\nmembers: { a: { postgres: { url: "${shop.postgres.url('extended')}" } } }\n`;
    await shop.workspace.inputs('extended.yaml', source);
    const captured = await shop.run(['capture', '-f', 'extended.yaml', '--json']);
    expectStatus(captured, 0);
    const target = `members:\n  a:\n    postgres:\n      url: ${lacking.url()}\n`;
    const error = await refusedRestore('extended', target);
    expect(error).toMatchObject({
      code: 'postgres.extension-missing',
      at: expect.arrayContaining(['a', 'postgres']),
    });
    expect(error.message).toContain('hstore');
  });

  testUnless(POSTGRES_PAIR.reason)('a Postgres older than the source', async () => {
    const { older, newer } = POSTGRES_PAIR;
    await using source = await startPostgres({ binDir: newer!.binDir });
    await using target = await startPostgres({ binDir: older!.binDir });
    const member = (url: string) =>
      `members: { a: { postgres: { url: "${url}", clientPath: "${newer!.clientPath}" } } }\n`;
    await shop.workspace.inputs('newer.yaml', `name: newer\n${member(source.url())}`);
    expectStatus(await shop.run(['capture', '-f', 'newer.yaml']), 0);
    const error = await refusedRestore('newer', member(target.url()));
    expect(error).toMatchObject({ code: 'postgres.target-older', at: ['members', 'a', 'postgres', 'url'] });
    expect(error.message).toContain(String(newer!.major));
  });

  testUnless(REDIS_PAIR.reason)('a Redis older than the source', async () => {
    const { older, newer } = REDIS_PAIR;
    await using source = await startRedis({ binary: newer!.path });
    await using target = await startRedis({ binary: older!.path });
    // A small hash is a listpack since 7.0: what an older server does not know, unlike a plain string.
    await source.cli('HSET', 'cart', 'item', '1');
    const member = (url: string) => `members: { a: { redis: { url: "${url}" } } }\n`;
    await shop.workspace.inputs('newer-redis.yaml', `name: newer-redis\n${member(source.url)}`);
    expectStatus(await shop.run(['capture', '-f', 'newer-redis.yaml']), 0);
    const error = await refusedRestore('newer-redis', member(target.url));
    expect(error).toMatchObject({
      code: 'redis.target-older',
      at: ['members', 'a', 'redis', 'url'],
      line: 1,
    });
    expect(error.message).toContain(newer!.version);
    expect(await target.cli('DBSIZE')).toBe('0');
  });
});
