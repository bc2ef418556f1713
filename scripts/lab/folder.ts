import { createHash } from 'node:crypto';
import { access, readdir, readFile, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { command, succeeds } from './command.ts';
import { labFolder } from './root.ts';

const END_MS = 20_000;

/** Where the labs that are up, or were, have their files: a folder each. */
export function labsFolder(): string {
  return join(labFolder(), 'up');
}

/** What the lab's control groups are called, one a host. Labs of other cache folders have other names. */
export function cgroupPrefix(folder: string): string {
  return `stasis-lab-${createHash('sha256').update(folder).digest('hex').slice(0, 12)}`;
}

/**
 * Whether a lab is up: all of its processes that matter hold the lock on its folder, from before the first of them
 * does anything until the kernel has ended the last.
 */
export async function isUp(folder: string): Promise<boolean> {
  return !(await succeeds(['flock', '-n', folder, 'true']));
}

/** Ends a lab, if it is up, and removes what is left of it. Idempotent. */
export async function endLab(folder: string): Promise<void> {
  if (!(await exists(folder))) return;
  await killKeeper(folder);
  if (!(await succeeds(['flock', '-w', String(END_MS / 1000), folder, 'true'], 2 * END_MS)))
    throw new Error(`the lab in ${folder} does not end`);
  const link = await readFile(join(folder, 'link'), 'utf8').catch(() => '');
  // The kernel takes it away by itself, some time after the namespace that it leads to.
  if (link !== '') await succeeds(['ip', 'link', 'delete', link.trim()]);
  await removeGroups(folder);
  await untilReleased(folder);
  await rm(folder, { recursive: true, force: true });
}

/** Removes what labs have left whose processes were killed. */
export async function sweepLabs(): Promise<void> {
  for (const name of await readdir(labsFolder()).catch(() => [])) {
    const folder = join(labsFolder(), name);
    if (!(await isUp(folder))) await endLab(folder);
  }
}

async function exists(path: string): Promise<boolean> {
  return access(path).then(
    () => true,
    () => false,
  );
}

/** Found by its arguments: no file could tell of it in time, should whoever starts it be killed. */
async function killKeeper(folder: string): Promise<void> {
  for (const pid of (await readdir('/proc')).filter((name) => /^\d+$/.test(name))) {
    const argv = (await readFile(`/proc/${pid}/cmdline`, 'utf8').catch(() => '')).split('\0');
    if (!argv.includes(folder) || !argv.some((part) => part.endsWith('/lab/keeper.sh'))) continue;
    try {
      process.kill(Number(pid), 'SIGKILL');
    } catch {
      // Ended meanwhile, with one that was killed before it.
    }
  }
}

const REMOVE_GROUPS = `
mount -t cgroup2 cgroup2 "$1"
for group in "$1/$2"-*; do
  [ -d "$group" ] || continue
  echo 1 > "$group/cgroup.kill"
  tries=100
  until find "$group" -depth -type d -exec rmdir {} +; do
    tries=$((tries - 1))
    [ $tries -gt 0 ] || exit 1
    sleep 0.1
  done
done`;

/** Control groups outlive their processes. Found by a mount of our own: the machine need have none. */
async function removeGroups(folder: string): Promise<void> {
  const unshare = ['unshare', '--mount', '--propagation', 'private'];
  await command([...unshare, 'sh', '-c', REMOVE_GROUPS, 'groups', folder, cgroupPrefix(folder)]);
}

/** A loop device lets go of its file soon after the last mount of it is gone. */
async function untilReleased(folder: string): Promise<void> {
  const until = Date.now() + END_MS;
  while (
    (await command(['losetup', '--list', '--noheadings', '--output', 'BACK-FILE'])).includes(`${folder}/`)
  ) {
    if (Date.now() > until) throw new Error(`a loop device does not let go of a file in ${folder}`);
    await sleep(50);
  }
}
