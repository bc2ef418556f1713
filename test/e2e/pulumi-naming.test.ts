import { expect, jest, test } from '@jest/globals';
import { folderProgram, folderWorkspace } from './pulumi/folder.ts';
import { describePulumi, type Workspace } from './pulumi/workspace.ts';

jest.setTimeout(240_000);

/** The names under which a store has the snapshots of all resources, by their names in the program. */
async function names(workspace: Workspace): Promise<Readonly<Record<string, unknown>>> {
  const state = Object.entries(await workspace.state());
  return Object.fromEntries(state.map(([name, { inputs }]) => [name, inputs?.name]));
}

/** Says how the stack names what has no name of its own. */
async function autonaming(workspace: Workspace, key: string, value: string): Promise<void> {
  await workspace.run('config', 'rm', 'pulumi:autonaming');
  await workspace.ok(['config', 'set', '--path', `pulumi:autonaming.${key}`, value]);
}

describePulumi((tools) => {
  test("without settings a snapshot is called as in the program, and keeps its name under another one's", async () => {
    await using workspace = await folderWorkspace(tools);
    await workspace.write(folderProgram());
    await workspace.up();
    expect(await names(workspace)).toEqual({ shop: 'shop' });
    await workspace.write(folderProgram('', 'aliases: [{ name: shop }]', 'front'));
    await workspace.ok(['up', '--yes', '--skip-preview', '--expect-no-changes']);
    expect(await names(workspace)).toEqual({ front: 'shop' });

    // What has a name keeps it whatever the settings are from now on.
    await autonaming(workspace, 'pattern', `\${project}-\${name}`);
    await workspace.write(folderProgram('triggers: { release: "2" }', '', 'front'));
    await workspace.up();
    expect((await workspace.state()).front).toMatchObject({
      inputs: { name: 'shop' },
      outputs: { generation: 2 },
    });
  });

  test('an imported snapshot keeps its name', async () => {
    await using workspace = await folderWorkspace(tools);
    await workspace.write(folderProgram());
    await workspace.up();
    await workspace.ok(['state', 'delete', (await workspace.state()).shop!.urn, '--yes']);
    await autonaming(workspace, 'pattern', `\${project}-\${name}`);
    await workspace.write(folderProgram('', 'import: shop', 'front'));
    await workspace.up();
    await workspace.write(folderProgram('triggers: { release: "2" }', '', 'front'));
    expect(await workspace.planned()).toEqual({});
    expect(await names(workspace)).toEqual({ front: 'shop' });
  });

  test.each([
    ['pattern', `\${project}-\${stack}-\${name}`, /^app-dev-shop$/],
    ['pattern', `\${name}-\${hex(6)}`, /^shop-[0-9a-f]{6}$/],
    ['mode', 'verbatim', /^shop$/],
    ['providers.stasis.pattern', `of-ours-\${name}`, /^of-ours-shop$/],
    ['providers.stasis.resources.stasis:index:Snapshot.mode', 'verbatim', /^shop$/],
  ])('the setting %s = %s names what is created, once', async (key, value, expected) => {
    await using workspace = await folderWorkspace(tools);
    await autonaming(workspace, key, value);
    await workspace.write(folderProgram());
    await workspace.up();
    const named = await names(workspace);
    expect(named).toEqual({ shop: expect.stringMatching(expected) });
    await workspace.ok(['preview', '--expect-no-changes']);
    await workspace.up();
    expect(await names(workspace)).toEqual(named);
  });

  test('where the setting enforces a name that no snapshot can have, the preview says so at the name', async () => {
    await using workspace = await folderWorkspace(tools);
    await autonaming(workspace, 'pattern', `\${name}_\${stack}`);
    await workspace.write(folderProgram());
    const { status, all } = await workspace.run('preview');
    expect(status).not.toBe(0);
    expect(all.replace(/\s+/g, ' ')).toMatch(
      /property name value .* has a problem: .* It is called "shop_dev", after .*: set name\. \(code name\.malformed\)/,
    );
  });

  test('where the setting says that nothing is named by itself, a snapshot without a name is refused at it', async () => {
    await using workspace = await folderWorkspace(tools);
    await autonaming(workspace, 'mode', 'disabled');
    await workspace.write(folderProgram());
    const { status, all } = await workspace.run('preview');
    expect(status).not.toBe(0);
    expect(all.replace(/\s+/g, ' ')).toMatch(
      /property name value .* has a problem: .*\(pulumi:autonaming\) name nothing by itself: set name\./,
    );
    await workspace.write(folderProgram('name: front'));
    await workspace.up();
    expect(await names(workspace)).toEqual({ shop: 'front' });
  });

  test("the component's snapshot is named by the same settings", async () => {
    await using workspace = await folderWorkspace(tools);
    await autonaming(workspace, 'pattern', `\${project}-\${name}`);
    const application = (name: string) =>
      folderProgram('release: "1"', '', name)
        .replace('stasis:Snapshot', 'stasis:Application')
        .replace(`provider: "\${here}"`, `providers: ["\${here}"]`);
    await workspace.write(application('Shop'));
    const refused = await workspace.run('preview');
    expect(refused.status).not.toBe(0);
    expect(refused.all).toContain('name.malformed');
    await workspace.write(application('shop'));
    await workspace.up();
    expect((await names(workspace)).shop).toBe('app-shop');
    await workspace.ok(['preview', '--expect-no-changes']);
  });
});
