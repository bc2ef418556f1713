import { mkdtemp, readdir, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';
import { type ChangeCache, readChangeCache, writeChangeCache } from './change-cache.ts';

let folder: string;
const before = { ...process.env };

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'stasis-cache-'));
  process.env.XDG_CACHE_HOME = folder;
});

afterEach(async () => {
  process.env.XDG_CACHE_HOME = before.XDG_CACHE_HOME;
  if (before.XDG_CACHE_HOME === undefined) delete process.env.XDG_CACHE_HOME;
  await rm(folder, { recursive: true, force: true });
});

const cache: ChangeCache = {
  snapshot: `sha256:${'a'.repeat(64)}`,
  blobs: [
    {
      member: 'disk',
      blob: `sha256-64k:${'b'.repeat(64)}`,
      segments: Uint8Array.from({ length: 160 }, (_, at) => at),
    },
  ],
};

describe('the cache of segments', () => {
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

  test('one that is damaged or cut short is not used, or only for what a digest proves', async () => {
    await writeChangeCache('/store', 'shop', cache);
    const file = join(folder, 'stasis', 'changes', (await readdir(join(folder, 'stasis', 'changes')))[0]!);
    const bytes = await readFile(file);
    const hashesFrom = bytes.length - cache.blobs[0]!.segments.length;
    for (let at = 0; at < bytes.length; at += 3) {
      const flipped = Buffer.from(bytes);
      flipped[at] = flipped[at]! ^ 0x80;
      await writeFile(file, flipped);
      const read = await readChangeCache('/store', 'shop');
      // Names decide what it is used for, and a digest of the snapshot proves the hashes (pack/unchanged.ts).
      if (at < hashesFrom) expect(read).not.toEqual(cache);
      else expect(read).toMatchObject({ blobs: [{ blob: cache.blobs[0]!.blob }] });
    }
    for (let length = 0; length < bytes.length; length += 7) {
      await writeFile(file, bytes.subarray(0, length));
      expect(await readChangeCache('/store', 'shop')).toBeUndefined();
    }
  });

  test('one without segments is removed, and a folder that cannot be written hurts nobody', async () => {
    await writeChangeCache('/store', 'shop', cache);
    await writeChangeCache('/store', 'shop', { ...cache, blobs: [] });
    expect(await readdir(join(folder, 'stasis', 'changes'))).toEqual([]);
    process.env.XDG_CACHE_HOME = '/dev/null';
    await writeChangeCache('/store', 'shop', cache);
    expect(await readChangeCache('/store', 'shop')).toBeUndefined();
  });
});
