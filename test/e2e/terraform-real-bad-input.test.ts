import { mkdir, readdir, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, jest, test } from '@jest/globals';
import { startPostgres } from '../support/postgres-server.ts';
import { postgresWithoutHstore } from '../support/postgres-without-hstore.ts';
import { type RedisServer, startRedis } from '../support/redis-server.ts';
import { testUnless } from '../support/skipped.ts';
import { mountSmallDisk, whyNoSmallDisk } from '../support/small-disk.ts';
import { postgresPair, redisPair } from '../support/version-pairs.ts';
import { describeEngines } from './terraform/engines.ts';
import { type Shop, startShop, writeVariables } from './terraform/shop.ts';

jest.setTimeout(240_000);
const NO_DISK = await whyNoSmallDisk();
const POSTGRES_PAIR = await postgresPair();
const REDIS_PAIR = await redisPair();

/** A Redis as managed services are. */
let managed: RedisServer;
beforeAll(async () => {
  managed = await startRedis({ config: { 'rename-command': 'SYNC ""' } });
});
afterAll(() => managed.stop());

interface Mistake {
  readonly what: string;
  /** Attributes of the snapshot. */
  readonly hcl: string;
  /** As the detail has it. */
  readonly expected: RegExp;
  readonly orders?: (shop: Shop) => Promise<string>;
}

const members = (hcl: string) => `name = "shop"\n  members = {\n    ${hcl}\n  }`;
const ORDERS = 'orders = { postgres = { url = var.orders } }';

const MISTAKES: readonly Mistake[] = [
  {
    what: 'a client program that is too old',
    hcl: members('orders = { postgres = { url = var.orders, client_path = "{folder}/old-clients" } }'),
    expected: /\(at members\.orders\.postgres\.client_path, code postgres\.client-too-old\)/,
  },
  {
    what: 'a Redis that refuses SYNC',
    hcl: members('orders = { redis = { url = var.orders } }'),
    orders: async () => managed.url,
    expected: /\(at members\.orders\.redis\.url, code redis\.sync-refused\)/,
  },
  {
    what: 'an unknown attribute',
    hcl: `${members(ORDERS)}\n  max_pauze_ms = 5`,
    // The engine's own check, against our schema. Within a member it drops what the schema does not know.
    expected: /An argument named "max_pauze_ms" is not expected here/,
  },
  {
    what: 'a store inside a captured folder',
    hcl: `${members('receipts = { files = { path = "{folder}/receipts" } }')}\n  store = { path = "{folder}/receipts/store" }`,
    expected: /\(at store(\.path)?, code [a-z.-]+\)/,
  },
];

const PREAMBLE = ['orders', 'carts', 'twin_orders', 'twin_carts']
  .map((name) => `variable "${name}" {\n  type      = string\n  ephemeral = true\n}\n`)
  .concat('provider "stasis" {\n  store = { path = "{folder}/store" }\n}\n')
  .join('');

