import { execFile } from 'node:child_process';
import { chmod, mkdir, mkdtemp, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';
import { installPlugin } from './install.ts';

const run = promisify(execFile);
let folder = '';

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'stasis-install-'));
});
afterEach(() => rm(folder, { recursive: true, force: true }));

async function packageAt(name: string): Promise<string> {
  const root = join(folder, name);
  await mkdir(join(root, 'bin'), { recursive: true });
  await writeFile(join(root, 'package.json'), '{"version": "1.2.3"}');
  const program = join(root, 'bin/terraform-provider-stasis');
  await writeFile(program, '#!/bin/sh\necho "started with $*"\n');
  await chmod(program, 0o755);
  return root;
}

describe('installing the plugin', () => {
  test.each([
    ['terraform', 'registry.terraform.io'],
    ['opentofu', 'registry.opentofu.org'],
  ] as const)('for %s puts a program where its init looks', async (engine, host) => {
    const root = await packageAt("it's here");
    const { path, version, changed } = await installPlugin({ engine, root, home: folder });
    expect(path).toMatch(
      new RegExp(
        `^${folder}/\\.terraform\\.d/plugins/${host}/stasis-iac/stasis/1\\.2\\.3/[a-z]+_[a-z0-9]+/terraform-provider-stasis_v1\\.2\\.3$`,
      ),
    );
    expect([version, changed]).toEqual(['1.2.3', true]);
    expect((await run(path, ['a', 'b c'])).stdout).toBe('started with a b c\n');
  });

  test('again changes nothing; from another place it starts that one', async () => {
    const root = await packageAt('one');
    const first = await installPlugin({ engine: 'terraform', root, home: folder });
    const { mtimeMs, ino } = await stat(first.path);
    expect((await installPlugin({ engine: 'terraform', root, home: folder })).changed).toBe(false);
    expect(await stat(first.path)).toMatchObject({ mtimeMs, ino });
    const other = await packageAt('two');
    expect((await installPlugin({ engine: 'terraform', root: other, home: folder })).changed).toBe(true);
    expect(await readFile(first.path, 'utf8')).toContain('/two/bin/');
  });

  test('says on stdout, where the engine shows it, that the package went away', async () => {
    const root = await packageAt('one');
    const { path } = await installPlugin({ engine: 'terraform', root, home: folder });
    await rm(root, { recursive: true });
    const failed = await run(path).catch((error: { code: number; stdout: string }) => error);
    expect(failed).toMatchObject({
      code: 1,
      stdout: expect.stringContaining('is gone; run "stasis install" again'),
    });
  });

  test('refuses a folder that is no package, and a home that is none', async () => {
    await expect(installPlugin({ engine: 'terraform', root: folder, home: folder })).rejects.toMatchObject({
      code: 'install.damaged',
    });
    const root = await packageAt('one');
    const home = join(root, 'package.json');
    await expect(installPlugin({ engine: 'terraform', root, home })).rejects.toMatchObject({
      code: 'install.refused',
    });
  });
});
