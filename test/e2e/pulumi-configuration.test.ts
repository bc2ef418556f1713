import { readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { expect, jest, test } from '@jest/globals';
import { folderProgram, folderWorkspace } from './pulumi/folder.ts';
import { describePulumi, nameOf, type Step, type Workspace } from './pulumi/workspace.ts';

jest.setTimeout(240_000);

/** What a preview does with each resource, our providers too, with the kinds of its differences by path. */
async function changes(workspace: Workspace): Promise<Readonly<Record<string, unknown>>> {
  const { stdout } = await workspace.ok(['preview', '--json']);
  const { steps } = JSON.parse(stdout) as { readonly steps: readonly Step[] };
  const ours = steps.filter(({ op, urn }) => op !== 'same' && urn.includes('stasis'));
  const told = ours.map(({ urn, op, detailedDiff }) => {
    const details = Object.entries(detailedDiff ?? {}).map(([path, { kind }]) => [path, kind]);
    return [nameOf(urn), { op, details: Object.fromEntries(details) }];
  });
  return Object.fromEntries(told);
}

/** The names in a store below the workspace's folder; none where there is no store. */
async function blobs(workspace: Workspace, store: string): Promise<number> {
  return (await readdir(join(workspace.folder, store, 'blobs/sha256')).catch(() => [])).length;
}

describePulumi((tools) => {
  test("a provider's new limit changes no resource; its new store replaces what takes the store from it", async () => {
    await using workspace = await folderWorkspace(tools);
    const program = folderProgram();
    await workspace.write(program);
    await workspace.up();
    const limited = program.replace('properties: { store:', 'properties: { maxPauseMs: 900, store:');
    await workspace.write(limited);
    expect(await changes(workspace)).toEqual({ here: { op: 'update', details: { maxPauseMs: 'add' } } });
    await workspace.up();
    expect((await workspace.state()).shop?.outputs?.generation).toBe(1);

    await workspace.write(limited.replace('{folder}/store', '{folder}/elsewhere'));
    const moved = await changes(workspace);
    expect(moved.here).toMatchObject({ op: 'update' });
    expect(moved.shop).toMatchObject({ op: 'replace' });
    await workspace.up();
    expect((await workspace.state()).shop?.id).toBe(`${workspace.folder}/elsewhere#shop`);
    // What was captured before stays: nothing said that it is to be deleted.
    expect(await blobs(workspace, 'store')).toBeGreaterThan(0);
    expect(await changes(workspace)).toEqual({});
  });

  test("a resource's own store comes before its provider's, and the stack's default provider has one of its own", async () => {
    await using workspace = await folderWorkspace(tools);
    await workspace.write(folderProgram('store: { path: "{folder}/own" }'));
    await workspace.up();
    expect((await workspace.state()).shop?.id).toBe(`${workspace.folder}/own#shop`);
    expect(await blobs(workspace, 'store')).toBe(0);
    await workspace.up('--expect-no-changes');

    const program = folderProgram().replace('    options: { provider: "$' + '{here}" }\n', '');
    await workspace.write(program);
    const refused = await workspace.run('preview');
    expect([refused.status === 0, refused.all.includes('No store is named.')]).toEqual([false, true]);
    await workspace.ok(['config', 'set', '--path', 'stasis:store.path', `${workspace.folder}/default`]);
    await workspace.up();
    expect((await workspace.state()).shop?.id).toBe(`${workspace.folder}/default#shop`);
  });

  test.each([
    ['maxPauseMs: 0', 'maxPauseMs'],
    ['maxBlurMs: -1', 'maxBlurMs'],
    ['maxPauseMs: soon', 'maxPauseMs'],
  ])('a limit that cannot be, %s, is refused at the property of the provider', async (limit, property) => {
    await using workspace = await folderWorkspace(tools);
    await workspace.write(folderProgram().replace('properties: { store:', `properties: { ${limit}, store:`));
    const { status, all } = await workspace.run('preview');
    expect(status).not.toBe(0);
    expect(all).toContain(property);
    expect(await blobs(workspace, 'store')).toBe(0);
  });

  test('an import takes the generation, or the digest, that it names', async () => {
    await using workspace = await folderWorkspace(tools);
    await workspace.write(folderProgram());
    await workspace.up();
    const first = (await workspace.state()).shop!;
    await workspace.write(folderProgram('triggers: { release: "2" }'));
    await workspace.up();
    const references = [`${first.id}:1`, `${workspace.folder}/store#${String(first.outputs?.reference)}`];
    for (const reference of references) {
      await workspace.ok(['state', 'delete', (await workspace.state()).shop!.urn, '--yes']);
      const imported = ['import', 'stasis:index:Snapshot', 'shop', reference, '--yes', '--protect=false'];
      await workspace.ok([...imported, '--skip-preview', '--generate-code=false']);
      expect((await workspace.state()).shop).toMatchObject({
        id: first.id,
        outputs: { generation: 1, reference: first.outputs?.reference },
      });
    }
    await workspace.ok(['state', 'delete', (await workspace.state()).shop!.urn, '--yes']);
    const none = await workspace.run('import', 'stasis:index:Snapshot', 'shop', `${first.id}:9`, '--yes');
    expect([none.status === 0, none.all]).toEqual([false, expect.stringContaining('shop')]);
  });
});
