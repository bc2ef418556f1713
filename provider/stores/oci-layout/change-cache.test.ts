import { mkdtemp, readdir, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';
import { type ChangeCache, newTagKey, readChangeCache, writeChangeCache } from './change-cache.ts';

let folder: string;
const before = { ...process.env };

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'stasis-cache-'));
  process.env.XDG_CACHE_HOME = folder;
});

afterEach(async () => {
  process.env.XDG_CACHE_HOME = before.XDG_CACHE_HOME;
  if (before.XDG_CACHE_HOME === undefined) delete process.env.XDG_CACHE_HOME;
  delete process.env.STASIS_FULL_REHASH;
  await rm(folder, { recursive: true, force: true });
});

const cache: ChangeCache = {
  snapshot: `sha256:${'a'.repeat(64)}`,
  key: newTagKey(),
  blobs: [
    {
      member: 'disk',
      blob: `sha256:${'b'.repeat(64)}`,
      tags: Uint8Array.from({ length: 160 }, (_, at) => at),
    },
  ],
};

describe('the cache of tags', () => {
  test('comes back as it was, for its own store and name only, and nobody else may read it', async () => {
    await writeChangeCache('/store', 'shop', cache);
    expect(await readChangeCache('/store', 'shop')).toEqual(cache);
    expect(await readChangeCache('/store', 'bank')).toBeUndefined();
    expect(await readChangeCache('/other', 'shop')).toBeUndefined();
    const files = await readdir(join(folder, 'stasis', 'changes'));
    expect(files).toHaveLength(1);
    expect((await stat(join(folder, 'stasis', 'changes', files[0]!))).mode & 0o777).toBe(0o600);
    expect((await stat(join(folder, 'stasis', 'changes'))).mode & 0o777).toBe(0o700);
  });

  test('a damaged one is not used, nor one that is not wanted', async () => {
    await writeChangeCache('/store', 'shop', cache);
    process.env.STASIS_FULL_REHASH = '1';
    expect(await readChangeCache('/store', 'shop')).toBeUndefined();
    delete process.env.STASIS_FULL_REHASH;
    const file = join(folder, 'stasis', 'changes', (await readdir(join(folder, 'stasis', 'changes')))[0]!);
    const bytes = await readFile(file);
    for (let at = 0; at < bytes.length; at += 7) {
      const flipped = Buffer.from(bytes);
      flipped[at] = flipped[at]! ^ 1;
      await writeFile(file, flipped);
      expect(await readChangeCache('/store', 'shop')).toBeUndefined();
    }
    await writeFile(file, bytes.subarray(0, 20));
    expect(await readChangeCache('/store', 'shop')).toBeUndefined();
  });

  test('one without tags is removed, and a folder that cannot be written hurts nobody', async () => {
    await writeChangeCache('/store', 'shop', cache);
    await writeChangeCache('/store', 'shop', { ...cache, blobs: [] });
    expect(await readdir(join(folder, 'stasis', 'changes'))).toEqual([]);
    process.env.XDG_CACHE_HOME = '/dev/null';
    await writeChangeCache('/store', 'shop', cache);
    expect(await readChangeCache('/store', 'shop')).toBeUndefined();
  });
});
