import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync } from 'node:fs';
import { readFile, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { expect, jest, test } from '@jest/globals';
import { DB, PASSWORD, photo, photoWorkspace } from './pulumi/photo-workspace.ts';
import { describePulumi, nameOf, type Workspace } from './pulumi/workspace.ts';

jest.setTimeout(240_000);
const SECRET = '4dabf18193072939515e22adb298388d';

/** The one step of a preview, with its kinds by path. */
async function onlyStep(workspace: Workspace) {
  const steps = await workspace.preview();
  const [step] = steps;
  const details = Object.entries(step?.detailedDiff ?? {}).map(([path, { kind }]) => [path, kind]);
  return { ops: steps.map(({ op }) => op), details: Object.fromEntries(details) };
}

describePulumi((tools) => {
  test('a resource comes to be, stays as it is, and changes only where something changes', async () => {
    await using workspace = await photoWorkspace(tools, photo(DB));
    const [planned] = await workspace.preview();
    expect(planned?.op).toBe('create');
    const { all } = await workspace.up();
    expect(all).toContain('+ 2 created');
    const created = (await workspace.state()).a;
    expect(created).toMatchObject({
      id: 'shop',
      inputs: { name: 'shop', members: { db: { postgres: { url: { [SECRET]: expect.any(String) } } } } },
      outputs: { generation: 1, blurMs: 4.923, sizeBytes: 2 ** 52 + 1, sharp: true },
    });
    expect(await workspace.planned()).toEqual({});

    await workspace.write(photo(`${DB}\ntriggers: { release: "2" }`));
    expect(await onlyStep(workspace)).toEqual({ ops: ['update'], details: { triggers: 'add' } });
    await workspace.up();
    expect((await workspace.state()).a?.outputs?.generation).toBe(2);

    await workspace.write(photo(`${DB.replace('one/x', 'two/x')}\ntriggers: { release: "2" }`));
    expect(await onlyStep(workspace)).toEqual({
      ops: ['update'],
      details: { 'members.db.postgres.url': 'update' },
    });
    await workspace.up();

    // A password alone is another secret in the state, and no other photo.
    const rotated = DB.replace('one/x', 'two/x').replace(PASSWORD, 'An0ther-planted');
    await workspace.write(photo(`${rotated}\ntriggers: { release: "2" }`));
    expect(await workspace.planned()).toEqual({});
    await workspace.up();
    const { inputs, outputs } = (await workspace.state()).a ?? {};
    expect(JSON.stringify(inputs)).toContain('An0ther-planted');
    expect(outputs?.generation).toBe(3);

    await workspace.write(
      photo(`${rotated}\ntriggers: { release: "2" }`).replace('name: shop', 'name: store'),
    );
    expect(await onlyStep(workspace)).toEqual({
      ops: ['replace'],
      details: { name: 'update-replace' },
    });
    await workspace.up();
    expect((await workspace.state()).a).toMatchObject({ id: 'store', outputs: { generation: 1 } });
    expect(existsSync(join(workspace.folder, 'photos/shop.json'))).toBe(false);

    await workspace.ok(['destroy', '--yes', '--skip-preview']);
    expect(await workspace.state()).toEqual({});
    expect(existsSync(join(workspace.folder, 'photos/store.json'))).toBe(false);
  });

  test('a refresh changes nothing, tells what is damaged, and drops what is gone', async () => {
    await using workspace = await photoWorkspace(tools, photo(DB));
    await workspace.up();
    const before = (await workspace.state()).a?.outputs;
    await workspace.ok(['refresh', '--yes', '--skip-preview', '--expect-no-changes']);
    expect((await workspace.state()).a?.outputs).toEqual(before);
    await workspace.ok(['up', '--yes', '--skip-preview', '--refresh', '--expect-no-changes']);

    await rm(join(workspace.folder, 'photos/shop.json'));
    await workspace.ok(['refresh', '--yes', '--skip-preview']);
    expect(await workspace.state()).toEqual({});
    expect(await workspace.planned()).toEqual({ a: 'create' });
  });

  test('an import by id takes over what the program says, and changes nothing', async () => {
    await using workspace = await photoWorkspace(tools, photo(DB));
    await workspace.up();
    await workspace.ok(['state', 'delete', (await workspace.state()).a!.urn, '--yes']);

    await workspace.write(photo(`${DB}\nnote: taken over`, 'import: shop'));
    await workspace.up();
    await workspace.write(photo(`${DB}\nnote: taken over`));
    expect(await workspace.planned()).toEqual({});
    expect((await workspace.state()).a).toMatchObject({ id: 'shop', outputs: { generation: 1 } });

    // What the first run after it took over is known: another place is another photo.
    await workspace.up();
    await workspace.write(photo(`${DB.replace('one/x', 'two/x')}\nnote: taken over`));
    expect(await onlyStep(workspace)).toEqual({
      ops: ['update'],
      details: { 'members.db.postgres.url': 'update' },
    });
    await workspace.up();
    expect((await workspace.state()).a?.outputs?.generation).toBe(2);

    await workspace.ok(['state', 'delete', (await workspace.state()).a!.urn, '--yes']);
    const imported = ['import', 'stasis:index:Photo', 'a', 'shop', '--yes', '--protect=false'];
    await workspace.ok([...imported, '--skip-preview', '--generate-code=false']);
    await workspace.up();
    expect(await workspace.planned()).toEqual({});
    expect((await workspace.state()).a?.outputs?.generation).toBe(2);
  });

  test('the options of every resource work: ignoreChanges, replaceOnChanges, aliases, protect, retainOnDelete', async () => {
    await using workspace = await photoWorkspace(tools, photo(DB));
    await workspace.up();
    const moved = DB.replace('one/x', 'two/x');

    await workspace.write(photo(`${moved}\nnote: new`, 'ignoreChanges: [members, note]'));
    expect(await workspace.planned()).toEqual({});
    await workspace.write(photo(`${moved}`, 'ignoreChanges: ["members.db.postgres.url"]'));
    expect(await workspace.planned()).toEqual({});
    await workspace.write(photo(moved, 'replaceOnChanges: ["members.db.postgres.url"]'));
    expect((await workspace.preview()).map(({ op }) => op)).toContain('replace');

    await workspace.write(photo(DB, 'aliases: [{ name: a }]').replace('  a:\n', '  b:\n'));
    expect(await workspace.planned()).toEqual({});
    await workspace.up();

    await workspace.write(photo(DB, 'protect: true').replace('  a:\n', '  b:\n'));
    await workspace.up();
    const refused = await workspace.run('destroy', '--yes', '--skip-preview');
    expect(refused.status).not.toBe(0);
    expect(Object.keys(await workspace.state())).toEqual(['b']);

    await workspace.ok(['state', 'unprotect', (await workspace.state()).b!.urn, '--yes']);
    await workspace.ok(['state', 'rename', (await workspace.state()).b!.urn, 'c', '--yes']);
    await workspace.write(photo(DB, 'retainOnDelete: true').replace('  a:\n', '  c:\n'));
    expect(await workspace.planned()).toEqual({});
    await workspace.up();
    await workspace.ok(['destroy', '--yes', '--skip-preview']);
    expect(existsSync(join(workspace.folder, 'photos/shop.json'))).toBe(true);
  });

  test('--target leaves the others alone, and what is unknown is known when it is there', async () => {
    const second = `  b:\n    type: stasis:Photo\n    properties:\n      name: other\n      note: \${a.reference}\n      ${DB}\n`;
    await using workspace = await photoWorkspace(tools, photo(DB) + second);
    expect(await workspace.planned()).toEqual({ a: 'create', b: 'create' });
    await workspace.up();
    expect((await workspace.state()).b?.outputs?.note).toBe('shop@1');

    await workspace.write((photo(DB) + second).replaceAll('one/x', 'two/x'));
    const { urn } = (await workspace.state()).b!;
    await workspace.up('--target', urn);
    const state = await workspace.state();
    expect([state.a?.outputs?.generation, state.b?.outputs?.generation]).toEqual([1, 2]);
    const steps = (await workspace.preview()).filter(({ op }) => op === 'update');
    expect(steps.map(({ urn: of }) => nameOf(of))).toEqual(['a', 'b']);
  });

  test('a resource of which a part came to be goes on with the next up', async () => {
    await using workspace = await photoWorkspace(tools, photo(`${DB}\nwarn: half`));
    const { status, all } = await workspace.run('up', '--yes', '--skip-preview');
    expect(status).not.toBe(0);
    expect(all).toContain('Half of the photo is there. Apply again. (code photo.half)');
    expect((await workspace.state()).a).toMatchObject({ id: 'shop', initErrors: [expect.any(String)] });
    expect(await workspace.planned()).toEqual({ a: 'update' });
    await workspace.up();
    const { initErrors, outputs } = (await workspace.state()).a ?? {};
    expect([initErrors, outputs?.generation]).toEqual([undefined, 1]);
    expect(await workspace.planned()).toEqual({});
  });

  test('a failure leaves everything as it was, and is not taken for a corrupt resource', async () => {
    await using workspace = await photoWorkspace(tools, photo(DB));
    await workspace.up();
    const before = await readFile(join(workspace.folder, 'photos/shop.json'), 'utf8');
    await workspace.write(photo(`${DB.replace('one/x', 'two/x')}\nfail: "It broke:"`));
    const { status, all } = await workspace.run('up', '--yes', '--skip-preview');
    expect(status).not.toBe(0);
    expect(all).toContain('It broke:');
    expect(all).toContain('(at members.db.postgres.url, code photo.failed)');
    expect(all).not.toContain(PASSWORD);
    expect(all).not.toMatch(/corrupt|unexpected error|bug in the provider/i);
    expect(await readFile(join(workspace.folder, 'photos/shop.json'), 'utf8')).toBe(before);
    await workspace.write(photo(DB));
    expect(await workspace.planned()).toEqual({});
  });

  test('a process that was started by hand serves one command after another', async () => {
    await using workspace = await photoWorkspace(tools, photo(DB));
    const program = join(workspace.folder, 'plugin/pulumi-resource-stasis');
    const plugin = spawn(program, [], { cwd: workspace.project, stdio: ['ignore', 'pipe', 'inherit'] });
    try {
      const [line] = await once(plugin.stdout, 'data');
      const attach = { PULUMI_DEBUG_PROVIDERS: `stasis:${Number(String(line))}` };
      const up = ['up', '--yes', '--skip-preview'];
      await workspace.write(photo(DB), false);
      expect((await workspace.start(up, undefined, attach).finished).status).toBe(0);
      await workspace.write(photo(`${DB}\ntriggers: { release: "2" }`), false);
      const { status, all } = await workspace.start(up, undefined, attach).finished;
      expect([status, all.includes('hold 0 B of 100 B')]).toEqual([0, true]);
      expect((await workspace.state()).a?.outputs?.generation).toBe(2);
      expect(plugin.exitCode).toBeNull();
    } finally {
      plugin.kill('SIGTERM');
    }
    const [status] = await once(plugin, 'close');
    expect(status).toBe(0);
  });
});
