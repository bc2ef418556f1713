import { execFileSync } from 'node:child_process';
import { closeSync, fsyncSync, mkdirSync, openSync, readdirSync, writeFileSync, writeSync } from 'node:fs';
import { beforeAll, describe, expect, jest, test } from '@jest/globals';
import { memoryBlobs, testContext } from '../../../../test/support/context.ts';
import { host, restoreOptions } from '../../../../test/support/driver-rig.ts';
import { load, memberOf, type Scratch, scratch, session } from '../../../../test/support/files-capture.ts';
import type { Host } from '../../../core/host.ts';
import type { Capture } from '../../../core/manifest.ts';
import type { BlobReader } from '../../../core/store.ts';
import { contentOf } from '../content.ts';
import { filesDriver } from '../driver.ts';
import type { Entry } from '../entry.ts';
import { TREE } from '../staging.ts';
import { hotOf, readHotFiles } from './hot-files.ts';
import { PageCache } from './page-cache.ts';
import { chooseFiles } from './warm-files.ts';

/** Programs are started, on machines that may be busy. */
jest.setTimeout(120_000);

const MIB = 1024 * 1024;
const context = testContext();

/** By another program than ours. */
function residentBytes(path: string): number {
  return Number(execFileSync('fincore', ['--bytes', '--noheadings', '--output', 'RES', path]).toString());
}

function evict(path: string): void {
  execFileSync('sync', [path]);
  execFileSync('dd', [`if=${path}`, 'iflag=nocache', 'count=0', 'status=none']);
}

/** Written anew, so that they are in memory, and nothing is read ahead of them. */
function rewrite(path: string, from: number, bytes: number): void {
  const file = openSync(path, 'r+');
  writeSync(file, Buffer.alloc(bytes, 'hot '), 0, bytes, from);
  fsyncSync(file);
  closeSync(file);
}

/** All of one file is hot, a quarter of another, and nothing of a third. */
const HOT: Readonly<Record<string, readonly [number, number][]>> = {
  whole: [[0, 3 * MIB + 77]],
  'sub/part': [
    [4 * MIB, 5 * MIB],
    [6 * MIB, 9 * MIB],
  ],
  cold: [],
};
const HOT_BYTES = 7 * MIB + 77;

function makeTree(root: string): void {
  mkdirSync(`${root}/sub`, { recursive: true });
  for (const [name, size] of [
    ['whole', 3 * MIB + 77],
    ['sub/part', 16 * MIB],
    ['cold', 8 * MIB],
  ] as const) {
    writeFileSync(`${root}/${name}`, Buffer.alloc(size, `content of ${name}`));
    evict(`${root}/${name}`);
    for (const [from, to] of HOT[name]!) rewrite(`${root}/${name}`, from, to - from);
  }
}

/** Bytes of each file in memory; the last page of a file counts whole. */
function inMemory(root: string): Record<string, number> {
  return Object.fromEntries(Object.keys(HOT).map((name) => [name, residentBytes(`${root}/${name}`)]));
}
const AS_AT_THE_CUT = { whole: 3 * MIB + 4096, 'sub/part': 4 * MIB, cold: 0 };

let why: string | undefined;
beforeAll(() => {
  using folder = scratch();
  writeFileSync(folder.at('probe'), Buffer.alloc(MIB, 'x'));
  try {
    evict(folder.at('probe'));
    if (residentBytes(folder.at('probe')) > 0) why = 'files of the temporary folder stay in memory';
  } catch (error) {
    why = `fincore and dd are needed: ${(error as Error).message}`;
  }
});

function skipped(): boolean {
  if (why !== undefined) process.stdout.write(`skipped: ${why}\n`);
  return why !== undefined;
}

async function capture(folder: Scratch, at: Host = host) {
  const spec = { path: folder.at('source') };
  const blobs = memoryBlobs();
  let taken: Capture;
  {
    await using capturing = at === host ? await session(spec) : await filesDriver.prepare(spec, at, context);
    await capturing.preload!(blobs);
    await capturing.watch!.epoch(context.signal);
    taken = await capturing.copy(blobs);
  }
  return { capture: taken, member: memberOf(spec, taken, 5), blobs };
}

/** Where it lies before the release. */
function stagedTree(folder: Scratch): string {
  const name = readdirSync(folder.path).find((one) => one.startsWith('.target.stasis-'))!;
  return folder.at(name, TREE);
}