describeEngines((engine) => {
  let shop: Shop;
  beforeAll(async () => {
    shop = await startShop(engine);
    await shop.workspace.write(PREAMBLE);
    await shop.workspace.ok('init', '-input=false');
    const old = join(shop.workspace.folder, 'old-clients');
    await mkdir(old);
    for (const name of ['pg_dump', 'pg_restore', 'psql'])
      await writeFile(join(old, name), `#!/bin/sh\necho "${name} (PostgreSQL) 9.6.24"\n`, { mode: 0o755 });
  });
  afterAll(async () => {
    await shop[Symbol.asyncDispose]();
  });

  /** What a plan says that is refused. */
  async function refused(hcl: string): Promise<string> {
    await shop.workspace.write(PREAMBLE + hcl);
    const { status, all } = await shop.workspace.run(['plan', '-input=false']);
    expect([status, status === 1 ? '' : all]).toEqual([1, '']);
    expect(all).not.toContain('Pl4nted');
    return all;
  }

  test.each(MISTAKES)(
    '$what is told at plan time, and nothing is touched',
    async ({ hcl, expected, orders }) => {
      await writeVariables(shop, orders ? { orders: await orders(shop) } : {});
      const all = await refused(`resource "stasis_snapshot" "shop" {\n  ${hcl}\n}\n`);
      expect(all).toMatch(expected);
      expect(await readdir(join(shop.workspace.folder, 'receipts'))).toHaveLength(20);
      expect(await readdir(shop.workspace.folder)).not.toContain('store');
    },
  );

  const SITE = members('receipts = { files = { path = "{folder}/receipts" } }');

  testUnless(NO_DISK)('a store on a disk that is read-only, or full', async () => {
    await writeVariables(shop);
    const resource = (path: string) =>
      `resource "stasis_snapshot" "shop" {\n  ${SITE}\n  store = { path = "{folder}/${path}/store" }\n}\n`;
    await using _full = await mountSmallDisk(join(shop.workspace.folder, 'full-disk'), 'size=64k');
    await writeFile(join(shop.workspace.folder, 'full-disk/filler'), Buffer.alloc(65_536));
    expect(await refused(resource('full-disk'))).toMatch(/\(at store(\.path)?, code store\.no-space\)/);
    await using _fixed = await mountSmallDisk(join(shop.workspace.folder, 'fixed-disk'), 'ro');
    expect(await refused(resource('fixed-disk'))).toMatch(/\(at store(\.path)?, code store\.read-only\)/);
  });

  test('two snapshots of one name, which only an apply can tell from one that is replaced', async () => {
    await writeVariables(shop);
    const resource = (name: string) => `resource "stasis_snapshot" "${name}" {\n  ${SITE}\n}\n`;
    await shop.workspace.write(PREAMBLE + resource('one') + resource('two'));
    const { status, all } = await shop.workspace.run(['apply', '-auto-approve', '-input=false']);
    expect(status).toBe(1);
    expect(all).toMatch(/\(at name, code snapshot\.same-name\)/);
    const made = await Promise.all(
      ['one', 'two'].map((name) => shop.workspace.state(`stasis_snapshot.${name}`)),
    );
    expect(made.filter((state) => state !== undefined)).toMatchObject([{ generation: 1 }]);
    // One that is added in a later run is reported by the other's refresh.
    await shop.workspace.apply();
    const { changes, text } = await shop.workspace.planned();
    expect(changes).toBe(false);
    expect(text).toMatch(/code snapshot\.newer-generation\)/);
    await shop.workspace.write(PREAMBLE);
    await shop.workspace.apply();
    await rm(join(shop.workspace.folder, 'store'), { recursive: true });
  });

  /** Captures this member, and tells what a plan says that would restore it into that one. */
  async function refusedTarget(
    member: string,
    target: string,
    urls: Record<string, string>,
  ): Promise<string> {
    const of = (hcl: string) => `members = { a = { ${hcl} } }`;
    const captured = `resource "stasis_snapshot" "a" {\n  name = "a"\n  ${of(member)}\n}\n`;
    await writeVariables(shop, urls);
    await shop.workspace.write(PREAMBLE + captured);
    await shop.workspace.apply();
    const restored = `resource "stasis_restore" "a" {\n  snapshot = "a"\n  ${of(target)}\n}\n`;
    const said = await refused(captured + restored);
    await shop.workspace.write(PREAMBLE);
    await shop.workspace.apply();
    await rm(join(shop.workspace.folder, 'store'), { recursive: true });
    return said;
  }

  testUnless(POSTGRES_PAIR.reason)('a Postgres older than the source', async () => {
    await using source = await startPostgres({ binDir: POSTGRES_PAIR.newer!.binDir });
    await using target = await startPostgres({ binDir: POSTGRES_PAIR.older!.binDir });
    const member = (name: string) =>
      `postgres = { url = var.${name}, client_path = "${POSTGRES_PAIR.newer!.clientPath}" }`;
    const urls = { orders: source.url(), twin_orders: target.url() };
    expect(await refusedTarget(member('orders'), member('twin_orders'), urls)).toMatch(
      /\(at members\.a\.postgres\.url, code postgres\.target-older\)/,
    );
  });

  testUnless(REDIS_PAIR.reason)('a Redis older than the source', async () => {
    await using source = await startRedis({ binary: REDIS_PAIR.newer!.path });
    await using target = await startRedis({ binary: REDIS_PAIR.older!.path });
    await source.cli('HSET', 'cart', 'item', '1');
    const urls = { carts: source.url, twin_carts: target.url };
    expect(
      await refusedTarget('redis = { url = var.carts }', 'redis = { url = var.twin_carts }', urls),
    ).toMatch(/\(at members\.a\.redis\.url, code redis\.target-older\)/);
  });

  test('a target that lacks an extension', async () => {
    await using programs = await postgresWithoutHstore();
    await using target = await startPostgres({ binDir: programs.binDir });
    await shop.orders.query('CREATE EXTENSION hstore');
    const said = await refusedTarget(
      'postgres = { url = var.orders }',
      'postgres = { url = var.twin_orders }',
      { twin_orders: target.url() },
    );
    expect(said).toMatch(/\(at members\.a\.postgres\.[a-z]+, code postgres\.extension-missing\)/);
    expect(said).toContain('hstore');
  });

  test('a snapshot that is not there', async () => {
    await writeVariables(shop);
    const restore = (snapshot: string, path: string) => `resource "stasis_restore" "twin" {
  snapshot = "${snapshot}"
  members = { receipts = { files = { path = "${path}" } } }
}
`;
    expect(await refused(restore('shop:7', '{folder}/twin'))).toMatch(/\(at snapshot, code snapshot\.none\)/);
    const captured = `resource "stasis_snapshot" "shop" {
  name = "shop"
  members = { receipts = { files = { path = "{folder}/receipts" } } }
}
`;
    await shop.workspace.write(PREAMBLE + captured);
    await shop.workspace.apply();
    expect(await refused(captured + restore('shop:7', '{folder}/twin'))).toMatch(
      /\(at snapshot, code snapshot\.no-generation\)/,
    );
    await shop.workspace.write(PREAMBLE);
    await shop.workspace.apply();
  });
});
