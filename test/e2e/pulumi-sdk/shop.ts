import { mkdir, readdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { expect } from '@jest/globals';
import { startPostgres } from '../../support/postgres-server.ts';
import { startRedis } from '../../support/redis-server.ts';
import type { Program } from './program.ts';

const PASSWORD = 'Pl4nted-in-a-program';

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
  const started = await Promise.all([
    startPostgres({ password: `${PASSWORD}-1` }),
    startPostgres({ password: `${PASSWORD}-2` }),
    startRedis({ password: `${PASSWORD}-3` }),
    startRedis({ password: `${PASSWORD}-4` }),
  ]);
  for (const server of started) servers.use(server);
  const [orders, twinOrders, carts, twinCarts] = started;
  await orders.query(
    `CREATE TABLE orders (id int PRIMARY KEY, what text);
     INSERT INTO orders SELECT n, 'order ' || n FROM generate_series(1, 500) n`,
  );
  await carts.feed(Array.from({ length: 50 }, (_, n) => `SET cart:${n} item-${n}`).join('\n'));
  const [receipts, twin] = [join(program.root, 'receipts'), join(program.root, 'twin')];
  await mkdir(receipts);
  await writeFile(join(receipts, '1.txt'), 'receipt 1\n');
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
  expect(await twinOrders.query('SELECT count(*)::int AS n FROM orders')).toEqual([{ n: 500 }]);
  expect(await readFile(join(twin, '1.txt'), 'utf8')).toBe('receipt 1\n');

  const again = await program.ok('preview', '--expect-no-changes', '--diff');
  for (const text of [preview.all, up.all, again.all, await program.state()])
    expect(text).not.toContain(PASSWORD);
}
