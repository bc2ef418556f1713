import { chmod, mkdir, mkdtemp, readdir, realpath, rm, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';
import { testContext } from '../../../test/support/context.ts';
import { testUnless } from '../../../test/support/skipped.ts';
import { mountSmallDisk, whyNoSmallDisk } from '../../../test/support/small-disk.ts';
import { ociLayout } from './type.ts';

const isRoot = process.getuid?.() === 0;
/** Nobody may write into a folder that its owner may not write into, but for root. */
const NEVER_READ_ONLY = isRoot ? await whyNoSmallDisk() : undefined;

let folder: string;

beforeEach(async () => {
  folder = await mkdtemp(join(await realpath(tmpdir()), 'stasis-paths-'));
});

afterEach(() => rm(folder, { recursive: true, force: true }));

async function problemsOf(path: string, sizeBytes = 1000) {
  const store = await ociLayout.open({ path }, testContext());
  return store.check(sizeBytes, testContext());
}

describe('where a store may lie', () => {
  test('a missing folder is fine, and is made on the first write only', async () => {
    const path = join(folder, 'x', 'y');
    expect(await problemsOf(path)).toEqual([]);
    const store = await ociLayout.open({ path }, testContext());
    await store.names('');
    await store.records.list('');
    await store.records.read('a');
    await store.records.remove('a');
    await store.sweep(testContext());
    expect(await readdir(folder)).toEqual([]);
    await store.records.write('a', 1);
    expect((await readdir(path)).sort()).toEqual(['blobs', 'index.json', 'oci-layout', 'stasis']);
  });

  test('a file, or a path below one, is no folder', async () => {
    const file = join(folder, 'file');
    await writeFile(file, 'x');
    for (const path of [file, join(file, 'below')]) {
      expect(await problemsOf(path)).toEqual([
        expect.objectContaining({ code: 'store.not-a-folder', at: ['path'], hint: expect.any(String) }),
      ]);
      const store = await ociLayout.open({ path }, testContext());
      await expect(store.begin('shop', 'me', testContext())).rejects.toMatchObject({
        code: 'store.not-a-folder',
      });
    }
  });

  /** A folder into which this process cannot write. */
  async function readOnly(path: string): Promise<AsyncDisposable> {
    if (isRoot) return mountSmallDisk(path, 'ro');
    await mkdir(path, { mode: 0o555 });
    return { [Symbol.asyncDispose]: () => chmod(path, 0o755) };
  }

  testUnless(NEVER_READ_ONLY)('one that is read-only is told', async () => {
    const path = join(folder, 'mounted');
    await using _fixed = await readOnly(path);
    expect(await problemsOf(path)).toEqual([
      expect.objectContaining({ code: 'store.read-only', at: ['path'], hint: expect.any(String) }),
    ]);
    const store = await ociLayout.open({ path }, testContext());
    await expect(store.begin('shop', 'me', testContext())).rejects.toMatchObject({
      code: 'store.read-only',
    });
  });

  test('a disk with too little room is told, with how much there is', async () => {
    expect(await problemsOf(join(folder, 'x'), 2 ** 60)).toEqual([
      expect.objectContaining({
        code: 'store.no-space',
        details: { sizeBytes: 2 ** 60, freeBytes: expect.any(Number) },
      }),
    ]);
  });

  test('however it is written, the location is one', async () => {
    await mkdir(join(folder, 'real'));
    await symlink(join(folder, 'real'), join(folder, 'link'));
    const expected = join(folder, 'real', 'deep', 'store');
    for (const path of [
      'real/deep/store',
      'link/deep/store',
      'link/../real/./deep/store/',
      'link/deep//store',
    ])
      expect(await ociLayout.locate({ path: `${folder}/${path}` })).toBe(expected);
    expect(ociLayout.at(expected)).toEqual({ path: expected });
    expect(ociLayout.at('registry.example.org/shop')).toBeUndefined();
    expect(await readdir(join(folder, 'real'))).toEqual([]);
  });
});
