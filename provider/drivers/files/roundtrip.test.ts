import { execFileSync, spawnSync } from 'node:child_process';
import {
  chmodSync,
  chownSync,
  closeSync,
  linkSync,
  lstatSync,
  lutimesSync,
  mkdirSync,
  openSync,
  readFileSync,
  readlinkSync,
  renameSync,
  rmSync,
  statSync,
  symlinkSync,
  truncateSync,
  utimesSync,
  writeFileSync,
  writeSync,
} from 'node:fs';
import { createServer } from 'node:net';
import { beforeAll, describe, expect, jest, test } from '@jest/globals';
import fc from 'fast-check';
import {
  type Captured,
  captureQuietly,
  load,
  observe,
  restoreAndCompare,
  scratch,
  stream,
} from '../../../test/support/files-capture.ts';
import { testUnless } from '../../../test/support/skipped.ts';
import { compareFingerprints } from '../../core/fingerprint.ts';
import type { FilesContent } from './content.ts';

/** Each starts many programs, on machines that may be busy. */
jest.setTimeout(240_000);

const isRoot = process.getuid?.() === 0;
const SAME = { differences: [], differenceCount: 0 };

/** A tree with one of each kind of thing that a folder can hold. */
function everything(root: string): void {
  mkdirSync(`${root}/sub/deeper`, { recursive: true });
  writeFileSync(`${root}/plain.txt`, 'content');
  writeFileSync(`${root}/empty`, '');
  writeFileSync(`${root}/setuid`, '#!/bin/sh\n');
  chmodSync(`${root}/setuid`, 0o6751);
  writeFileSync(`${root}/closed`, 'nobody reads this', { mode: 0o000 });
  chmodSync(`${root}/closed`, isRoot ? 0o000 : 0o400);
  chmodSync(`${root}/sub`, 0o1777);
  writeFileSync(`${root}/sub/large`, Buffer.alloc(3_000_000, 'large '));
  writeFileSync(`${root}/twin`, Buffer.alloc(600_000, 'twin '));
  writeFileSync(`${root}/sub/twin`, Buffer.alloc(600_000, 'twin '));
  linkSync(`${root}/plain.txt`, `${root}/sub/hard`);
  linkSync(`${root}/plain.txt`, `${root}/another`);
  symlinkSync('plain.txt', `${root}/link`);
  symlinkSync('/nowhere/at/all', `${root}/dangling`);
  symlinkSync('../..', `${root}/sub/up`);
  lutimesSync(`${root}/dangling`, 1, 1_234_567);
  execFileSync('mkfifo', [`${root}/fifo`]);
  for (const name of [
    Buffer.from([0xff, 0xfe, 0x0a]),
    Buffer.from('größe'),
    Buffer.from('back\\slash\t'),
    Buffer.from(' -rf'),
  ])
    writeFileSync(Buffer.concat([Buffer.from(`${root}/sub/deeper/`), name]), name);
  const sparse = openSync(`${root}/sparse`, 'w');
  writeSync(sparse, 'begin', 0);
  writeSync(sparse, 'end', 8_000_000);
  closeSync(sparse);
  truncateSync(`${root}/sparse`, 10_000_000);
  utimesSync(`${root}/plain.txt`, 1, 1_500_000_000.25);
  utimesSync(`${root}/sub/deeper`, 1, 981_173_106);
}

function attributes(path: string): string {
  return execFileSync('getfattr', ['-h', '-d', '-m', '-', '-e', 'hex', '--absolute-names', path], {
    encoding: 'utf8',
  }).replaceAll(path, '');
}

