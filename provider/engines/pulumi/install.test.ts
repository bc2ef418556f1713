import { execFile } from 'node:child_process';
import { chmod, mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { afterEach, beforeEach, expect, test } from '@jest/globals';
import { installPlugin } from './install.ts';

const run = promisify(execFile);
let folder = '';

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'stasis-install-'));
});
afterEach(() => rm(folder, { recursive: true, force: true }));

test('installing puts a program where Pulumi looks, once', async () => {
  const root = join(folder, "it's here");
  const program = join(root, 'bin/pulumi-resource-stasis');
  await mkdir(join(root, 'bin'), { recursive: true });
  await writeFile(join(root, 'package.json'), '{"version": "1.2.3"}');
  await writeFile(program, '#!/bin/sh\necho "started with $*"\n');
  await chmod(program, 0o755);
  const home = join(folder, 'home');
  const { path, ...installed } = await installPlugin({ root, home });
  expect(path).toBe(join(home, 'plugins/resource-stasis-v1.2.3/pulumi-resource-stasis'));
  expect(installed).toEqual({ version: '1.2.3', changed: true });
  expect((await run(path, ['a', 'b c'])).stdout).toBe('started with a b c\n');
  expect(await installPlugin({ root, home })).toMatchObject({ changed: false });
});

test('a folder that does not hold the package is refused', async () => {
  await expect(installPlugin({ root: folder, home: folder })).rejects.toMatchObject({
    code: 'install.damaged',
  });
});
