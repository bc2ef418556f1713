import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { expect, jest, test } from '@jest/globals';
import { folderProgram, folderWorkspace, GET_TWIN, recordedOwner } from './pulumi/folder.ts';
import { describePulumi, type Workspace } from './pulumi/workspace.ts';

jest.setTimeout(240_000);
const UP = ['up', '--yes', '--skip-preview'];

/** Every file of the store with its content: what reads may not change. */
async function storeContent({ folder }: Workspace): Promise<Readonly<Record<string, string>>> {
  const entries = await readdir(join(folder, 'store'), { recursive: true, withFileTypes: true });
  const files = entries
    .filter((entry) => entry.isFile())
    .map(({ parentPath, name }) => join(parentPath, name));
  const contents = files.sort().map(async (file) => [file, await readFile(file, 'base64')] as const);
  return Object.fromEntries(await Promise.all(contents));
}

describePulumi((tools) => {
  test('previews, look-ups and imports leave the store as it was; the first change takes the name over', async () => {
    await using workspace = await folderWorkspace(tools);
    await workspace.write(folderProgram());
    await workspace.up();
    const before = await storeContent(workspace);
    await workspace.ok(['stack', 'init', 'other']);

    await workspace.write(GET_TWIN);
    await workspace.ok(['preview']);
    await workspace.ok(UP);
    expect(await workspace.outputs()).toEqual({ generation: 1, owner: 'pulumi:app:dev' });
    await workspace.ok(['refresh', '--yes', '--skip-preview']);
    await workspace.ok(['destroy', '--yes', '--skip-preview']);

    await workspace.write(folderProgram('', 'import: shop'));
    await workspace.ok(['preview']);
    expect(await storeContent(workspace)).toEqual(before);
    await workspace.ok(UP);
    expect((await workspace.state()).shop?.outputs?.owner).toBe('pulumi:app:dev');
    await workspace.write(folderProgram());
    await workspace.ok(UP);
    await workspace.ok(['refresh', '--yes', '--skip-preview', '--expect-no-changes']);
    await workspace.ok([...UP, '--expect-no-changes']);
    expect(await storeContent(workspace)).toEqual(before);

    await workspace.write(folderProgram('triggers: { release: "2" }'));
    await workspace.ok(['preview']);
    expect(await storeContent(workspace)).toEqual(before);
    await workspace.ok(UP);
    expect((await workspace.state()).shop?.outputs).toMatchObject({
      generation: 2,
      owner: 'pulumi:app:other',
    });
    expect(await recordedOwner(workspace, 'shop')).toBe('pulumi:app:other');

    // Whoever had it before is told, and captures under it no more.
    await workspace.ok(['stack', 'select', 'dev']);
    const { all } = await workspace.ok(['refresh', '--yes', '--skip-preview']);
    expect(all).toContain('snapshot.taken-over');
    await workspace.write(folderProgram('triggers: { release: "3" }'));
    const refused = await workspace.run(...UP);
    expect([refused.status === 0, refused.all.includes('store.owned')]).toEqual([false, true]);
  });

  test('a change that captures nothing takes an imported name over too, and a removal deletes only when told', async () => {
    await using workspace = await folderWorkspace(tools);
    await workspace.write(folderProgram());
    await workspace.up();
    await workspace.ok(['stack', 'init', 'other']);
    const imported = ['import', 'stasis:index:Snapshot', 'shop', `${workspace.folder}/store#shop`, '--yes'];
    await workspace.ok([...imported, '--protect=false', '--skip-preview', '--generate-code=false']);
    await workspace.up();
    expect(await recordedOwner(workspace, 'shop')).toBe('pulumi:app:dev');
    await workspace.write(folderProgram('maxPauseMs: 900'));
    await workspace.ok(UP);
    await workspace.write(folderProgram('maxPauseMs: 900\nkeep: 3'));
    await workspace.ok(UP);
    expect(await recordedOwner(workspace, 'shop')).toBe('pulumi:app:other');
    expect((await workspace.state()).shop?.outputs).toMatchObject({
      generation: 1,
      owner: 'pulumi:app:other',
    });
    await workspace.ok([...UP, '--expect-no-changes']);
    await workspace.ok(['destroy', '--yes', '--skip-preview']);
    expect(await recordedOwner(workspace, 'shop')).toBe('pulumi:app:other');
  });
});