describe('a captured folder comes back as it was', () => {
  test('with every kind of entry', async () => {
    using folder = scratch();
    const [source, target] = [folder.at('source'), folder.at('target')];
    everything(source);
    const captured = await captureQuietly({ path: source });
    expect(captured.fingerprint).toHaveLength(21);
    expect(captured.capture.sizeBytes).toBe(
      7 + 10 + 17 + 3_000_000 + 1_200_000 + 10_000_000 + 3 + 7 + 11 + 4,
    );
    expect(await restoreAndCompare({ path: target }, captured)).toMatchObject({ ...SAME, equal: 21 });

    // Not only by our own eyes.
    const listed = (root: string): string =>
      execFileSync('find', ['.', '-printf', '%p %y %m %U %G %s %T@ %l %n\\n'], {
        cwd: root,
        encoding: 'latin1',
      })
        .split('\n')
        .map((line) => (/ d /.test(line) ? line.replace(/( d \S+ \S+ \S+) \d+/, '$1') : line))
        .sort()
        .join('\n');
    expect(listed(target)).toBe(listed(source));
    expect(
      spawnSync('diff', ['-r', '--no-dereference', '-x', 'fifo', source, target]).stdout.toString(),
    ).toBe('');
    expect(lstatSync(`${target}/another`).ino).toBe(lstatSync(`${target}/sub/hard`).ino);
    expect(lstatSync(`${target}/fifo`).isFIFO()).toBe(true);
    expect(readlinkSync(`${target}/dangling`)).toBe('/nowhere/at/all');
    expect(statSync(`${target}/sparse`).blocks * 512).toBeLessThan(1_000_000);
  });

  test('with extended attributes and ACLs, also where the target’s folder hands its own down', async () => {
    using folder = scratch();
    const source = folder.at('source');
    mkdirSync(`${source}/sub`, { recursive: true });
    writeFileSync(`${source}/file`, 'x');
    execFileSync('setfattr', ['-n', 'user.note', '-v', '0x00ff0a', `${source}/file`]);
    execFileSync('setfattr', ['-n', 'user.empty', `${source}/sub`]);
    execFileSync('setfacl', ['-m', 'u:12345:rw,d:g:54321:rx', `${source}/sub`]);
    execFileSync('setfacl', ['-m', 'u:12345:r', `${source}/file`]);
    if (isRoot) {
      execFileSync('setfattr', ['-n', 'trusted.secret', '-v', 'mine', `${source}/file`]);
      // cap_net_bind_service+ep, as a version 2 capability (linux/capability.h).
      execFileSync('setfattr', [
        '-n',
        'security.capability',
        '-v',
        '0x0100000200040000000000000000000000000000',
        `${source}/file`,
      ]);
    }
    mkdirSync(folder.at('heir'));
    execFileSync('setfacl', ['-m', 'd:u:777:rwx', folder.at('heir')]);
    const target = folder.at('heir', 'target');

    const captured = await captureQuietly({ path: source });
    expect((captured.capture.content as FilesContent).attributeNamespaces).toEqual(
      isRoot ? ['security', 'system', 'trusted', 'user'] : ['system', 'user'],
    );
    expect(await restoreAndCompare({ path: target }, captured)).toMatchObject(SAME);
    for (const name of ['', '/sub', '/file'])
      expect(attributes(target + name)).toBe(attributes(source + name));
  });

  test('a single file', async () => {
    using folder = scratch();
    writeFileSync(folder.at('one'), 'only me', { mode: 0o640 });
    const captured = await captureQuietly({ path: folder.at('one') });
    expect(captured.fingerprint.map(({ object }) => object)).toEqual(['file/.']);
    expect(await restoreAndCompare({ path: folder.at('two') }, captured)).toMatchObject(SAME);
    expect(readFileSync(folder.at('two'), 'utf8')).toBe('only me');
    mkdirSync(folder.at('three'));
    expect(await restoreAndCompare({ path: folder.at('three') }, captured)).toMatchObject(SAME);
    expect(readFileSync(folder.at('three'), 'utf8')).toBe('only me');
  });

  test('an empty folder, and one by a link to it', async () => {
    using folder = scratch();
    mkdirSync(folder.at('source'), { mode: 0o2750 });
    symlinkSync('source', folder.at('alias'));
    const captured = await captureQuietly({ path: folder.at('alias') });
    expect(await restoreAndCompare({ path: folder.at('target') }, captured)).toMatchObject(SAME);
    expect(lstatSync(folder.at('target')).isDirectory()).toBe(true);
  });

  testUnless(isRoot ? undefined : 'only root can give files to others')('owners, as root', async () => {
    using folder = scratch();
    mkdirSync(folder.at('source'));
    writeFileSync(folder.at('source', 'theirs'), 'x');
    symlinkSync('theirs', folder.at('source', 'link'));
    chownSync(folder.at('source', 'theirs'), 4_000_000_000, 3_000_001);
    execFileSync('chown', ['-h', '12:34', folder.at('source', 'link')]);
    const captured = await captureQuietly({ path: folder.at('source') });
    expect(await restoreAndCompare({ path: folder.at('target') }, captured)).toMatchObject(SAME);
    expect(statSync(folder.at('target', 'theirs'))).toMatchObject({ uid: 4_000_000_000, gid: 3_000_001 });
    expect(lstatSync(folder.at('target', 'link'))).toMatchObject({ uid: 12, gid: 34 });
  });

  test('without what is excluded', async () => {
    using folder = scratch();
    mkdirSync(folder.at('source', 'cache'), { recursive: true });
    for (const name of ['keep', 'a.log', 'cache/x']) writeFileSync(folder.at('source', name), name);
    const captured = await captureQuietly({ path: folder.at('source'), exclude: ['*.log', 'cache/'] });
    expect(captured.fingerprint.map(({ object }) => object)).toEqual(['file/.', 'file/keep']);
    expect(await restoreAndCompare({ path: folder.at('target') }, captured)).toMatchObject(SAME);
  });

  test('many small files need few blobs', async () => {
    using folder = scratch();
    mkdirSync(folder.at('source'));
    for (let index = 0; index < 3000; index += 1) writeFileSync(folder.at('source', `f${index}`), `${index}`);
    const captured = await captureQuietly({ path: folder.at('source') });
    expect(captured.blobs.contents.size).toBeLessThanOrEqual(3);
    expect(await restoreAndCompare({ path: folder.at('target') }, captured)).toMatchObject({
      ...SAME,
      equal: 3001,
    });
  });

  test('sockets and devices are named as left out', async () => {
    using folder = scratch();
    mkdirSync(folder.at('s'));
    const server = createServer().listen(folder.at('s', 'socket'));
    await new Promise((resolve) => server.once('listening', resolve));
    try {
      const { capture } = await captureQuietly({ path: folder.at('s') });
      const socket = capture.coverage.outside.find(({ code }) => code === 'files.socket');
      expect(socket?.message).toContain('socket');
    } finally {
      server.close();
    }
  });

  test('names outside of the tree are named', async () => {
    using folder = scratch();
    mkdirSync(folder.at('s'));
    writeFileSync(folder.at('s', 'inside'), 'x');
    linkSync(folder.at('s', 'inside'), folder.at('outside'));
    const { capture } = await captureQuietly({ path: folder.at('s') });
    expect(capture.coverage.outside.map(({ code }) => code)).toContain('files.hard-link');
  });
});