describe('the page cache of a tree', () => {
  test('is known to the page, and after the capture as it was before', async () => {
    if (skipped()) return;
    using folder = scratch();
    makeTree(folder.at('source'));
    const taken = await capture(folder);
    const hot = await readHotFiles(taken.blobs, contentOf(taken.member));
    expect(hot!.hotBytes).toBe(HOT_BYTES);
    expect(Object.fromEntries(hot!.files.map(({ path, spans }) => [path, spans]))).toEqual({
      whole: HOT.whole,
      'sub/part': HOT['sub/part'],
    });
    const codes = taken.capture.coverage.outside.map(({ code }) => code);
    expect(codes).not.toContain('files.page-cache');
    expect(inMemory(folder.at('source'))).toEqual(AS_AT_THE_CUT);
  });

  test('comes back before the release, as far as it was hot, whatever loading has left of it', async () => {
    if (skipped()) return;
    using folder = scratch();
    makeTree(folder.at('source'));
    const taken = await capture(folder);
    await using held = await load({ path: folder.at('target') }, taken);
    const staged = stagedTree(folder);
    expect(await held.warm!()).toEqual({ hotBytes: HOT_BYTES, warmedBytes: HOT_BYTES });
    for (const name of Object.keys(HOT)) evict(`${staged}/${name}`);
    expect(inMemory(staged)).toEqual({ whole: 0, 'sub/part': 0, cold: 0 });
    expect(await held.warm!()).toEqual({ hotBytes: HOT_BYTES, warmedBytes: HOT_BYTES });
    expect(inMemory(staged)).toEqual(AS_AT_THE_CUT);
    await held.release();
    expect(inMemory(folder.at('target'))).toEqual(AS_AT_THE_CUT);
    // Those very bytes, and not others of the same number.
    const again = (await PageCache.of(host))!;
    expect(
      await again.look([Buffer.from(folder.at('target', 'sub', 'part'))], 10_000, context.signal),
    ).toEqual([HOT['sub/part']]);
  });

  test('is not known on a host without perl, which the coverage and the restore say', async () => {
    using folder = scratch();
    mkdirSync(folder.at('source'));
    writeFileSync(folder.at('source', 'a'), 'content');
    const bare: Host = {
      ...bound(host),
      which: async (program, folders) => (program === 'perl' ? undefined : host.which(program, folders)),
    };
    const taken = await capture(folder, bare);
    expect(taken.capture.coverage.outside).toContainEqual({
      code: 'files.page-cache',
      message: 'what of it lay in the page cache: there is no perl on its host',
    });
    await using held = await load({ path: folder.at('target') }, taken);
    expect(await held.warm!()).toEqual({
      hotBytes: undefined,
      warmedBytes: 0,
      reason: 'The snapshot does not know what of the files lay in the page cache.',
    });
    const known = await capture(folder);
    await using bareHeld = await filesDriver.restore(
      { path: folder.at('other') },
      bare,
      known.member,
      known.blobs,
      restoreOptions(),
      context,
    );
    expect(await bareHeld.warm!()).toMatchObject({
      warmedBytes: 0,
      reason: 'Nothing can be read back, as its host has no perl.',
    });
  });

  test('is not warmed by a list that is damaged', async () => {
    using folder = scratch();
    mkdirSync(folder.at('source'));
    writeFileSync(folder.at('source', 'a'), 'content');
    const taken = await capture(folder);
    const { hot } = contentOf(taken.member);
    async function* other(): AsyncGenerator<Uint8Array> {
      yield Buffer.from('[]');
    }
    const blobs: BlobReader = {
      ...taken.blobs,
      get: (digest, range) => (digest === hot!.digest ? other() : taken.blobs.get(digest, range)),
    };
    await using held = await load({ path: folder.at('target') }, { member: taken.member, blobs });
    await expect(held.warm!()).rejects.toMatchObject({ code: 'store.damaged' });
  });

  test('of files of others is told as not known, to whom the kernel says that all of it is in memory', async () => {
    if (skipped()) return;
    if (process.getuid!() !== 0) {
      process.stdout.write('skipped: only root can ask as somebody else\n');
      return;
    }
    using folder = scratch();
    execFileSync('chmod', ['755', folder.path]);
    writeFileSync(folder.at('file'), Buffer.alloc(MIB, 'x'), { mode: 0o644 });
    evict(folder.at('file'));
    const nobody: Host = {
      ...bound(host),
      spawn: (argv, options) =>
        host.spawn(['setpriv', '--reuid=65534', '--regid=65534', '--clear-groups', ...argv], options),
    };
    const look = async (at: Host): Promise<unknown> =>
      (await PageCache.of(at))!.look([Buffer.from(folder.at('file'))], 10_000, context.signal);
    expect(await look(nobody)).toEqual([undefined]);
    expect(await look(host)).toEqual([[]]);
  });
});

function bound(at: Host): Host {
  return {
    name: at.name,
    run: (...all) => at.run(...all),
    spawn: (...all) => at.spawn(...all),
    which: (...all) => at.which(...all),
    read: (...all) => at.read(...all),
    write: (...all) => at.write(...all),
    temporaryFolder: (...all) => at.temporaryFolder(...all),
    lease: (...all) => at.lease(...all),
  };
}

test('a list that is too long keeps the longest stretches, and counts all', () => {
  const entry = { path: Buffer.from('a'), kind: 'file', sizeBytes: 100 } as Entry;
  const other = { path: Buffer.from('b'), kind: 'file', sizeBytes: 100 } as Entry;
  expect(
    hotOf(
      [
        [
          entry,
          [
            [0, 1],
            [5, 25],
            [30, 60],
          ],
        ],
        [other, [[0, 10]]],
      ],
      2,
    ),
  ).toEqual({
    files: [
      {
        path: 'a',
        sizeBytes: 100,
        spans: [
          [5, 25],
          [30, 60],
        ],
      },
    ],
    hotBytes: 61,
  });
});

test('where memory is short, files of which most was hot come first', () => {
  const file = (path: string, sizeBytes: number, to: number) => ({
    path,
    sizeBytes,
    spans: [[0, to] as [number, number]],
  });
  const files = [file('a', 100, 10), file('b', 50, 50), file('c', 40, 30)];
  const { chosen, left } = chooseFiles(files, 65);
  expect(chosen.map(({ path }) => path)).toEqual(['b', 'a']);
  expect(left).toBe(30);
});
