import { execFile } from 'node:child_process';
import { mkdir, mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';

const run = promisify(execFile);
const MOUNT_MS = 10_000;

/**
 * Mounts a file system of its own in memory at `path`, which is made. Disposal unmounts it.
 * @param options of mount: `size=64k`, `ro`
 * @throws where this process may not mount
 */
export async function mountSmallDisk(path: string, options: string): Promise<AsyncDisposable> {
  await mkdir(path, { recursive: true });
  await run('mount', ['-t', 'tmpfs', '-o', options, 'stasis-test', path], { timeout: MOUNT_MS });
  return {
    async [Symbol.asyncDispose]() {
      await run('umount', [path], { timeout: MOUNT_MS });
    },
  };
}

/** Why this machine cannot have one, tried once; undefined where it can. */
export async function whyNoSmallDisk(): Promise<string | undefined> {
  if (process.getuid?.() !== 0) return 'only root can mount a small disk';
  const folder = await mkdtemp(join(tmpdir(), 'stasis-mount-'));
  try {
    await using _disk = await mountSmallDisk(join(folder, 'disk'), 'size=64k');
    return undefined;
  } catch (error) {
    return `no small disk can be mounted here: ${(error as Error).message.split('\n')[0]}`;
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}