test('random trees come back as they were', async () => {
  using folder = scratch();
  const name = fc
    .uint8Array({ minLength: 1, maxLength: 12 })
    .map((bytes) => Buffer.from(bytes.map((byte) => (byte === 0 || byte === 0x2f ? 0x5f : byte))))
    .filter((bytes) => !/^\.{1,2}$/.test(bytes.toString('latin1')));
  const kind = fc.oneof(
    {
      weight: 4,
      arbitrary: fc.record({
        kind: fc.constant('file' as const),
        content: fc.uint8Array({ maxLength: 20_000 }),
        repeat: fc.integer({ min: 1, max: 40 }),
      }),
    },
    { weight: 2, arbitrary: fc.record({ kind: fc.constant('folder' as const) }) },
    { weight: 1, arbitrary: fc.record({ kind: fc.constant('symlink' as const), content: name }) },
    { weight: 1, arbitrary: fc.record({ kind: fc.constant('hard' as const) }) },
    { weight: 1, arbitrary: fc.record({ kind: fc.constant('hole' as const), sizeBytes: fc.nat(3_000_000) }) },
  );
  const step = fc.record({
    name,
    what: kind,
    mode: fc.integer({ min: 0, max: 0o777 }),
    times: fc.integer({ min: -1_000_000, max: 2_000_000_000 }),
    where: fc.nat(),
  });
  let runs = 0;
  await fc.assert(
    fc.asyncProperty(fc.array(step, { maxLength: 25 }), async (steps) => {
      const source = folder.at(`s${runs}`);
      const target = folder.at(`t${runs}`);
      runs += 1;
      mkdirSync(source);
      const folders = [Buffer.from(source)];
      const files: Buffer[] = [];
      for (const { name: base, what, mode, times, where } of steps) {
        const path = Buffer.concat([folders[where % folders.length]!, Buffer.from('/'), base]);
        try {
          if (what.kind === 'folder') mkdirSync(path);
          else if (what.kind === 'symlink') symlinkSync(what.content, path);
          else if (what.kind === 'hard') linkSync(files[where % files.length] ?? path, path);
          else if (what.kind === 'hole') {
            writeFileSync(path, 'x', { flag: 'wx' });
            truncateSync(path, what.sizeBytes);
          } else writeFileSync(path, Buffer.concat(Array(what.repeat).fill(what.content)), { flag: 'wx' });
        } catch (error) {
          if (['EEXIST', 'ENOENT'].includes(String((error as NodeJS.ErrnoException).code))) continue;
          throw error;
        }
        if (what.kind === 'folder') folders.push(path);
        if (what.kind === 'file') files.push(path);
        if (what.kind !== 'symlink') {
          utimesSync(path, times, times + 0.5);
          chmodSync(path, isRoot ? mode : mode | 0o700);
        }
      }
      const captured = await captureQuietly({ path: source });
      expect(await restoreAndCompare({ path: target }, captured)).toMatchObject({
        ...SAME,
        equal: captured.fingerprint.length,
      });
      const again = await captureQuietly({ path: target });
      expect(again.fingerprint).toEqual(captured.fingerprint);
    }),
    { numRuns: 15, endOnFailure: true },
  );
});

