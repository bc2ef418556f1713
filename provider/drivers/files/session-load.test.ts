import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { describe, expect, jest, test } from '@jest/globals';
import { memoryBlobs } from '../../../test/support/context.ts';
import {
  collect,
  host,
  load,
  memberOf,
  scratch,
  session,
  stream,
} from '../../../test/support/files-capture.ts';
import { converge, stillCut, tree } from '../../../test/support/files-session.ts';
import type { StasisError } from '../../core/errors.ts';
import { compareFingerprints } from '../../core/fingerprint.ts';
import type { Capture } from '../../core/manifest.ts';
import { accessTo } from './access.ts';
import { excluder } from './selection.ts';
import { lookUntilSettled } from './stillness.ts';

/** Programs are started, on machines that may be busy. */
jest.setTimeout(120_000);

const signal = new AbortController().signal;

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
    await lookUntilSettled(accessTo(host), Buffer.from(root), excluder(), signal);
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
