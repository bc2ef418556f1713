import { execFileSync, spawn } from 'node:child_process';
import {
  appendFileSync,
  chmodSync,
  existsSync,
  linkSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  symlinkSync,
  truncateSync,
  utimesSync,
  writeFileSync,
} from 'node:fs';
import { describe, expect, jest, test } from '@jest/globals';
import { testContext } from '../../../test/support/context.ts';
import { host, scratch, session } from '../../../test/support/files-capture.ts';
import { testUnless } from '../../../test/support/skipped.ts';
import type { EpochReading } from '../../core/driver.ts';
import { sleep } from '../../core/wait.ts';
import { accessTo } from './access.ts';
import { fileSystemAt } from './here/filesystem.ts';
import type { ClockReading } from './scan.ts';
import { excluder } from './selection.ts';
import { isSettled, lookUntilSettled, StepDetector } from './stillness.ts';

/** Programs are started, on machines that may be busy. */
jest.setTimeout(120_000);

const signal = new AbortController().signal;

/** Two readings with something between them. */
async function around(
  path: string,
  change: () => void | Promise<void>,
): Promise<[EpochReading, EpochReading]> {
  await using taken = await session({ path });
  const before = await taken.watch!.epoch(signal);
  await change();
  return [before, await taken.watch!.epoch(signal)];
}

function tree(root: string): void {
  mkdirSync(`${root}/sub`, { recursive: true });
  writeFileSync(`${root}/a`, 'aaaa');
  writeFileSync(`${root}/sub/b`, 'bbbb');
  symlinkSync('a', `${root}/link`);
}

describe('an epoch', () => {
  test('is equal and provable while nothing changes, also when everything is read', async () => {
    using folder = scratch();
    tree(folder.path);
    const [before, after] = await around(folder.path, () => {
      execFileSync('grep', ['-r', 'aaaa', folder.path]);
      execFileSync('ls', ['-laR', folder.path]);
    });
    expect(after.value).toBe(before.value);
    expect([before.unprovable, after.unprovable]).toEqual([undefined, undefined]);
    expect(before.acknowledgedNs).toBeGreaterThan(before.sentNs);
    expect(after.sentNs).toBeGreaterThanOrEqual(before.acknowledgedNs);
  });

  test.each<[string, (root: string) => void]>([
    ['an append', (root) => appendFileSync(`${root}/a`, 'x')],
    ['a write of the same length', (root) => writeFileSync(`${root}/a`, 'AAAA')],
    [
      'a write whose times are set back',
      (root) => {
        const { atime, mtime } = statSync(`${root}/a`);
        writeFileSync(`${root}/a`, 'AAAA');
        utimesSync(`${root}/a`, atime, mtime);
      },
    ],
    ['a truncation', (root) => truncateSync(`${root}/a`, 0)],
    ['a mode', (root) => chmodSync(`${root}/a`, 0o600)],
    ['an attribute', (root) => execFileSync('setfattr', ['-n', 'user.x', '-v', 'y', `${root}/a`])],
    ['a hard link', (root) => linkSync(`${root}/a`, `${root}/sub/c`)],
    ['a rename', (root) => renameSync(`${root}/a`, `${root}/z`)],
    [
      'a rename there and back',
      (root) => {
        renameSync(`${root}/a`, `${root}/z`);
        renameSync(`${root}/z`, `${root}/a`);
      },
    ],
    [
      'a file replaced by an equal one',
      (root) => {
        execFileSync('cp', ['-p', `${root}/a`, `${root}/n`]);
        renameSync(`${root}/n`, `${root}/a`);
      },
    ],
    [
      'a file made and removed',
      (root) => {
        writeFileSync(`${root}/n`, '');
        rmSync(`${root}/n`);
      },
    ],
    [
      'a link moved',
      (root) => {
        rmSync(`${root}/link`);
        symlinkSync('b', `${root}/link`);
      },
    ],
  ])('differs after %s', async (_, change) => {
    using folder = scratch();
    tree(folder.path);
    const [before, after] = await around(folder.path, () => change(folder.path));
    expect(after.value).not.toBe(before.value);
  });

  test('never equals an earlier one while a file is overwritten as fast as it goes', async () => {
    using folder = scratch();
    tree(folder.path);
    await using taken = await session({ path: folder.path });
    const seen = new Set<string>();
    for (let index = 0; index < 60; index += 1) {
      writeFileSync(folder.at('a'), `${index % 10}`.repeat(4));
      const reading = await taken.watch!.epoch(signal);
      if (reading.unprovable === undefined) {
        expect(seen.has(reading.value)).toBe(false);
        seen.add(reading.value);
      }
    }
    expect(seen.size).toBeGreaterThan(0);
  });

  test('does not see what is excluded, but sees its folder change', async () => {
    using folder = scratch();
    tree(folder.path);
    mkdirSync(folder.at('cache'));
    await using taken = await session({ path: folder.path, exclude: ['cache'] });
    const before = await taken.watch!.epoch(signal);
    writeFileSync(folder.at('cache', 'x'), 'x');
    expect((await taken.watch!.epoch(signal)).value).toBe(before.value);
    rmSync(folder.at('cache'), { recursive: true });
    expect((await taken.watch!.epoch(signal)).value).not.toBe(before.value);
  });
});

