import { spawn } from 'node:child_process';
import { once } from 'node:events';
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
import type { Session } from '../../core/driver.ts';
import type { StasisError } from '../../core/errors.ts';
import { compareFingerprints } from '../../core/fingerprint.ts';
import type { Capture } from '../../core/manifest.ts';
import type { Blobs } from '../../core/store.ts';
import { excluder } from './selection.ts';
import { lookUntilSettled } from './stillness.ts';

/** Programs are started, on machines that may be busy. */
jest.setTimeout(120_000);

const signal = new AbortController().signal;

function tree(root: string): void {
  mkdirSync(`${root}/sub`, { recursive: true });
  for (let index = 0; index < 20; index += 1) writeFileSync(`${root}/f${index}`, `content ${index}`);
  writeFileSync(`${root}/sub/big`, Buffer.alloc(2_000_000, 'big '));
}

/** Runs something right after a number of bytes were handed to the store. */
function disturbed(blobs: Blobs, afterBytes: number, disturb: () => void): Blobs {
  let passed = 0;
  let done = false;
  async function* watched(content: AsyncIterable<Uint8Array>): AsyncGenerator<Uint8Array> {
    for await (const chunk of content) {
      yield chunk;
      passed += chunk.length;
      if (done || passed < afterBytes) continue;
      done = true;
      disturb();
    }
  }
  return { ...blobs, put: (content, options) => blobs.put(watched(content), options) };
}

async function code(work: Promise<unknown>): Promise<string> {
  return work.then(
    () => 'none',
    (error: StasisError) => error.code,
  );
}

/** Looks until two in a row are equal, as a coordinator does it: the epoch of the cut. */
async function stillCut(taken: Session, looks = 200): Promise<string> {
  for (let look = 1; ; look += 1) {
    const first = await taken.watch!.epoch(signal);
    const second = await taken.watch!.epoch(signal);
    if (first.value === second.value && !first.unprovable && !second.unprovable) return second.value;
    if (look >= looks) throw new Error(`never still: ${second.unprovable}`);
  }
}

/** Until nothing is lost, as a coordinator does it; how many cuts it took. */
async function converge(taken: Session, blobs: Blobs, rounds: number): Promise<[Capture, number]> {
  for (let round = 1; ; round += 1) {
    const epoch = await stillCut(taken, rounds);
    try {
      const capture = await taken.copy(blobs);
      expect(capture.epoch).toBe(epoch);
      return [capture, round];
    } catch (error) {
      if ((error as StasisError).code !== 'cut.lost' || round >= rounds) throw error;
    }
  }
}

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

