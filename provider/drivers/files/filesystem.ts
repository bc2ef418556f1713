import { readFileSync, type StatsFs, statfsSync } from 'node:fs';
import { sep } from 'node:path';
import { ifThere } from './system-calls.ts';

const OVERLAY = 0x794c7630;

/**
 * File systems by the magic number of statfs(2) (linux/magic.h) on which a scan proves stillness: local ones whose
 * change time moves with every write, also with the first write through a new shared mapping (page_mkwrite). Not
 * tmpfs: there, a mapping that was read first is then written without any trace (tested in mappings.test.ts). Not
 * network and FUSE file systems: others write there unseen, by other clocks.
 */
const PROVABLE: ReadonlyMap<number, string> = new Map([
  [0xef53, 'ext4'], // ext2 and ext3 have the same
  [0x58465342, 'xfs'],
  [0x9123683e, 'btrfs'],
  [0xf2f52010, 'f2fs'],
  [0xca451a4e, 'bcachefs'],
  [OVERLAY, 'overlay'], // as good as the file system of its upper folder
]);

const UNPROVABLE: ReadonlyMap<number, string> = new Map([
  [0x01021994, 'tmpfs'],
  [0x858458f6, 'ramfs'],
  [0x6969, 'nfs'],
  [0xff534d42, 'cifs'],
  [0xfe534d42, 'smb2'],
  [0x65735546, 'fuse'],
  [0x01021997, '9p'],
  [0x00c36400, 'ceph'],
  [0x5346414f, 'afs'],
  [0x2fc12fc1, 'zfs'],
  [0x4d44, 'vfat'],
  [0x2011bab0, 'exfat'],
]);

const ALLOCATES: ReadonlySet<string> = new Set(['ext4', 'xfs', 'tmpfs', 'overlay']);

/** What the kernel makes up: nothing in it is an application's state. */
const PSEUDO: ReadonlySet<number> = new Set([
  0x9fa0, // proc
  0x62656572, // sysfs
  0x64626720, // debugfs
  0x74726163, // tracefs
  0x63677270, // cgroup2
  0x27e0eb, // cgroup
  0x1cd1, // devpts
  0xcafe4a11, // bpf
  0x73636673, // securityfs
  0x62656570, // configfs
  0x19800202, // mqueue
]);

export interface FileSystem {
  /** `ext4`, or the magic number in hexadecimal. */
  readonly name: string;
  readonly pseudo: boolean;
  /** Why equal scans would be no proof here. */
  readonly unprovable?: string;
  /** A file takes less than its length exactly where it has holes: it is not packed, nor kept elsewhere. */
  readonly tellsHoles: boolean;
  readonly freeBytes: number;
  readonly freeInodes: number;
}

export function fileSystemAt(path: string | Buffer): FileSystem {
  const stats = statfsSync(path);
  const name = nameOf(stats.type);
  const upper = stats.type === OVERLAY ? upperFileSystems(path) : [];
  const weak = PROVABLE.has(stats.type) ? upper.find((type) => !PROVABLE.has(type)) : stats.type;
  const unprovable =
    weak === undefined
      ? undefined
      : `it lies on ${nameOf(weak)}, where files can change while their times stay as they are`;
  const tellsHoles = [stats.type, ...upper].every((type) => ALLOCATES.has(nameOf(type)));
  return { name, pseudo: PSEUDO.has(stats.type), unprovable, tellsHoles, ...free(stats) };
}

function nameOf(type: number): string {
  return PROVABLE.get(type) ?? UNPROVABLE.get(type) ?? `a file system of type 0x${type.toString(16)}`;
}

/** What the upper folder of the overlay here lies on; nothing where it cannot be seen, as inside a container. */
function upperFileSystems(path: string | Buffer): number[] {
  const mount = mounts()
    .filter(({ type, point }) => type === 'overlay' && isWithin(path.toString(), point))
    .sort((a, b) => b.point.length - a.point.length)[0];
  const upper = mount?.options.match(/(?:^|,)upperdir=([^,]+)/)?.[1];
  if (upper === undefined) return [];
  const stats = ifThere(() => statfsSync(upper));
  return stats === undefined ? [] : [stats.type];
}

function free(stats: StatsFs): { freeBytes: number; freeInodes: number } {
  // Some file systems (btrfs) have no fixed number of inodes and say 0 of 0.
  const freeInodes = stats.files === 0 ? Number.POSITIVE_INFINITY : stats.ffree;
  return { freeBytes: stats.bavail * stats.bsize, freeInodes };
}

/** Whether a file system is mounted exactly here. */
export function isMountPoint(realPath: string): boolean {
  return mounts().some(({ point }) => point === realPath);
}

interface Mount {
  readonly point: string;
  readonly type: string;
  readonly options: string;
}

/** proc_pid_mountinfo(5): the mount point is the fifth field, and after ` - ` come type, source and options. */
function mounts(): Mount[] {
  return readFileSync('/proc/self/mountinfo', 'latin1')
    .split('\n')
    .filter((line) => line !== '')
    .map((line) => {
      const [before = '', after = ''] = line.split(' - ');
      const [type = '', , options = ''] = after.split(' ');
      return { point: unescapeOctal(before.split(' ')[4] ?? ''), type, options: unescapeOctal(options) };
    });
}

function unescapeOctal(field: string): string {
  const bytes = field.replace(/\\([0-7]{3})/g, (_, octal: string) =>
    String.fromCharCode(Number.parseInt(octal, 8)),
  );
  return Buffer.from(bytes, 'latin1').toString('utf8');
}

function isWithin(path: string, folder: string): boolean {
  return path === folder || path.startsWith(folder.endsWith(sep) ? folder : folder + sep);
}