describe('one thing changed is named', () => {
  const cases: readonly [string, string, (target: string) => void][] = [
    ['a byte', 'file/sub/large', (t) => patch(`${t}/sub/large`, 1_500_000)],
    ['a byte of a small file, with its times kept', 'file/plain.txt', (t) => patch(`${t}/plain.txt`, 3)],
    ['a mode', 'file/setuid', (t) => chmodSync(`${t}/setuid`, 0o755)],
    ['a time, by a nanosecond’s thousandfold', 'file/empty', (t) => utimesSync(`${t}/empty`, 1, 1.000001)],
    [
      'a link’s target',
      'file/link',
      (t) => {
        rmSync(`${t}/link`);
        symlinkSync('empty', `${t}/link`);
      },
    ],
    ['a file gone', 'file/empty', (t) => rmSync(`${t}/empty`)],
    ['a file more', 'file/sub/new', (t) => writeFileSync(`${t}/sub/new`, '')],
    ['a name', 'file/renamed', (t) => renameSync(`${t}/empty`, `${t}/renamed`)],
    [
      'a hard link cut',
      'file/sub/hard',
      (t) => execFileSync('sh', ['-c', 'cp -p "$1" "$1.x" && mv "$1.x" "$1"', 'sh', `${t}/sub/hard`]),
    ],
    [
      'an attribute',
      'file/empty',
      (t) => execFileSync('setfattr', ['-n', 'user.a', '-v', 'b', `${t}/empty`]),
    ],
    ['the root’s mode', 'file/.', (t) => chmodSync(t, 0o700)],
  ];
  let captured: Captured;
  beforeAll(async () => {
    using folder = scratch();
    everything(folder.at('source'));
    chmodSync(folder.at('source'), 0o755);
    captured = await captureQuietly({ path: folder.at('source') });
  });

  test.each(cases)('%s', async (_, object, change) => {
    using folder = scratch();
    const target = folder.at('target');
    await using held = await load({ path: target }, captured);
    await held.release();
    change(target);
    const { differences } = await compareFingerprints(
      stream(captured.fingerprint),
      observe({ path: target }),
      0,
    );
    expect(differences.map((difference) => difference.object)).toContain(object);
    expect(differences.length).toBeLessThanOrEqual(5);
  });
});

/** Flips a byte and gives the file its time back. */
function patch(path: string, offset: number): void {
  const { atimeMs, mtimeMs } = statSync(path);
  const fd = openSync(path, 'r+');
  writeSync(fd, '!', offset);
  closeSync(fd);
  utimesSync(path, atimeMs / 1000, mtimeMs / 1000);
}