describe('a scan is no proof', () => {
  const mapper = `
import mmap, sys, time
f = open(sys.argv[1], 'r+b')
m = mmap.mmap(f.fileno(), 0)
m[0] = ord('1')
print('mapped', flush=True)
for line in sys.stdin:
    m[0] = ord(line[0])
    print('written', flush=True)
`;

  test('while a process writes through a mapping', async () => {
    using folder = scratch();
    tree(folder.path);
    await using taken = await session({ path: folder.path });
    const child = spawn('python3', ['-c', mapper, folder.at('sub', 'b')], {
      stdio: ['pipe', 'pipe', 'inherit'],
    });
    try {
      await new Promise((resolve) => child.stdout.once('data', resolve));
      await sleep(30);
      const before = await taken.watch!.epoch(signal);
      child.stdin.write('2\n');
      await new Promise((resolve) => child.stdout.once('data', resolve));
      const after = await taken.watch!.epoch(signal);
      // This is why: the bytes have changed, and nothing that a scan sees has.
      expect(readFileSync(folder.at('sub', 'b'), 'utf8')).toBe('2bbb');
      expect(after.value).toBe(before.value);
      expect(before.unprovable).toMatch(/mapped sub\/b for writing/);
      expect(after.unprovable).toMatch(/mapped sub\/b for writing/);
    } finally {
      child.stdin.end();
      await new Promise((resolve) => child.once('close', resolve));
    }
    await sleep(30);
    expect((await taken.watch!.epoch(signal)).unprovable).toBeUndefined();
  });

  test('and a mapping that came and went between two scans has moved the times', async () => {
    using folder = scratch();
    tree(folder.path);
    const [before, after] = await around(folder.path, () => {
      execFileSync('python3', ['-c', mapper, folder.at('a')], { input: '3\n' });
    });
    expect(after.value).not.toBe(before.value);
  });

  const inMemory = existsSync('/dev/shm') && fileSystemAt('/dev/shm').name === 'tmpfs';
  const NO_TMPFS = inMemory ? undefined : '/dev/shm is no tmpfs here';
  testUnless(NO_TMPFS)('on a file system in memory, where such a mapping leaves no trace', async () => {
    const root = mkdtempSync('/dev/shm/stasis-files-');
    try {
      tree(root);
      const [before, after] = await around(root, () => {
        const readFirst = mapper.replace("m[0] = ord('1')", "x = m[0]; time.sleep(0.05); m[0] = ord('1')");
        execFileSync('python3', ['-c', readFirst, `${root}/a`], { input: '' });
      });
      expect(readFileSync(`${root}/a`, 'utf8')).toBe('1aaa');
      expect(after.value).toBe(before.value);
      expect(before.unprovable).toMatch(/tmpfs/);
    } finally {
      rmSync(root, { recursive: true });
    }
  });

  test('of what had changed within a tick', async () => {
    using folder = scratch();
    tree(folder.path);
    const scan = await accessTo(host).scan(Buffer.from(folder.path), excluder(), signal);
    const entry = scan.entries.find(({ path }) => path.toString() === 'a')!;
    const at = (ms: number, ctimeNs = entry.ctimeNs): boolean =>
      isSettled({ ...entry, ctimeNs }, { ...scan, startedAtNs: ctimeNs + BigInt(ms) * 1_000_000n });
    expect([at(0), at(9), at(11)]).toEqual([false, false, true]);
    // Whole seconds are those of a file system that knows no finer ones.
    const whole = 1_700_000_000_000_000_000n;
    expect([at(11, whole), at(1_999, whole), at(2_001, whole)]).toEqual([false, false, true]);
    // A time in the future never settles.
    expect(at(-10_000)).toBe(false);
  });

  test('and is repeated until it is one', async () => {
    using folder = scratch();
    tree(folder.path);
    const look = await lookUntilSettled(accessTo(host), Buffer.from(folder.path), excluder(), signal);
    expect(look.unprovable).toBeUndefined();
    expect(look.scan.entries.every((entry) => isSettled(entry, look.scan))).toBe(true);
  });
});

