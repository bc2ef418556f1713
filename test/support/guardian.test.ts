import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, readFileSync } from 'node:fs';
import { mkdtemp, readdir, realpath, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';
import { sleep } from '../../provider/core/wait.ts';
import { guard } from './guardian.ts';
import { endServer } from './server-process.ts';

/** How long what a killed run leaves may be there. */
const GONE_MS = 20_000;
const TEST_MS = 120_000;

function isRunning(pid: number): boolean {
  try {
    return !/\) Z /.test(readFileSync(`/proc/${pid}/stat`, 'utf8'));
  } catch {
    return false;
  }
}

async function until(done: () => boolean | Promise<boolean>): Promise<boolean> {
  const untilMs = Date.now() + GONE_MS;
  while (!(await done())) {
    if (Date.now() > untilMs) return false;
    await sleep(50);
  }
  return true;
}

let folder: string;
beforeEach(async () => {
  folder = await mkdtemp(join(await realpath(tmpdir()), 'stasis-guarded-'));
});
afterEach(() => rm(folder, { recursive: true, force: true }));

/** How many guardians there are of this process, by the arguments that they were started with. */
async function guardiansOf({ pid }: ChildProcess): Promise<number> {
  const all = (await readdir('/proc')).filter((name) => /^\d+$/.test(name));
  const commands = all.map((one) => {
    try {
      return readFileSync(`/proc/${one}/cmdline`, 'latin1');
    } catch {
      return '';
    }
  });
  return commands.filter((command) => command.includes(`\0guardian\0${pid}\0`)).length;
}

describe('what a test has started', () => {
  test(
    'ends with the test’s process, though that was killed, and leaves no folder',
    async () => {
      const child = spawn(process.execPath, [join(import.meta.dirname, 'guardian-child.ts')], {
        env: { PATH: process.env.PATH, NODE_NO_WARNINGS: '1' },
        stdio: ['ignore', 'pipe', 'inherit'],
      });
      const [told] = (await once(child.stdout, 'data')) as [Buffer];
      const servers: { pid: number; folder: string }[] = JSON.parse(told.toString());
      expect(servers.length).toBeGreaterThan(0);
      expect(servers.filter(({ pid, folder }) => !isRunning(pid) || !existsSync(folder))).toEqual([]);
      child.kill('SIGKILL');
      const left = () => servers.filter(({ pid, folder }) => isRunning(pid) || existsSync(folder));
      expect({ gone: await until(() => left().length === 0), left: left() }).toEqual({
        gone: true,
        left: [],
      });
    },
    TEST_MS,
  );

  test('and ended in order is watched no longer, its folder left to whoever made it', async () => {
    const child = spawn('sleep', ['60'], { stdio: 'ignore' });
    guard(child, { folder });
    expect(await until(async () => (await guardiansOf(child)) === 1)).toBe(true);
    await endServer(child, 'SIGTERM', 1_000);
    expect(await until(async () => (await guardiansOf(child)) === 0)).toBe(true);
    expect(existsSync(folder)).toBe(true);
  });
});
