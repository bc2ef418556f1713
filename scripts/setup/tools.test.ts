import { chmod, mkdir, mkdtemp, rm, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';
import { alone } from './cache.ts';
import { atLeast, which } from './programs.ts';
import { ensureTool, ensureTools, findTool } from './tools.ts';

let folder: string;
const before = { PATH: process.env.PATH, XDG_CACHE_HOME: process.env.XDG_CACHE_HOME };

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'stasis-tools-'));
  // A PATH with what a lock needs, and none of the tools.
  const bin = join(folder, 'bin');
  await mkdir(bin);
  for (const name of ['cat', 'flock', 'sh']) await symlink((await which(name)) ?? '', join(bin, name));
  process.env.PATH = bin;
  process.env.XDG_CACHE_HOME = join(folder, 'cache');
});

afterEach(async () => {
  process.env.PATH = before.PATH;
  if (before.XDG_CACHE_HOME === undefined) delete process.env.XDG_CACHE_HOME;
  else process.env.XDG_CACHE_HOME = before.XDG_CACHE_HOME;
  await rm(folder, { recursive: true, force: true });
});

async function program(path: string, says: string): Promise<string> {
  await mkdir(join(path, '..'), { recursive: true });
  await writeFile(path, `#!/bin/sh\necho '${says}'\n`);
  await chmod(path, 0o755);
  return path;
}

describe('a tool of others', () => {
  test('is taken from PATH when it is new enough', async () => {
    const path = await program(join(folder, 'bin/tofu'), 'OpenTofu v1.12.0');
    expect(await findTool('tofu')).toBe(path);
  });

  test('is taken from the cache when the one on PATH is too old', async () => {
    await program(join(folder, 'bin/tofu'), 'OpenTofu v1.9.4');
    const built = await program(join(folder, 'cache/stasis/tools/tofu-1.11.5/tofu'), 'OpenTofu v1.11.5');
    expect(await findTool('tofu')).toBe(built);
    expect(await ensureTool('tofu')).toBe(built);
  });

  test('that is nowhere is missing, with the reason', async () => {
    await program(join(folder, 'bin/terraform'), 'Terraform v1.5.7');
    expect(await ensureTool('terraform')).toEqual({
      tool: 'terraform',
      reason: expect.stringMatching(
        /^Terraform 1\.11\.0 or newer is not on PATH \(.*terraform is 1\.5\.7\)$/,
      ),
    });
  });

  test('cannot be built without Go, and says so', async () => {
    expect(await ensureTool('oras')).toEqual({ tool: 'oras', reason: expect.stringContaining('and Go') });
  });

  test('is told in its place among several, whatever the others are', async () => {
    const built = await program(join(folder, 'cache/stasis/tools/tofu-1.11.5/tofu'), 'OpenTofu v1.11.5');
    expect(await ensureTools(['terraform', 'tofu', 'oras'])).toEqual([
      { tool: 'terraform', reason: expect.not.stringContaining('and Go') },
      built,
      { tool: 'oras', reason: expect.stringContaining('and Go') },
    ]);
  });
});

test('versions are compared by their numbers', () => {
  expect(atLeast('1.11.0', '1.9.9')).toBe(true);
  expect(atLeast('1.9.9', '1.11.0')).toBe(false);
  expect(atLeast('1.11.4', '1.11.4')).toBe(true);
});

test('work of one name is done by one at a time', async () => {
  const order: string[] = [];
  const work = (name: string) =>
    alone('test', async () => {
      order.push(`${name} begins`);
      await new Promise((resolve) => setTimeout(resolve, 100));
      order.push(`${name} ends`);
    });
  await Promise.all([work('a'), work('b')]);
  expect(order.map((line) => line.slice(2))).toEqual(['begins', 'ends', 'begins', 'ends']);
  expect(new Set(order.map((line) => line[0]))).toEqual(new Set(['a', 'b']));
});