describe('a capture under load', () => {
  interface Load {
    /** Until it has changed something once more. */
    step(): Promise<void>;
    stop(): Promise<void>;
  }

  /**
   * Changes something again and again, by its own process: `change` with a root `r` and a counter `n`, and then a pause
   * as `pause` makes it of `pace`, in milliseconds. The pace is that of several looks, which take longer where others
   * are busy too. It has begun when this returns.
   */
  async function busy(change: string, root: string, pause = 'Math.random() * pace'): Promise<Load> {
    const sentMs = performance.now();
    await lookUntilSettled(Buffer.from(root), excluder(), signal);
    const paceMs = Math.max(300, 6 * (performance.now() - sentMs));
    const script = `const fs = require('fs'); const r = process.argv[1]; const pace = ${paceMs}; let n = 0;
      const go = () => { ${change}; process.stdout.write('.'); setTimeout(go, ${pause}); }; go();`;
    const child = spawn(process.execPath, ['-e', script, root], { stdio: ['ignore', 'pipe', 'inherit'] });
    const closed = once(child, 'close');
    const step = async (): Promise<void> => {
      if ((await Promise.race([once(child.stdout, 'data'), closed.then(() => undefined)])) === undefined)
        throw new Error('the load has ended by itself');
    };
    await step();
    return {
      step,
      stop: async () => {
        child.kill();
        await closed;
      },
    };
  }

  const LOADS: readonly [string, string][] = [
    ['a growing log', "fs.appendFileSync(r + '/f1', 'line\\n')"],
    ['new files all the time', "fs.writeFileSync(r + '/new' + n++, 'x'.repeat(500))"],
    [
      'a storm of renames',
      "const a = r + '/f' + (n % 20), b = r + '/sub/g' + (n % 20); n++; fs.existsSync(a) ? fs.renameSync(a, b) : fs.renameSync(b, a)",
    ],
    [
      'files written beside and renamed over',
      "fs.writeFileSync(r + '/.t', 'v' + n++); fs.renameSync(r + '/.t', r + '/f5')",
    ],
  ];

  test.each(LOADS)('%s: converges with a preload', async (_, change) => {
    using folder = scratch();
    tree(folder.path);
    await using taken = await session({ path: folder.path });
    const load = await busy(change, folder.path);
    try {
      const blobs = memoryBlobs();
      await taken.preload!(blobs);
      const [, rounds] = await converge(taken, blobs, 200);
      expect(rounds).toBeLessThan(200);
    } finally {
      await load.stop();
    }
  });

  test.each(LOADS)('%s: and without one, as what was lost is read at the next cut', async (_, change) => {
    using folder = scratch();
    tree(folder.path);
    await using taken = await session({ path: folder.path });
    const load = await busy(change, folder.path);
    try {
      const [capture] = await converge(taken, memoryBlobs(), 200);
      expect(capture.summary).toMatch(/files$/);
    } finally {
      await load.stop();
    }
  });

  test.each([
    ['a folder into which files are put', "fs.writeFileSync(r+'/n'+n++,'x')", 0],
    [
      'a link that is put in the place of another',
      "fs.symlinkSync('f'+n++,r+'/.part');fs.renameSync(r+'/.part',r+'/latest')",
      1,
    ],
  ])('%s all the time is lost seldom or never', async (_, change, allowed) => {
    using folder = scratch();
    tree(folder.path);
    const load = await busy(change, folder.path, 'pace');
    try {
      await using taken = await session({ path: folder.path });
      const blobs = memoryBlobs();
      await taken.preload!(blobs);
      const lost: string[] = [];
      for (let cut = 0; cut < 4; cut += 1) {
        await stillCut(taken);
        // What the cut saw is put out of the way before it is copied.
        await load.step();
        await taken.copy(blobs).catch((error: StasisError) => lost.push(`${error.code}: ${error.message}`));
      }
      expect(lost.slice(allowed)).toEqual([]);
    } finally {
      await load.stop();
    }
  });

  test('that never rests can be smeared, and says over how long', async () => {
    using folder = scratch();
    tree(folder.path);
    await using taken = await session({ path: folder.path });
    const load = await busy(
      "for (let i = 0; i < 5; i++) fs.writeFileSync(r + '/f' + (n++ % 40), 'x'.repeat(n % 9000)); fs.rmSync(r + '/f' + (n % 40), { force: true })",
      folder.path,
      '1',
    );
    try {
      const blobs = memoryBlobs();
      const smear = await taken.smear!(blobs);
      expect(smear.toNs).toBeGreaterThan(smear.fromNs);
      expect(smear.reason).not.toBe('');
      const capture = await taken.copy(blobs);
      expect(capture.epoch).toBeUndefined();
      const fingerprint = await collect(taken.fingerprint(blobs));
      using target = scratch();
      await using held = await load_(target.at('t'), folder.path, capture, fingerprint.length, blobs);
      const same = await compareFingerprints(stream(fingerprint), held.fingerprint(), 0);
      expect(same.differences).toEqual([]);
    } finally {
      await load.stop();
    }
  });

  function load_(
    target: string,
    source: string,
    capture: Capture,
    entries: number,
    blobs: ReturnType<typeof memoryBlobs>,
  ) {
    return load({ path: target }, { member: memberOf({ path: source }, capture, entries), blobs });
  }
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
