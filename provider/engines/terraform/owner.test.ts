import { mkdir, mkdtemp, realpath, rm, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from '@jest/globals';
import { projectOwner } from './owner.ts';

let folder = '';
beforeEach(async () => {
  folder = await realpath(await mkdtemp(join(tmpdir(), 'stasis-owner-')));
});
afterEach(() => rm(folder, { recursive: true, force: true }));

test('the owner is the folder, by whatever path, and the workspace that is not the default', async () => {
  const project = join(folder, 'project');
  await mkdir(join(project, '.terraform'), { recursive: true });
  await symlink(project, join(folder, 'link'));
  expect(projectOwner(project, {})).toBe(`terraform:${project}`);
  expect(projectOwner(join(folder, 'link'), {})).toBe(`terraform:${project}`);
  await writeFile(join(project, '.terraform/environment'), 'staging');
  expect(projectOwner(project, {})).toBe(`terraform:${project}:staging`);
  expect(projectOwner(project, { TF_WORKSPACE: 'live' })).toBe(`terraform:${project}:live`);
  expect(projectOwner(project, { TF_DATA_DIR: join(folder, 'elsewhere') })).toBe(`terraform:${project}`);
});
