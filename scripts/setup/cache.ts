import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdir } from 'node:fs/promises';
import { homedir } from 'node:os';
import { join } from 'node:path';

/** Where built tools are kept, outside the checkout: `$XDG_CACHE_HOME/stasis`, else `~/.cache/stasis`. */
export function cacheFolder(): string {
  const base = process.env.XDG_CACHE_HOME;
  return join(base === undefined || base === '' ? join(homedir(), '.cache') : base, 'stasis');
}

/** How long one waits for another process that does the same work, a cold build of the largest tool. */
const WAIT_S = 1_800;

/**
 * Does `work` while no other process does work of the same name. The lock is the kernel's, on a file in the cache
 * folder, held by a child that ends when its input closes: it cannot outlive us, however we die.
 */
export async function alone<T>(name: string, work: () => Promise<T>): Promise<T> {
  const folder = join(cacheFolder(), 'locks');
  await mkdir(folder, { recursive: true });
  const holder = spawn(
    'flock',
    ['-w', String(WAIT_S), join(folder, name), 'sh', '-c', 'echo held; exec cat'],
    {
      stdio: ['pipe', 'pipe', 'ignore'],
    },
  );
  const ended = once(holder, 'close');
  try {
    const answer = await Promise.race([once(holder.stdout, 'data'), ended]);
    if (!String(answer[0]).startsWith('held'))
      throw new Error(`another process has been busy with "${name}" for ${WAIT_S / 60} minutes`);
    return await work();
  } finally {
    holder.stdin.end();
    await ended.catch(() => undefined);
  }
}
