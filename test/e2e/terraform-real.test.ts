import { mkdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { expect, jest, test } from '@jest/globals';
import { installPlugin } from '../../provider/engines/terraform/install.ts';
import { describeEngines } from './terraform/engines.ts';
import { startShop, twinHcl, writeVariables } from './terraform/shop.ts';
import { Workspace } from './terraform/workspace.ts';

jest.setTimeout(240_000);
const SNAPSHOT = 'stasis_snapshot.shop';
const RESTORE = 'stasis_restore.twin';

describeEngines((engine) => {
  test('a shop stands again elsewhere, sharp and the same; a new password or limit captures nothing', async () => {
    await using shop = await startShop(engine);
    const { workspace } = shop;
    await workspace.write(twinHcl());
    await workspace.ok('init', '-input=false');
    await workspace.apply();
    const snapshot = await workspace.state(SNAPSHOT);
    expect(snapshot).toMatchObject({
      generation: 1,
      sharp: true,
      members: { orders: { postgres: { url: null } }, carts: { redis: { url: null } } },
    });
    const restore = await workspace.state(RESTORE);
    expect(['identical', 'equivalent']).toContain(restore?.verdict);
    expect(restore).toMatchObject({
      lost_work: { carts: { read: true, difference_count: 0, changes: {} } },
      lost_work_differences: [],
    });
    expect(
      await shop.twinOrders.query('SELECT count(*)::int AS n, max(id)::int AS last FROM orders'),
    ).toEqual([{ n: 2000, last: 2000 }]);
    expect(await shop.twinCarts.cli('GET', 'cart:499')).toBe('item-499');
    const report = await readFile(join(workspace.folder, 'twin.html'), 'utf8');
    expect(report).toContain('Is the restored application the same?');
    expect(report).toContain(String(restore?.reference));

    // Another password for the same place.
    await shop.orders.query("CREATE ROLE other SUPERUSER LOGIN PASSWORD 'another-password'");
    const other = new URL(shop.orders.url());
    other.username = 'other';
    other.password = 'another-password';
    await writeVariables(shop, { orders: other.href });
    expect(await workspace.planned()).toMatchObject({ changes: false });

    await workspace.write(twinHcl('max_pause_ms = 5000'));
    await workspace.apply();
    expect(await workspace.state(SNAPSHOT)).toMatchObject({ max_pause_ms: 5000, generation: 1 });
  });

  test("a store that only the apply will know, in the provider's own configuration", async () => {
    await using workspace = await Workspace.create(engine);
    await installPlugin({
      engine: engine.name,
      root: join(import.meta.dirname, '../..'),
      home: workspace.home,
    });
    await mkdir(join(workspace.folder, 'site'));
    await workspace.write(`
resource "terraform_data" "store" {
  input = "{folder}/store"
}
provider "stasis" {
  store        = { path = terraform_data.store.output }
  max_pause_ms = 3000
}
resource "stasis_snapshot" "shop" {
  name    = "site"
  members = { site = { files = { path = "{folder}/site" } } }
}
data "stasis_snapshots" "all" {
  name = stasis_snapshot.shop.name
}
`);
    await workspace.ok('init', '-input=false');
    await workspace.apply();
    expect(await workspace.state(SNAPSHOT)).toMatchObject({
      id: `${workspace.folder}/store#site`,
      sharp: true,
    });
    expect(await workspace.planned()).toMatchObject({ changes: false });
  });
});
