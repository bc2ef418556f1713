import { mkdir, readdir, readFile, rmdir, stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';

const V1 = '/sys/fs/cgroup/blkio';
const V2 = '/sys/fs/cgroup';

/**
 * Lets a process and what it starts from now on read no more often than so from the disk that a folder is on, by a
 * control group of ours. Disposal lifts it.
 * @throws Error where the machine has neither version of the block controller, or we may not use it
 */
export async function slowDisk(pid: number, folder: string, readsPerS: number): Promise<AsyncDisposable> {
  const { dev } = await stat(folder);
  // As makedev of Linux packs them.
  const device = `${(dev >> 8) & 0xfff}:${(dev & 0xff) | ((dev >> 12) & 0xfff00)}`;
  const old = await readdir(V1).then(
    () => true,
    () => false,
  );
  const parent = old ? V1 : V2;
  const group = join(parent, `stasis-bench-${process.pid}-${pid}`);
  if (!old) await writeFile(join(V2, 'cgroup.subtree_control'), '+io');
  await mkdir(group);
  if (old) await writeFile(join(group, 'blkio.throttle.read_iops_device'), `${device} ${readsPerS}`);
  else await writeFile(join(group, 'io.max'), `${device} riops=${readsPerS}`);
  await moveAll([pid], group);
  return {
    async [Symbol.asyncDispose]() {
      const left = await readFile(join(group, 'cgroup.procs'), 'utf8');
      await moveAll(
        left.split('\n').filter((line) => line !== ''),
        parent,
      );
      await rmdir(group);
    },
  };
}

async function moveAll(pids: readonly (number | string)[], group: string): Promise<void> {
  for (const pid of pids)
    await writeFile(join(group, 'cgroup.procs'), String(pid)).catch((error: NodeJS.ErrnoException) => {
      // It has ended meanwhile.
      if (error.code !== 'ESRCH') throw error;
    });
}
