import { spawn } from 'node:child_process';
import {
  appendFileSync,
  chmodSync,
  mkdirSync,
  readFileSync,
  renameSync,
  rmSync,
  truncateSync,
  writeFileSync,
} from 'node:fs';
import { describe, expect, jest, test } from '@jest/globals';
import { memoryBlobs, testContext } from '../../../test/support/context.ts';
import { collect, load, memberOf, scratch, session, stream } from '../../../test/support/files-capture.ts';
import { code, disturbed, tree } from '../../../test/support/files-session.ts';
import { compareFingerprints } from '../../core/fingerprint.ts';
import type { Blobs } from '../../core/store.ts';

/** Programs are started, on machines that may be busy. */
jest.setTimeout(120_000);

const signal = new AbortController().signal;

describe('what changes after the cut and before its copy', () => {
  test.each<[string, (root: string) => void]>([
    ['is appended to', (root) => appendFileSync(`${root}/f3`, '!')],
    ['is overwritten', (root) => writeFileSync(`${root}/f3`, 'CONTENT 3')],
    ['shrinks', (root) => truncateSync(`${root}/sub/big`, 5)],
    ['goes away', (root) => rmSync(`${root}/f3`)],
    ['is renamed', (root) => renameSync(`${root}/f3`, `${root}/f99`)],
    [
      'becomes a folder',
      (root) => {
        rmSync(`${root}/f3`);
        mkdirSync(`${root}/f3`);
      },
    ],
    ['gets another mode', (root) => chmodSync(`${root}/f3`, 0o600)],
  ])('is lost, and said so, when it %s', async (_, change) => {
    using folder = scratch();
    tree(folder.path);
    await using taken = await session({ path: folder.path });
    await taken.watch!.epoch(signal);
    change(folder.path);
    await expect(taken.copy(memoryBlobs())).rejects.toMatchObject({ code: 'cut.lost', at: ['path'] });
  });

  test.each<[string, number, (root: string) => void]>([
    ['in the middle of a large file', 1_000_000, (root) => appendFileSync(`${root}/sub/big`, '!')],
    [
      'in a part of it already read',
      1_000_000,
      (root) => {
        const bytes = readFileSync(`${root}/sub/big`);
        bytes[0] = 0;
        writeFileSync(`${root}/sub/big`, bytes, { flag: 'r+' });
      },
    ],
    [
      'among the small ones',
      1,
      (root) => {
        for (let index = 0; index < 20; index += 1) appendFileSync(`${root}/f${index}`, '!');
      },
    ],
  ])('is lost when it changes %s', async (_, afterBytes, change) => {
    using folder = scratch();
    tree(folder.path);
    await using taken = await session({ path: folder.path });
    await taken.watch!.epoch(signal);
    const blobs = disturbed(memoryBlobs(), afterBytes, () => change(folder.path));
    // What was read before it changed may stand; a file that was half read never does.
    expect(await code(taken.copy(blobs))).toBe('cut.lost');
  });

  test('is not lost where it was read before', async () => {
    using folder = scratch();
    tree(folder.path);
    await using taken = await session({ path: folder.path });
    const blobs = memoryBlobs();
    await taken.preload!(blobs);
    const cut = await taken.watch!.epoch(signal);
    for (let index = 0; index < 20; index += 1) appendFileSync(folder.at(`f${index}`), ' and more');
    rmSync(folder.at('sub'), { recursive: true });
    writeFileSync(folder.at('new'), 'not in the cut');
    const capture = await taken.copy(blobs);
    expect(capture.epoch).toBe(cut.value);
    await using held = await load(
      { path: folder.at('..', `${Date.now()}-t`) },
      { member: memberOf({ path: folder.path }, capture, 1), blobs },
    );
    const restored = await collect(held.fingerprint());
    expect(restored.map(({ object }) => object)).not.toContain('file/new');
    expect(restored.find(({ object }) => object === 'file/f3')?.facts?.sizeBytes).toBe('content 3'.length);
    const same = await compareFingerprints(taken.fingerprint(blobs), stream(restored), 0);
    expect(same).toMatchObject({ differenceCount: 0, equal: 23 });
  });
});

test('a file that is mapped for writing during the copy is not trusted', async () => {
  using folder = scratch();
  tree(folder.path);
  await using taken = await session({ path: folder.path });
  await taken.watch!.epoch(signal);
  const child = spawn(
    'python3',
    [
      '-c',
      "import mmap,sys\nf=open(sys.argv[1],'r+b')\nm=mmap.mmap(f.fileno(),0)\nprint('mapped',flush=True)\nsys.stdin.read()",
      folder.at('f7'),
    ],
    { stdio: ['pipe', 'pipe', 'inherit'] },
  );
  try {
    await new Promise((resolve) => child.stdout.once('data', resolve));
    await expect(taken.copy(memoryBlobs())).rejects.toMatchObject({ code: 'cut.lost' });
  } finally {
    child.stdin.end();
    await new Promise((resolve) => child.once('close', resolve));
  }
});

test('a store that fails ends the copy with the store’s own error', async () => {
  using folder = scratch();
  tree(folder.path);
  await using taken = await session({ path: folder.path });
  await taken.watch!.epoch(signal);
  const blobs: Blobs = { ...memoryBlobs(), put: async () => Promise.reject(new Error('disk full')) };
  await expect(taken.copy(blobs)).rejects.toThrow('disk full');
});

test('an abort ends a copy under way', async () => {
  using folder = scratch();
  tree(folder.path);
  const controller = new AbortController();
  await using taken = await session({ path: folder.path }, testContext({ signal: controller.signal }));
  await taken.watch!.epoch(signal);
  const blobs = disturbed(memoryBlobs(), 1, () => controller.abort());
  expect(await code(taken.copy(blobs))).toBe('cancelled');
});

test('a folder that goes away between prepare and cut is missing, and nothing is thrown but that', async () => {
  using folder = scratch();
  tree(folder.at('gone'));
  await using taken = await session({ path: folder.at('gone') });
  rmSync(folder.at('gone'), { recursive: true });
  expect(await code(taken.watch!.epoch(signal))).toBe('files.missing');
  expect(await code(taken.smear!(memoryBlobs()))).toBe('files.missing');
});
