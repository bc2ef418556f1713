import { mkdir, readdir, writeFile } from 'node:fs/promises';
import { createServer } from 'node:net';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, jest, test } from '@jest/globals';
import { type Shop, startShop, writeVariables } from './terraform/shop.ts';
import { realEngines } from './terraform/workspace.ts';

jest.setTimeout(240_000);
const ENGINES = await realEngines();

/** A port that nobody listens on. */
async function freePort(): Promise<number> {
  const server = createServer();
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const address = server.address();
  await new Promise((resolve) => server.close(resolve));
  return typeof address === 'object' && address !== null ? address.port : 0;
}

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
    what: 'an unreachable server',
    hcl: members(ORDERS),
    orders: async () => `postgres://u:Pl4nted-in-the-shop-9@127.0.0.1:${await freePort()}/x`,
    expected: /\(at members\.orders\.postgres\.url, code postgres\.unreachable\)/,
  },
  {
    what: 'a wrong password',
    hcl: members(ORDERS),
    orders: async ({ orders }) => orders.url().replace(/:[^:@]*@/, ':Pl4nted-in-the-shop-wrong@'),
    expected: /\(at members\.orders\.postgres\.url, code postgres\.[a-z-]+\)/,
  },
  {
    what: 'a client program that is not there',
    hcl: members('orders = { postgres = { url = var.orders, client_path = "/nowhere" } }'),
    expected: /\(at members\.orders\.postgres\.client_path, code postgres\.[a-z-]+\)/,
  },
  {
    what: 'two members on the same database',
    hcl: members(`${ORDERS}\n    again = { postgres = { url = var.orders } }`),
    expected: /\(at members\.(again|orders)(\.postgres)?, code [a-z.-]+\)/,
  },
  {
    what: 'a member without a driver',
    hcl: members('orders = {}'),
    expected: /\(at members\.orders, code member\.no-driver\)/,
  },
  {
    what: 'a member with two drivers',
    hcl: members('orders = {\n      postgres = { url = var.orders }\n      files = { path = "/srv" }\n    }'),
    expected: /\(at members\.orders, code member\.two-drivers\)/,
  },
  {
    what: 'a folder that is not there',
    hcl: members('receipts = { files = { path = "{folder}/nowhere" } }'),
    expected: /\(at members\.receipts\.files\.path, code files\.[a-z-]+\)/,
  },
  {
    what: 'a name with a slash',
    hcl: `name = "shop/eu"\n  members = { ${ORDERS} }`,
    expected: /\(at name, code name\.malformed\)/,
  },
  {
    what: 'a store that is a file',
    hcl: `${members(ORDERS)}\n  store = { path = "{folder}/module/main.tf" }`,
    expected: /\(at store(\.path)?, code store\.[a-z-]+\)/,
  },
  {
    what: 'a store inside a captured folder',
    hcl: `${members('receipts = { files = { path = "{folder}/receipts" } }')}\n  store = { path = "{folder}/receipts/store" }`,
    expected: /\(at store(\.path)?, code [a-z.-]+\)/,
  },
  {
    what: 'limits that are none',
    hcl: `${members(ORDERS)}\n  max_pause_ms = -5`,
    expected: /\(at max_pause_ms, code input\.invalid\)/,
  },
];

const PREAMBLE = ['orders', 'carts', 'twin_orders', 'twin_carts']
  .map((name) => `variable "${name}" {\n  type      = string\n  ephemeral = true\n}\n`)
  .concat('provider "stasis" {\n  store = { path = "{folder}/store" }\n}\n')
  .join('');

describe.each(ENGINES)('with $name', (engine) => {
  let shop: Shop;
  beforeAll(async () => {
    shop = await startShop(engine);
    await shop.workspace.write(PREAMBLE);
    await shop.workspace.ok('init', '-input=false');
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

  test('a snapshot that is not there, and a target that is not empty', async () => {
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
    const full = join(shop.workspace.folder, 'full');
    await mkdir(full);
    await writeFile(join(full, 'mine.txt'), 'mine');
    expect(await refused(captured + restore('shop:1', full))).toMatch(
      /\(at members\.receipts\.files(\.path)?, code [a-z.-]+\)/,
    );
    expect(await readdir(full)).toEqual(['mine.txt']);
    await shop.workspace.write(PREAMBLE);
    await shop.workspace.apply();
  });
});