test('a wall clock that is set moves the epoch; one that is slewed does not', () => {
  const detector = new StepDetector();
  expect(detector.read(reading(1_000_000, 0))).toBe(0);
  expect(detector.read(reading(1_001_000, 1_000))).toBe(0);
  expect(detector.read(reading(1_061_030, 61_000))).toBe(0);
  expect(detector.read(reading(1_060_000, 62_000))).toBe(1);
  expect(detector.read(reading(1_061_000, 63_000))).toBe(1);
});

test('of clocks that are read less exactly, what lies within the readings is no step', () => {
  const detector = new StepDetector();
  expect(detector.read(reading(1_000_000, 0, 20))).toBe(0);
  expect(detector.read(reading(1_001_022, 1_000, 1_020))).toBe(0);
  expect(detector.read(reading(1_002_090, 2_000, 2_020))).toBe(1);
  expect(detector.read(reading(1_003_000, 3_000, 3_020))).toBe(2);
});

function reading(wallMs: number, fromMs: number, toMs = fromMs): ClockReading {
  const ns = (ms: number): bigint => BigInt(ms) * 1_000_000n;
  return { wallNs: ns(wallMs), monotonicFromNs: ns(fromMs), monotonicToNs: ns(toMs) };
}

test('while ten thousand entries are looked at others get their turn, and what a look costs is what the last one took', async () => {
  using folder = scratch();
  for (let at = 0; at < 10_000; at += 1) {
    if (at % 200 === 0) mkdirSync(folder.at(`d${at / 200}`));
    writeFileSync(folder.at(`d${Math.floor(at / 200)}`, `f${at}`), '');
  }
  await using taken = await session({ path: folder.path }, testContext());
  let turns = 0;
  const timer = setInterval(() => {
    turns += 1;
  }, 1);
  const first = await taken.watch!.epoch(signal);
  clearInterval(timer);
  expect(turns).toBeGreaterThan(0);
  const tookMs = ({ sentNs, acknowledgedNs }: EpochReading): number => (acknowledgedNs - sentNs) / 1e6;
  expect(taken.watch!.costMs).toBe(tookMs(first));
  const second = await taken.watch!.epoch(signal);
  expect(taken.watch!.costMs).toBe(tookMs(second));
});
