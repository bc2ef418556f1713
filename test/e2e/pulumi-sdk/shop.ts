import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { expect } from '@jest/globals';
import { SHOP_PASSWORD, startShopServers, writeReceipts } from '../../support/shop-servers.ts';
import type { Program } from './program.ts';

interface Outputs {
  readonly snapshot: { readonly reference: string; readonly sharp: boolean; readonly sizeBytes: number };
  readonly restore: { readonly verdict: string };
}

/**
 * Runs a program of the shop with the real engine against real servers: preview, up, and a second preview with nothing
 * to do. The twin then holds what the shop held, and no password is to be read anywhere.
 */
export async function seeShopThrough(program: Program): Promise<void> {
  await using servers = new AsyncDisposableStack();
  const { orders, carts, twinOrders, twinCarts } = await startShopServers(servers);
  const [receipts, twin] = [await writeReceipts(program.root), join(program.root, 'twin')];
  await program.configure({
    shopOrdersUrl: orders.url(),
    shopCartsUrl: carts.url,
    shopReceipts: receipts,
    twinOrdersUrl: twinOrders.url(),
    twinCartsUrl: twinCarts.url,
    twinReceipts: twin,
  });

  const preview = await program.ok('preview', '--diff');
  expect(preview.all).toContain('stasis:index:Snapshot');
  expect(await readdir(program.folder)).not.toContain('snapshots');
  const up = await program.ok('up', '--yes', '--skip-preview', '--diff');
  const { snapshot, restore } = await program.outputs<Outputs>();
  expect(snapshot).toMatchObject({ reference: expect.stringMatching(/^shop@sha256:/), sharp: true });
  expect(snapshot.sizeBytes).toBeGreaterThan(0);
  expect(restore.verdict).toBe('equivalent');
  expect(await twinOrders.query('SELECT count(*)::int AS n FROM orders')).toEqual([{ n: 2000 }]);
  expect(await readFile(join(twin, '1.txt'), 'utf8')).toBe('receipt 1\n');

  const again = await program.ok('preview', '--expect-no-changes', '--diff');
  for (const text of [preview.all, up.all, again.all, await program.state()])
    expect(text).not.toContain(SHOP_PASSWORD);
}
