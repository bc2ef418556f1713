import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { installPlugin } from '../../../provider/engines/terraform/install.ts';
import { type ShopServers, startShopServers, writeReceipts } from '../../support/shop-servers.ts';
import type { Engine } from './engines.ts';
import { Workspace } from './workspace.ts';

const ROOT = join(import.meta.dirname, '../../..');

/** Orders in Postgres, carts in Redis, receipts in a folder; and where they are to stand again. */
export interface Shop extends ShopServers, AsyncDisposable {
  readonly workspace: Workspace;
}

/** Two sides of a small shop, and a workspace with the real plugin installed; variables are in a tfvars file. */
export async function startShop(engine: Engine): Promise<Shop> {
  await using started = new AsyncDisposableStack();
  const servers = await startShopServers(started);
  const workspace = started.use(await Workspace.create(engine));
  await writeReceipts(workspace.folder);
  await installPlugin({ engine: engine.name, root: ROOT, home: workspace.home });
  const shop = { workspace, ...servers };
  await writeVariables(shop);
  const kept = started.move();
  return { ...shop, [Symbol.asyncDispose]: () => kept.disposeAsync() };
}

/** The file of variables; `urls` replace those of the shop. */
export async function writeVariables(
  { workspace, orders, carts, twinOrders, twinCarts }: Omit<Shop, typeof Symbol.asyncDispose>,
  urls: Readonly<Record<string, string>> = {},
): Promise<void> {
  const all = {
    orders: orders.url(),
    carts: carts.url,
    twin_orders: twinOrders.url(),
    twin_carts: twinCarts.url,
    ...urls,
  };
  const lines = Object.entries(all).map(([name, url]) => `${name} = ${JSON.stringify(url)}`);
  await writeFile(join(workspace.module, VARIABLES_FILE), `${lines.join('\n')}\n`);
}

/** The one file in a workspace that holds passwords. */
export const VARIABLES_FILE = 'urls.auto.tfvars';

const VARIABLES = ['orders', 'carts', 'twin_orders', 'twin_carts']
  .map((name) => `variable "${name}" {\n  type      = string\n  ephemeral = true\n}\n`)
  .join('');

/** The snapshot alone; `more` are further attributes. */
export function snapshotHcl(more = ''): string {
  return `${VARIABLES}
provider "stasis" {
  store = { path = "{folder}/store" }
}

resource "stasis_snapshot" "shop" {
  name = "shop"
  members = {
    orders   = { postgres = { url = var.orders } }
    carts    = { redis = { url = var.carts } }
    receipts = { files = { path = "{folder}/receipts" } }
  }
  ${more}
}
`;
}

/** With its twin. */
export function twinHcl(more = ''): string {
  return `${snapshotHcl(more)}
resource "stasis_restore" "twin" {
  snapshot = stasis_snapshot.shop.reference
  members = {
    orders   = { postgres = { url = var.twin_orders } }
    carts    = { redis = { url = var.twin_carts } }
    receipts = { files = { path = "{folder}/twin" } }
  }
  original = { carts = { redis = { url = var.carts } } }
  report   = "{folder}/twin.html"
}
`;
}
