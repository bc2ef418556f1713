import { mkdir, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { expect, jest, test } from '@jest/globals';
import { installPlugin } from '../../provider/engines/terraform/install.ts';
import { describeEngines } from './terraform/engines.ts';
import {
  type Shop,
  snapshotHcl,
  startShop,
  twinHcl,
  VARIABLES_FILE,
  writeVariables,
} from './terraform/shop.ts';
import { eventually, isAlive, type Running, Workspace } from './terraform/workspace.ts';

jest.setTimeout(240_000);
const SNAPSHOT = 'stasis_snapshot.shop';
const RESTORE = 'stasis_restore.twin';

async function initialised(shop: Shop, hcl: string): Promise<Workspace> {
  await shop.workspace.write(hcl);
  await shop.workspace.ok('init', '-input=false');
  return shop.workspace;
}

/** Writes to every member; throws when one of them does not answer within a few seconds. */
async function writesToAll({ orders, carts, workspace }: Shop): Promise<void> {
  const slow = new Promise<never>((_resolve, reject) =>
    setTimeout(() => reject(new Error('still held')), 10_000).unref(),
  );
  const writes = Promise.all([
    orders.query("INSERT INTO orders (what) VALUES ('after')"),
    carts.cli('SET', 'after', '1'),
    writeFile(join(workspace.folder, 'receipts/after.txt'), 'after\n'),
  ]);
  await Promise.race([writes, slow]);
}

/** Generations in the store. */
async function generations({ workspace }: Shop): Promise<number> {
  await workspace.write(`${snapshotHcl().split('resource')[0]}
data "stasis_snapshots" "all" {
  name = "shop"
}
output "count" {
  value = length(data.stasis_snapshots.all.snapshots)
}
`);
  const { status, all } = await workspace.run(['apply', '-refresh-only', '-auto-approve', '-input=false']);
  if (status !== 0) return all.includes('snapshot.none') ? 0 : Number.NaN;
  return Number(await workspace.output('count'));
}

describeEngines((engine) => {
  test('a shop stands again elsewhere, sharp and the same; what changes captures again, what does not never', async () => {
    await using shop = await startShop(engine);
    const workspace = await initialised(shop, twinHcl());
    const { stdout } = await workspace.apply();
    expect(stdout).toContain('2 added');
    const snapshot = await workspace.state(SNAPSHOT);
    expect(snapshot).toMatchObject({
      generation: 1,
      sharp: true,
      blur_ms: 0,
      members: { orders: { postgres: { url: null } }, carts: { redis: { url: null } } },
    });
    const restore = await workspace.state(RESTORE);
    expect(['identical', 'equivalent']).toContain(restore?.verdict);
    expect(restore?.reference).toBe(snapshot?.reference);
    expect(
      await shop.twinOrders.query('SELECT count(*)::int AS n, max(id)::int AS last FROM orders'),
    ).toEqual([{ n: 2000, last: 2000 }]);
    expect(await shop.twinCarts.cli('GET', 'cart:499')).toBe('item-499');
    expect(await readFile(join(workspace.folder, 'twin/19.txt'), 'utf8')).toBe('receipt 19\n');
    expect(await workspace.planned()).toMatchObject({ changes: false });

    // Another password for the same place.
    await shop.orders.query("CREATE ROLE other SUPERUSER LOGIN PASSWORD 'another-password'");
    const other = new URL(shop.orders.url());
    other.username = 'other';
    other.password = 'another-password';
    await writeVariables(shop, { orders: other.href });
    expect(await workspace.planned()).toMatchObject({ changes: false });

    // A limit updates in place; a trigger takes the next generation, which is not restored by itself.
    await workspace.write(twinHcl('max_pause_ms = 5000'));
    await workspace.apply();
    expect(await workspace.state(SNAPSHOT)).toMatchObject({ max_pause_ms: 5000, generation: 1 });
    await workspace.write(twinHcl('max_pause_ms = 5000\n  triggers = { release = "2" }'));
    await workspace.apply();
    expect(await workspace.state(SNAPSHOT)).toMatchObject({ generation: 2 });
    expect(await workspace.state(RESTORE)).toMatchObject({ reference: snapshot?.reference });

    // Removed from the configuration, the twin's data and the snapshots stay.
    await workspace.ok('destroy', '-auto-approve', '-input=false');
    expect(await shop.twinCarts.cli('GET', 'cart:0')).toBe('item-0');
    expect(await generations(shop)).toBe(2);
  });

  test('import into a fresh state takes nothing anew; a lost blob is told on refresh', async () => {
    await using shop = await startShop(engine);
    const workspace = await initialised(shop, snapshotHcl());
    await workspace.apply();
    const before = await workspace.state(SNAPSHOT);
    await workspace.ok('state', 'rm', SNAPSHOT);
    await workspace.ok('import', '-input=false', SNAPSHOT, String(before?.id));
    await workspace.apply();
    expect(await workspace.state(SNAPSHOT)).toMatchObject({ generation: 1, reference: before?.reference });
    expect(await workspace.planned()).toMatchObject({ changes: false });

    const blobs = join(workspace.folder, 'store/blobs/sha256');
    const manifest = String(before?.digest).slice('sha256:'.length);
    const index = JSON.parse(await readFile(join(blobs, manifest), 'utf8'));
    await rm(join(blobs, index.layers[0].digest.slice('sha256:'.length)));
    const damaged = await workspace.planned();
    expect(damaged.text).toContain('snapshot.damaged');
    expect(damaged.changes).toBe(false);
    await rm(join(workspace.folder, 'store'), { recursive: true });
    const lost = await workspace.run(['plan', '-input=false', '-detailed-exitcode']);
    // Lost or out of reach: told, and never taken again by itself.
    expect(lost.all).toMatch(/code (snapshot|store)\./);
    expect(lost.status).not.toBe(2);
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

  test('no password of a url is found in state, plan, store, log at trace level or process list', async () => {
    await using shop = await startShop(engine);
    const workspace = await initialised(shop, twinHcl());
    const traced = { TF_LOG: 'TRACE', TF_LOG_PATH: join(workspace.folder, 'trace.log') };
    const outputs: string[] = [];
    const run = async (...args: string[]) => outputs.push((await workspace.run(args, traced)).all);
    await run('plan', '-input=false', '-out=saved.plan');
    const apply = workspace.start(['apply', '-input=false', '-no-color', 'saved.plan'], traced);
    const processes = new Set<string>();
    while (apply.child.exitCode === null) {
      for (const pid of (await readdir('/proc')).filter((name) => /^\d+$/.test(name)))
        processes.add(await readFile(`/proc/${pid}/cmdline`, 'utf8').catch(() => ''));
      await new Promise((resolve) => setTimeout(resolve, 5));
    }
    const applied = await apply.finished;
    expect([applied.status, applied.status === 0 ? '' : applied.all]).toEqual([0, '']);
    outputs.push(applied.all, ...processes);
    await shop.orders.query("ALTER ROLE postgres PASSWORD 'it-was-changed'");
    await workspace.write(twinHcl('triggers = { release = "2" }'));
    await run('apply', '-input=false', '-auto-approve');
    expect(outputs.at(-1)).toContain('members.orders.postgres.url');
    for (const entry of await readdir(workspace.folder, { recursive: true, withFileTypes: true })) {
      if (!entry.isFile() || entry.name === VARIABLES_FILE) continue;
      outputs.push((await readFile(join(entry.parentPath, entry.name))).toString('latin1'));
    }
    for (const password of shop.passwords)
      expect(outputs.filter((text) => text.includes(password)).map((text) => text.slice(0, 200))).toEqual([]);
  });

  /** Starts an apply, and waits until it has been applying for so long, or ended. */
  async function applying(workspace: Workspace, delayMs: number): Promise<Running> {
    const running = workspace.start(['apply', '-auto-approve', '-input=false', '-no-color']);
    const ended = running.finished.then(() => true);
    await eventually('it applies', async () =>
      running.printed().includes('Creating...') || (await Promise.race([ended, false])) ? true : undefined,
    );
    await Promise.race([ended, new Promise((resolve) => setTimeout(resolve, delayMs))]);
    return running;
  }

  /** The first moments of an apply, in which it prepares, cuts, copies and seals. */
  const MOMENTS_MS = [0, 40, 80, 130, 200, 300, 500];

  test.each([
    ['once', 1],
    ['twice', 2],
  ])(
    'Ctrl-C %s at any moment: members run on, no snapshot appears, the next apply converges',
    async (_name, times) => {
      await using shop = await startShop(engine);
      const workspace = await initialised(shop, snapshotHcl());
      for (const delayMs of MOMENTS_MS) {
        const running = await applying(workspace, delayMs);
        for (let time = 0; time < times; time += 1) {
          running.signal('SIGINT');
          await new Promise((resolve) => setTimeout(resolve, 50));
        }
        const { all } = await running.finished;
        await writesToAll(shop);
        // A signal may come just after the work, and make the engine fail that has all done.
        if (all.includes('Creation complete')) break;
        expect(await workspace.state(SNAPSHOT)).toBeUndefined();
      }
      await workspace.apply();
      expect(await workspace.planned()).toMatchObject({ changes: false });
      expect(await workspace.state(SNAPSHOT)).toMatchObject({ sharp: true });
    },
  );

  test.each(['engine', 'plugin'])('kill -9 of the %s at any moment: the same', async (victim) => {
    await using shop = await startShop(engine);
    const workspace = await initialised(shop, snapshotHcl());
    for (const delayMs of MOMENTS_MS) {
      const running = await applying(workspace, delayMs);
      const plugins = (await workspace.leftovers())
        .map((name) => Number(/^stasis-(\d+)-/.exec(name)?.[1]))
        .filter((pid) => pid > 0);
      if (victim === 'engine') running.child.kill('SIGKILL');
      else for (const pid of plugins) if (await isAlive(pid)) process.kill(pid, 'SIGKILL');
      const { status } = await running.finished;
      await writesToAll(shop);
      for (const pid of plugins)
        await eventually('the plugin is gone', async () => ((await isAlive(pid)) ? undefined : true));
      if (status === 0) break;
    }
    await workspace.apply('-lock=false');
    expect(await workspace.planned('-lock=false')).toMatchObject({ changes: false });
    expect(await workspace.state(SNAPSHOT)).toMatchObject({ sharp: true });
  });
});
