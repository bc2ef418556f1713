import { randomBytes } from 'node:crypto';
import { readdir, rm, statfs, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { expect, jest, test } from '@jest/globals';
import { testUnless } from '../support/skipped.ts';
import { mountSmallDisk, whyNoSmallDisk } from '../support/small-disk.ts';
import { PausedDump } from './cli/paused-dump.ts';
import { describeEngines, type Engine } from './terraform/engines.ts';
import { type Shop, snapshotHcl, startShop } from './terraform/shop.ts';
import type { Finished } from './terraform/workspace.ts';

jest.setTimeout(240_000);
const NO_DISK = await whyNoSmallDisk();
const SNAPSHOT = 'stasis_snapshot.shop';

interface Paused extends AsyncDisposable {
  readonly shop: Shop;
  readonly dump: PausedDump;
}

/** A shop whose orders are dumped by programs that can be made to wait in mid-copy, captured once. */
async function capturedShop(engine: Engine): Promise<Paused> {
  const shop = await startShop(engine);
  const { workspace } = shop;
  const dump = await PausedDump.create(join(workspace.folder, 'clients'), shop.orders.binDir);
  await shop.orders.query("SELECT lo_from_bytea(0, 'a large object')");
  await writeSnapshot(shop, 1);
  await workspace.ok('init', '-input=false');
  return { shop, dump, [Symbol.asyncDispose]: () => shop[Symbol.asyncDispose]() };
}

function writeSnapshot({ workspace }: Shop, release: number): Promise<void> {
  const hcl = snapshotHcl(`triggers = { release = "${release}" }`);
  return workspace.write(
    hcl.replace('url = var.orders', 'url = var.orders, client_path = "{folder}/clients"'),
  );
}

/** Applies, and does something once it is copying. */
async function inMidCopy({ shop, dump }: Paused, act: () => Promise<void>): Promise<Finished> {
  await dump.arm();
  const running = shop.workspace.start(['apply', '-auto-approve', '-input=false', '-no-color']);
  try {
    await dump.reached();
    await act();
  } finally {
    await dump.go();
  }
  return running.finished;
}

/** What was there before is as it was, members run on, and the next apply converges. */
async function expectConverges({ shop }: Paused, before: Record<string, unknown> | undefined): Promise<void> {
  const { workspace } = shop;
  expect((await workspace.state(SNAPSHOT))?.reference).toBe(before?.reference);
  expect(await shop.carts.cli('SET', 'after', 'it')).toBe('OK');
  await shop.orders.query("INSERT INTO orders (what) VALUES ('after')");
  await workspace.apply();
  expect(await workspace.state(SNAPSHOT)).toMatchObject({
    generation: Number(before?.generation ?? 0) + 1,
    sharp: true,
  });
  expect(await workspace.planned()).toMatchObject({ changes: false });
}

describeEngines((engine) => {
  test('a server that dies in mid-copy leaves no snapshot, the first time and later', async () => {
    await using paused = await capturedShop(engine);
    const { shop } = paused;
    for (const release of [1, 2]) {
      await writeSnapshot(shop, release);
      const before = await shop.workspace.state(SNAPSHOT);
      const { status, all } = await inMidCopy(paused, () => shop.orders.kill());
      expect(status).toBe(1);
      expect(all).toMatch(/\(at members\.orders(?:\.postgres[.a-z_]*)?, code postgres\.[a-z-]+\)/);
      await shop.orders.restart();
      await expectConverges(paused, before);
    }
  });

  test('a Redis that refuses SYNC since the plan', async () => {
    await using paused = await capturedShop(engine);
    const { shop } = paused;
    await shop.workspace.ok('plan', '-input=false', '-out=saved.plan');
    await shop.carts.cli('ACL', 'SETUSER', 'default', '-sync');
    const { status, all } = await shop.workspace.run(['apply', '-input=false', 'saved.plan']);
    expect(status).toBe(1);
    expect(all).toMatch(/\(at members\.carts(?:\.redis[.a-z_]*)?, code redis\.[a-z-]+\)/);
    await shop.carts.cli('ACL', 'SETUSER', 'default', '+sync');
    await expectConverges(paused, undefined);
  });

  testUnless(NO_DISK)('a disk that fills in mid-copy: what was there stays', async () => {
    await using paused = await capturedShop(engine);
    const { folder } = paused.shop.workspace;
    const store = join(folder, 'store');
    await using _disk = await mountSmallDisk(store, 'size=48m');
    await paused.shop.workspace.apply();
    const before = await paused.shop.workspace.state(SNAPSHOT);
    const blobs = await readdir(join(store, 'blobs/sha256'));
    await writeSnapshot(paused.shop, 2);
    await writeFile(join(folder, 'receipts/large'), randomBytes(8_000_000));
    const { status, all } = await inMidCopy(paused, async () => {
      const { bavail, bsize } = await statfs(store);
      await writeFile(join(store, 'filler'), Buffer.alloc(Math.max(0, bavail * bsize - 4096)));
    });
    expect(status).toBe(1);
    expect(all).toMatch(/code store\.no-space\)/);
    expect((await readdir(join(store, 'blobs/sha256'))).sort()).toEqual(blobs.sort());
    await rm(join(store, 'filler'));
    await expectConverges(paused, before);
  });
});
