import { readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { expect, jest, test } from '@jest/globals';
import { installPlugin } from '../../provider/engines/pulumi/install.ts';
import { applicationProgram, type Shop, snapshotProgram, startShop, twinProgram } from './pulumi/shop.ts';
import { describePulumi } from './pulumi/workspace.ts';

jest.setTimeout(300_000);
const ROOT = join(import.meta.dirname, '../..');

/** Passwords in any file of the workspace, or in what was printed. */
async function leaks({ workspace, passwords }: Shop, printed = ''): Promise<string[]> {
  const places = passwords.some((password) => printed.includes(password)) ? ['printed'] : [];
  for (const entry of await readdir(workspace.folder, { recursive: true, withFileTypes: true })) {
    if (!entry.isFile()) continue;
    const path = join(entry.parentPath, entry.name);
    const content = await readFile(path);
    if (passwords.some((password) => content.includes(password))) places.push(path);
  }
  return places;
}

describePulumi((tools) => {
  test('a shop stands again elsewhere, sharp and the same; what changes captures again, what does not never', async () => {
    await using shop = await startShop(tools);
    const { workspace } = shop;
    await workspace.write(twinProgram());
    expect(await workspace.planned()).toEqual({ shop: 'create', twin: 'create' });
    const { all } = await workspace.up('--diff');
    const { shop: snapshot, twin } = await workspace.state();
    expect(snapshot).toMatchObject({
      id: `${workspace.folder}/store#shop`,
      inputs: { name: 'shop' },
      outputs: { generation: 1, sharp: true, blurMs: 0, owner: 'pulumi:app:dev' },
    });
    expect(JSON.stringify(snapshot?.outputs)).toContain('postgres://127.0.0.1:');
    expect(['identical', 'equivalent']).toContain(twin?.outputs?.verdict);
    expect(twin?.outputs?.reference).toBe(snapshot?.outputs?.reference);
    expect(
      await shop.twinOrders.query('SELECT count(*)::int AS n, max(id)::int AS last FROM orders'),
    ).toEqual([{ n: 2000, last: 2000 }]);
    expect(await shop.twinCarts.cli('GET', 'cart:499')).toContain('item-499');
    expect(await readdir(join(workspace.folder, 'twin'))).toHaveLength(20);
    expect(await leaks(shop, all)).toEqual([]);
    expect(await workspace.planned()).toEqual({});
    await workspace.ok(['preview', '--refresh', '--expect-no-changes']);

    // Another generation of the shop, and the twin stays what it is.
    await workspace.write(twinProgram('triggers: { release: "2" }'));
    expect(await workspace.planned()).toMatchObject({ shop: 'update' });
    await workspace.up();
    const after = await workspace.state();
    expect(after.shop?.outputs?.generation).toBe(2);
    expect(after.twin?.outputs?.reference).toBe(snapshot?.outputs?.reference);
    expect(await workspace.planned()).toEqual({});

    await workspace.write(twinProgram('triggers: { release: "2" }\nmaxPauseMs: 1500\nkeep: 5'));
    await workspace.up();
    expect((await workspace.state()).shop?.outputs).toMatchObject({ generation: 2, maxPauseMs: 1500 });
    expect(await leaks(shop)).toEqual([]);
  });

  test('a target that is not empty is refused by the preview, at its property', async () => {
    await using shop = await startShop(tools);
    const { workspace } = shop;
    await workspace.write(snapshotProgram());
    await workspace.up();
    await shop.twinOrders.query('CREATE TABLE mine (id int)');
    await workspace.write(twinProgram());
    const { status, all } = await workspace.run('preview');
    expect(status).not.toBe(0);
    expect(all.replace(/\s+/g, ' ')).toMatch(
      /property members\.orders\.postgres[.\w]* value .* has a problem/,
    );
    expect(await leaks(shop, all)).toEqual([]);
  });

  test('look-ups find what is there; an import by reference takes over; delete is only what the user asks for', async () => {
    await using shop = await startShop(tools);
    const { workspace } = shop;
    await workspace.write(snapshotProgram());
    await workspace.up();
    const found = `variables:
  one: { fn::stasis:getSnapshot: { snapshot: shop } }
  all: { fn::stasis:getSnapshots: { name: shop } }
outputs:
  endpoint: \${one.members.orders.endpoint}
  generations: \${all.snapshots}
`;
    await workspace.write(snapshotProgram() + found);
    await workspace.up();
    expect(await workspace.outputs()).toMatchObject({
      endpoint: expect.stringMatching(/^postgres:\/\/127\.0\.0\.1:\d+\//),
      generations: [{ generation: 1 }],
    });

    const before = (await workspace.state()).shop;
    await workspace.ok(['state', 'delete', before!.urn, '--yes']);
    await workspace.write(snapshotProgram('deletionPolicy: delete', 'import: shop'));
    await workspace.up();
    await workspace.write(snapshotProgram('deletionPolicy: delete'));
    expect(await workspace.planned()).toEqual({});
    await workspace.up();
    const after = (await workspace.state()).shop;
    expect([after?.id, after?.outputs?.generation]).toEqual([before?.id, 1]);
    await workspace.ok(['destroy', '--yes', '--skip-preview']);

    await workspace.write(found);
    const none = await workspace.run('preview');
    expect(none.status).not.toBe(0);
    expect(none.all).toContain('has no snapshot named "shop"');
  });

  test('a replacement does not take its own snapshot away, and removal keeps what it was not told to delete', async () => {
    await using shop = await startShop(tools);
    const { workspace } = shop;
    await workspace.write(snapshotProgram('deletionPolicy: delete'));
    await workspace.up();
    const { urn } = (await workspace.state()).shop!;
    await workspace.up('--replace', urn);
    expect((await workspace.state()).shop?.outputs?.generation).toBe(2);
    await workspace.ok(['refresh', '--yes', '--skip-preview', '--expect-no-changes']);
    const found = `variables:\n  all: { fn::stasis:getSnapshots: { name: shop } }\noutputs:\n  n: \${all.snapshots[0].generation}\n`;
    await workspace.write(snapshotProgram('deletionPolicy: retain'));
    await workspace.up();
    await workspace.ok(['destroy', '--yes', '--skip-preview']);
    await workspace.write(found);
    await workspace.up();
    expect(await workspace.outputs()).toEqual({ n: 2 });
  });

  test('a refresh tells what is lost, and nothing is captured again by itself', async () => {
    await using shop = await startShop(tools);
    const { workspace } = shop;
    await workspace.write(snapshotProgram());
    await workspace.up();
    await rm(join(workspace.folder, 'store'), { recursive: true });
    const { all } = await workspace.ok(['refresh', '--yes', '--skip-preview']);
    expect(all).toMatch(/snapshot\.lost|store\./);
    expect((await workspace.state()).shop?.outputs?.generation).toBe(1);
    expect(await workspace.planned()).toEqual({});
  });

  test('the component captures before each release, and brings the newest to life elsewhere', async () => {
    await using shop = await startShop(tools);
    const { workspace } = shop;
    await workspace.write(applicationProgram('1', false));
    expect((await workspace.preview()).map(({ op }) => op)).toEqual(['create', 'create']);
    await workspace.up();
    const application = await workspace.ok(['stack', 'export', '--show-secrets']);
    expect(application.stdout).toContain('stasis:index:Application$stasis:index:Snapshot::shop');
    expect(await workspace.planned()).toEqual({});

    await workspace.write(applicationProgram('2', true));
    const { all } = await workspace.up();
    expect(await workspace.outputs()).toMatchObject({
      release: '2',
      reference: expect.stringMatching(/^shop@sha256:/),
      verdict: expect.stringMatching(/^(identical|equivalent)$/),
    });
    expect(await shop.twinOrders.query('SELECT count(*)::int AS n FROM orders')).toEqual([{ n: 2000 }]);
    expect(await workspace.planned()).toEqual({});
    expect(await leaks(shop, all)).toEqual([]);
  });

  test('a folder with nothing but Pulumi.yaml, and the plugin as "stasis install pulumi" puts it', async () => {
    await using shop = await startShop(tools);
    const { workspace } = shop;
    await installPlugin({ root: ROOT, home: workspace.home });
    await workspace.write(twinProgram(), false);
    await workspace.up();
    expect((await workspace.state()).twin?.outputs?.verdict).toMatch(/^(identical|equivalent)$/);
    await writeFile(join(workspace.folder, 'twin/after.txt'), 'written later');
    expect(await workspace.planned()).toEqual({});
  });
});
