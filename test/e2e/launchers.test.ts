import { execFile } from 'node:child_process';
import { cp, mkdir, mkdtemp, rm, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';
import { installPlugin } from '../../provider/engines/terraform/install.ts';
import { describeEngines } from './terraform/engines.ts';
import { Workspace } from './terraform/workspace.ts';

const ROOT = join(import.meta.dirname, '../..');
/** The bundle of the tests' package says under what it runs. */
const BUNDLE = 'console.log(JSON.stringify({ args: process.argv.slice(2), version: process.version }));\n';

let folder: string;
let installed: string;

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'stasis launchers-'));
  installed = join(folder, 'node_modules/stasis');
  await cp(join(ROOT, 'bin'), join(installed, 'bin'), { recursive: true });
  await mkdir(join(installed, 'dist'));
  for (const name of ['stasis', 'terraform-provider-stasis', 'pulumi-resource-stasis'])
    await writeFile(join(installed, `dist/${name}.mjs`), BUNDLE);
});

afterEach(async () => {
  await rm(folder, { recursive: true, force: true });
});

/** Puts the Node that runs us where npm would. */
async function bringNode(parent: string): Promise<void> {
  await mkdir(join(parent, 'node/bin'), { recursive: true });
  await symlink(process.execPath, join(parent, 'node/bin/node'));
}

interface Ran {
  readonly status: number;
  readonly stdout: string;
  readonly stderr: string;
}

function launch(program: string, args: readonly string[], path = '/usr/bin:/bin'): Promise<Ran> {
  const env = { PATH: path, HOME: folder };
  return new Promise((resolve) => {
    execFile(program, args, { env, timeout: 30_000 }, (error, stdout, stderr) =>
      resolve({ status: typeof error?.code === 'number' ? error.code : error ? -1 : 0, stdout, stderr }),
    );
  });
}

describe('the launchers of an installed package', () => {
  test.each(['stasis', 'terraform-provider-stasis', 'pulumi-resource-stasis'])(
    '%s runs its bundle, through links',
    async (name) => {
      await bringNode(join(folder, 'node_modules'));
      await mkdir(join(folder, 'node_modules/.bin'));
      await symlink(`../stasis/bin/${name}`, join(folder, 'node_modules/.bin', name));
      await symlink(join(folder, 'node_modules/.bin', name), join(folder, 'linked twice'));
      const { stdout, stderr, status } = await launch(join(folder, 'linked twice'), [
        'two words',
        '--x=*',
        '',
      ]);
      expect({ status, stderr }).toEqual({ status: 0, stderr: '' });
      expect(JSON.parse(stdout)).toEqual({ args: ['two words', '--x=*', ''], version: process.version });
    },
  );

  test('find the Node that npm put below the package', async () => {
    await bringNode(join(installed, 'node_modules'));
    const { stdout } = await launch(join(installed, 'bin/stasis'), []);
    expect(JSON.parse(stdout).version).toBe(process.version);
  });

  test('refuse an old Node on PATH', async () => {
    const path = `${await oldNode()}:/usr/bin:/bin`;
    const ran = await launch(join(installed, 'bin/stasis'), [], path);
    expect(ran).toMatchObject({
      status: 1,
      stdout: '',
      stderr: expect.stringContaining('Node 24 is not here'),
    });
  });

  test('say when the bundle is gone', async () => {
    await bringNode(join(folder, 'node_modules'));
    await rm(join(installed, 'dist/stasis.mjs'));
    const ran = await launch(join(installed, 'bin/stasis'), []);
    expect(ran).toMatchObject({ status: 1, stdout: '', stderr: expect.stringContaining('is damaged') });
  });

  test('the plugin says the reason in one line on stdout, in place of the handshake', async () => {
    const plugin = join(installed, 'bin/terraform-provider-stasis');
    const noNode = await launch(plugin, [], `${await oldNode()}:/usr/bin:/bin`);
    expect(noNode).toMatchObject({ status: 1, stderr: expect.stringContaining('Node 24 is not here') });
    expect(noNode.stdout).toMatch(/^stasis cannot start: Node 24 is not here; install .*\n$/);
    await bringNode(join(folder, 'node_modules'));
    await rm(join(installed, 'dist/terraform-provider-stasis.mjs'));
    const noBundle = await launch(plugin, []);
    expect(noBundle.stdout).toMatch(/^stasis cannot start: .*mjs is not there: .*\n$/);
    await mkdir(join(installed, 'scripts'));
    await writeFile(join(installed, 'scripts/build.ts'), '');
    const noBuild = await launch(plugin, []);
    expect(noBuild.stdout).toMatch(/^stasis cannot start: its sources in .* cannot be bundled; .*\n$/);
  });
});

/** A folder with a program that says it is no Node 24. */
async function oldNode(): Promise<string> {
  const old = join(folder, 'old');
  await mkdir(old);
  await writeFile(join(old, 'node'), '#!/bin/sh\necho false\n', { mode: 0o755 });
  return old;
}

describeEngines((engine) => {
  test('shows why the plugin of a damaged installation does not start', async () => {
    await writeFile(join(installed, 'package.json'), JSON.stringify({ name: 'stasis', version: '0.1.0' }));
    await using workspace = await Workspace.create(engine);
    await installPlugin({ engine: engine.name, root: installed, home: workspace.home });
    await workspace.write('data "stasis_snapshot" "a" {\n  snapshot = "shop"\n}\n');
    await workspace.ok('init', '-input=false');
    await bringNode(join(folder, 'node_modules'));
    await rm(join(installed, 'dist/terraform-provider-stasis.mjs'));
    const { status, all } = await workspace.run(['plan', '-input=false']);
    expect(status).toBe(1);
    expect(all.replace(/[^!-~]+/g, ' ')).toContain('this installation is damaged; install the npm package');
  }, 60_000);
});

test('the command line of this checkout starts', async () => {
  const { status, stdout } = await launch(join(ROOT, 'bin/stasis'), ['--version'], process.env.PATH);
  expect({ status, stdout }).toEqual({ status: 0, stdout: expect.stringMatching(/^\d+\.\d+\.\d+\n$/) });
}, 120_000);
