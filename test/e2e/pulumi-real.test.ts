import { readdir, readFile, writeFile } from 'node:fs/promises';
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
  test('look-ups find what is there, and say so where nothing is', async () => {
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

    await workspace.write(snapshotProgram('deletionPolicy: delete'));
    await workspace.up();
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
    await workspace.write(twinProgram('', 'report: out/twin.md'), false);
    await workspace.up();
    expect(await readFile(join(workspace.project, 'out/twin.md'), 'utf8')).toContain(
      'Is the restored application the same?',
    );
    expect((await workspace.state()).twin?.outputs?.verdict).toMatch(/^(identical|equivalent)$/);
    await writeFile(join(workspace.folder, 'twin/after.txt'), 'written later');
    expect(await workspace.planned()).toEqual({});
  });
});
