import { join } from 'node:path';
import type { PulumiTools } from '../../../scripts/engines/pulumi.ts';
import { type ShopServers, startShopServers, writeReceipts } from '../../support/shop-servers.ts';
import { Workspace } from './workspace.ts';

/** Orders in Postgres, carts in Redis, receipts in a folder; and where they are to stand again. */
export interface Shop extends ShopServers, AsyncDisposable {
  readonly workspace: Workspace;
}

/** Two sides of a small shop, and a stack of the real plugin with the four URLs in its secret configuration. */
export async function startShop(tools: PulumiTools): Promise<Shop> {
  await using started = new AsyncDisposableStack();
  const servers = await startShopServers(started);
  const { orders, carts, twinOrders, twinCarts } = servers;
  const workspace = started.use(await Workspace.create(tools));
  await writeReceipts(workspace.folder);
  await workspace.write('resources: {}\n');
  await workspace.init({
    orders: orders.url(),
    carts: carts.url,
    twinOrders: twinOrders.url(),
    twinCarts: twinCarts.url,
  });
  await workspace.ok(['config', 'set', '--path', 'stasis:store.path', join(workspace.folder, 'store')]);
  const kept = started.move();
  return {
    ...{ workspace, ...servers },
    [Symbol.asyncDispose]: () => kept.disposeAsync(),
  };
}

const CONFIGURATION = `config:
  orders: { type: string, secret: true }
  carts: { type: string, secret: true }
  twinOrders: { type: string, secret: true }
  twinCarts: { type: string, secret: true }
`;

const MEMBERS = `members:
        orders: { postgres: { url: "\${orders}" } }
        carts: { redis: { url: "\${carts}" } }
        receipts: { files: { path: "{folder}/receipts" } }`;

const TWIN_MEMBERS = `members:
        orders: { postgres: { url: "\${twinOrders}" } }
        carts: { redis: { url: "\${twinCarts}" } }
        receipts: { files: { path: "{folder}/twin" } }`;

/** The snapshot alone; each further property is on a line of its own, without indentation. */
export function snapshotProgram(more = '', options = ''): string {
  return `${CONFIGURATION}resources:\n${resource('shop', 'Snapshot', MEMBERS, more, options)}`;
}

/** With its twin. */
export function twinProgram(more = '', twinMore = ''): string {
  const twin = resource('twin', 'Restore', `snapshot: \${shop.reference}\n      ${TWIN_MEMBERS}`, twinMore);
  return `${snapshotProgram(more)}${twin}`;
}

/** The same as one component; with its twin once `restored` says so. */
export function applicationProgram(release: string, restored: boolean): string {
  const twin = `restoreTo:\n        ${TWIN_MEMBERS.replaceAll('\n', '\n  ')}`;
  const outputs = `outputs:\n  release: \${shop.release}\n  reference: \${shop.reference}\n  verdict: \${shop.verdict}\n`;
  const properties = `release: "${release}"\n      ${MEMBERS}${restored ? `\n      ${twin}` : ''}`;
  return `${CONFIGURATION}resources:\n${resource('shop', 'Application', properties)}${restored ? outputs : ''}`;
}

function resource(name: string, type: string, properties: string, more = '', options = ''): string {
  const lines =
    more === ''
      ? ''
      : `${more
          .split('\n')
          .map((line) => `      ${line}`)
          .join('\n')}\n`;
  const last = options === '' ? '' : `    options: { ${options} }\n`;
  return `  ${name}:\n    type: stasis:${type}\n    properties:\n      ${properties}\n${lines}${last}`;
}
