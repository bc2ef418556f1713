import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { which } from '../setup/programs.ts';
import { command } from './command.ts';

const PROGRAMS = ['unshare', 'nsenter', 'flock', 'losetup', 'mount', 'chroot', 'ip', 'ssh', 'ssh-keygen'];

/**
 * Tries, one after the other, what making a host takes, in namespaces that end with it. Each step says what could not
 * be done.
 */
const TRIAL = `
mount -t tmpfs tmpfs "$1" || { echo >&2 "no file system can be mounted"; exit 1; }
mkdir "$1/lower" "$1/upper" "$1/work" "$1/merged" "$1/cgroup"
mount -t overlay -o "lowerdir=$1/lower,upperdir=$1/upper,workdir=$1/work" overlay "$1/merged" || { echo >&2 "no overlay file system can be mounted"; exit 1; }
mount -t cgroup2 cgroup2 "$1/cgroup" || { echo >&2 "no cgroup2 hierarchy can be mounted"; exit 1; }
mkdir "$1/cgroup/$2" && rmdir "$1/cgroup/$2" || { echo >&2 "no control group can be made"; exit 1; }
mknod "$1/null" c 1 3 || { echo >&2 "no device file can be made"; exit 1; }
grep -qw btrfs /proc/filesystems || modprobe btrfs || { echo >&2 "the kernel has no btrfs"; exit 1; }
losetup -f >/dev/null || { echo >&2 "there is no loop device"; exit 1; }
ip link add lab-trial type veth peer name lab-peer || { echo >&2 "no virtual network link can be made"; exit 1; }
`;

/** Why this machine cannot host the lab; undefined where it can. Changes nothing. */
export async function whyNoLab(): Promise<string | undefined> {
  if (process.platform !== 'linux') return 'the lab takes Linux';
  if (process.getuid?.() !== 0) return 'the lab takes root: it makes namespaces and mounts';
  for (const program of PROGRAMS)
    if (!(await which(program))) return `the lab takes ${program}, which is not on PATH`;
  const folder = await mkdtemp(join(tmpdir(), 'stasis-lab-trial-'));
  const namespaces = ['--mount', '--pid', '--net', '--uts', '--ipc', '--cgroup', '--propagation', 'private'];
  try {
    await command([
      ...['unshare', ...namespaces, '--fork', '--kill-child'],
      ...['sh', '-c', TRIAL, 'trial'],
      ...[folder, `stasis-lab-trial-${process.pid}`],
    ]);
    return undefined;
  } catch (error) {
    return `this machine cannot host the lab: ${(error as Error).message.split('\n').at(-1)}`;
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}
