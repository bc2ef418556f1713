import { spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { chmodSync, chownSync, mkdirSync, readdirSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, jest, test } from '@jest/globals';
import { testContext } from '../../../test/support/context.ts';
import { host, scratch } from '../../../test/support/files-capture.ts';
import { testUnless } from '../../../test/support/skipped.ts';
import type { CapturePlan } from '../../core/driver.ts';
import type { Host } from '../../core/host.ts';
import { filesDriver } from './driver.ts';

/** Programs are started, on machines that may be busy. */
jest.setTimeout(120_000);

const isRoot = process.getuid?.() === 0;
const NOBODY = 65_534;

function plan(path: string, exclude?: string[], at: Host = host): Promise<CapturePlan> {
  return filesDriver.plan({ path, exclude }, at, testContext());
}

function codes(planned: CapturePlan): string[] {
  return planned.problems.map(({ code, severity }) => (severity === 'error' ? code : `(${code})`));
}

describe('the plan of a capture', () => {
  test('tells what it will be', async () => {
    using folder = scratch();
    writeFileSync(folder.at('a'), 'aaaa');
    symlinkSync(folder.path, folder.at('self'));
    const planned = await plan(folder.at('self'));
    expect(planned).toMatchObject({ problems: [], sizeBytes: 4, pauseMs: 0, folders: [folder.path] });
    expect(planned.identities).toEqual((await plan(folder.path)).identities);
    expect(planned.identities).toContainEqual(
      expect.stringMatching(new RegExp(`^files:[0-9a-f-]{36}/mnt:\\[\\d+\\]:${folder.path}$`)),
    );
  });

  test('is not in the way of a folder in which files come and go', async () => {
    using folder = scratch();
    const script = `const fs = require('node:fs');
      for (let n = 0; ; n += 1) {
        fs.writeFileSync(process.argv[1] + '/.part', String(n));
        fs.renameSync(process.argv[1] + '/.part', process.argv[1] + '/f' + (n % 300));
      }`;
    const writer = spawn(process.execPath, ['-e', script, folder.path], { stdio: 'ignore' });
    try {
      let seenPassing = 0;
      for (let look = 0; look < 100 && seenPassing < 4; look += 1) {
        if (readdirSync(folder.path).includes('.part')) seenPassing += 1;
        expect((await plan(folder.path)).problems).toEqual([]);
      }
      expect(seenPassing).toBe(4);
    } finally {
      writer.kill('SIGKILL');
      await once(writer, 'close');
    }
  });

  test('knows the same place by another name, and another place by its own', async () => {
    using folder = scratch();
    for (const name of ['a', 'b']) mkdirSync(folder.at(name));
    const [a, again, b] = await Promise.all([
      plan(folder.at('a')),
      plan(folder.at('b', '..', 'a/')),
      plan(folder.at('b')),
    ]);
    expect(a.identities).toEqual(again.identities);
    expect(a.identities.some((identity) => b.identities.includes(identity))).toBe(false);
    expect(filesDriver.endpoint({ path: folder.at('b', '..', 'a/') })).toBe(`file://${folder.at('a')}`);
  });

  test.each([
    ['nothing there', 'none', 'files.missing'],
    ['a link to nothing', 'dangling', 'files.missing'],
    ['a path through a file', 'file/x', 'files.missing'],
    ['a link to itself', 'loop', 'files.bad-path'],
    ['a pipe', 'pipe', 'files.not-a-folder'],
  ])('tells of %s', async (_, name, code) => {
    using folder = scratch();
    symlinkSync('nothing', folder.at('dangling'));
    symlinkSync('loop', folder.at('loop'));
    writeFileSync(folder.at('file'), '');
    spawnSync('mkfifo', [folder.at('pipe')]);
    const planned = await plan(folder.at(name));
    expect(codes(planned)).toEqual([code]);
    expect(planned.problems[0]).toMatchObject({ at: ['path'], message: expect.stringMatching(/\.$/) });
  });

  test('warns of missing programs, mapped files and file systems that prove nothing', async () => {
    using folder = scratch();
    writeFileSync(folder.at('a'), 'aaaa');
    const bare: Host = { ...host, which: async () => undefined };
    const planned = await plan(folder.path, [], bare);
    expect(codes(planned)).toEqual(['(files.attributes-tool-missing)']);
    expect(planned.outside.map(({ code }) => code)).toContain('files.attributes');
    expect(codes(await plan('/proc/self/fdinfo'))).toContain('files.not-a-folder');

    const script =
      "import mmap,sys\nf=open(sys.argv[1],'r+b')\nm=mmap.mmap(f.fileno(),0)\nprint('mapped',flush=True)\nsys.stdin.read()";
    const child = spawn('python3', ['-c', script, folder.at('a')], { stdio: ['pipe', 'pipe', 'inherit'] });
    try {
      await new Promise((resolve) => child.stdout.once('data', resolve));
      expect(codes(await plan(folder.path))).toEqual(['(files.not-provable)']);
      expect(codes(await plan(folder.path, ['a']))).toEqual([]);
    } finally {
      child.stdin.end();
      await new Promise((resolve) => child.once('close', resolve));
    }
  });

  test('tells what a host has for it', async () => {
    expect((await filesDriver.examine?.(host, testContext()))?.found.map(({ what }) => what)).toEqual([
      'tar',
      'getfattr',
      'setfattr',
    ]);
  });
});

describe('as another user than root', () => {
  const script = join(import.meta.dirname, '../../../test/support/files-as-user.ts');

  const mayRun = (): boolean =>
    spawnSync('test', ['-r', script, '-a', '-x', process.execPath], { uid: NOBODY, gid: NOBODY }).status ===
    0;
  const cannot = !isRoot
    ? 'only root can become another user'
    : mayRun()
      ? undefined
      : 'another user may not read this checkout';

  function asNobody(source: string, target: string): Record<string, unknown> {
    const done = spawnSync(process.execPath, [script, source, target], {
      uid: NOBODY,
      gid: NOBODY,
      encoding: 'utf8',
      env: { PATH: process.env.PATH ?? '' },
    });
    if (done.status !== 0) throw new Error(done.stderr);
    return JSON.parse(done.stdout);
  }

  testUnless(cannot)(
    'what is closed to it is named at plan time, and a capture ends with the same error',
    async () => {
      using folder = scratch();
      chmodSync(folder.path, 0o755);
      mkdirSync(folder.at('s', 'locked'), { recursive: true });
      writeFileSync(folder.at('s', 'secret'), 'x', { mode: 0o600 });
      expect(asNobody(folder.at('s'), folder.at('t'))).toMatchObject({
        plan: ['files.unreadable'],
        messages: [expect.stringContaining('secret')],
        copy: 'files.unreadable',
      });
      chmodSync(folder.at('s', 'secret'), 0o644);
      chmodSync(folder.at('s', 'locked'), 0o700);
      expect(asNobody(folder.at('s'), folder.at('t'))).toMatchObject({
        plan: ['files.unreadable'],
        messages: [expect.stringContaining('locked')],
        copy: 'files.unreadable',
      });
    },
  );

  testUnless(cannot)('others’ files can be captured, and their restore is refused at plan time', async () => {
    using folder = scratch();
    chmodSync(folder.path, 0o755);
    mkdirSync(folder.at('s'));
    writeFileSync(folder.at('s', 'open'), 'x', { mode: 0o644 });
    const result = asNobody(folder.at('s'), folder.at('t'));
    expect(result).toMatchObject({ plan: [], planRestore: ['files.rights', 'files.rights'] });
    expect(result.outside).toContain('files.unseen-process');
  });

  testUnless(cannot)(
    'its own come back, also closed folders and attributes of files that must not be written',
    async () => {
      using folder = scratch();
      chmodSync(folder.path, 0o777);
      mkdirSync(folder.at('s', 'deep', 'closed'), { recursive: true });
      writeFileSync(folder.at('s', 'deep', 'closed', 'f'), 'x');
      writeFileSync(folder.at('s', 'noted'), 'y');
      spawnSync('setfattr', ['-n', 'user.note', '-v', 'z', folder.at('s', 'noted')]);
      for (const name of ['s', 's/deep', 's/deep/closed', 's/deep/closed/f', 's/noted'])
        chownSync(folder.at(name), NOBODY, NOBODY);
      chmodSync(folder.at('s', 'noted'), 0o444);
      for (const name of ['s/deep/closed', 's/deep', 's']) chmodSync(folder.at(name), 0o555);
      expect(asNobody(folder.at('s'), folder.at('t'))).toMatchObject({
        plan: [],
        planRestore: [],
        compared: { differenceCount: 0, equal: 5 },
      });
    },
  );
});
