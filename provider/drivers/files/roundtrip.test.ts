import { execFileSync, spawnSync } from 'node:child_process';
import {
  chownSync,
  linkSync,
  lstatSync,
  mkdirSync,
  readFileSync,
  readlinkSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { createServer } from 'node:net';
import { describe, expect, jest, test } from '@jest/globals';
import { captureQuietly, restoreAndCompare, scratch } from '../../../test/support/files-capture.ts';
import { everything } from '../../../test/support/files-everything.ts';
import { testUnless } from '../../../test/support/skipped.ts';
import type { FilesContent } from './content.ts';

/** Each starts many programs, on machines that may be busy. */
jest.setTimeout(240_000);

const isRoot = process.getuid?.() === 0;
const SAME = { differences: [], differenceCount: 0 };

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
    // One entry each, and that one has holes.
    expect(captured.fingerprint).toHaveLength(22);
    expect(captured.capture.sizeBytes).toBe(
      7 + 10 + 17 + 3_000_000 + 1_200_000 + 10_000_000 + 3 + 7 + 11 + 4,
    );
    expect(await restoreAndCompare({ path: target }, captured)).toMatchObject({ ...SAME, equal: 22 });

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
