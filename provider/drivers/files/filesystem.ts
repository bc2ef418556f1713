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
  [0x794c7630, 'overlay'], // as good as the file system of its upper folder
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
const PSEUDO: ReadonlyMap<number, string> = new Map([
  [0x9fa0, 'proc'],
  [0x62656572, 'sysfs'],
  [0x64626720, 'debugfs'],
  [0x74726163, 'tracefs'],
  [0x63677270, 'cgroup2'],
  [0x27e0eb, 'cgroup'],
  [0x1cd1, 'devpts'],
  [0xcafe4a11, 'bpf'],
  [0x73636673, 'securityfs'],
  [0x62656570, 'configfs'],
  [0x19800202, 'mqueue'],
]);
export const PSEUDO_NAMES: readonly string[] = [...PSEUDO.values()];

/** What is mounted is called otherwise than its magic number says where several share one. */
const MOUNTED_AS: Readonly<Record<string, string>> = {
  ext2: 'ext4',
  ext3: 'ext4',
  nfs4: 'nfs',
  smb3: 'smb2',
  fuseblk: 'fuse',
};

export interface FileSystem {
  /** `ext4`, or the magic number in hexadecimal. */
  readonly name: string;
  readonly pseudo: boolean;
  /** Why equal scans would be no proof here. */
  readonly unprovable?: string;
  /** A file takes less than its length exactly where it has holes: it is not packed, nor kept elsewhere. */
  readonly tellsHoles: boolean;
}

/** What may still be written on a file system. */
export interface Room {
  readonly freeBytes: number;
  readonly freeInodes: number;
}

const PROVABLE_NAMES: ReadonlySet<string> = new Set(PROVABLE.values());

/** @param upper what the upper folder of an overlay lies on; nothing where it cannot be seen, as inside a container */
export function fileSystemOf(name: string, upper: readonly string[] = []): FileSystem {
  const weak = [name, ...upper].find((each) => !PROVABLE_NAMES.has(each));
  const unprovable =
    weak === undefined
      ? undefined
      : `it lies on ${weak}, where files can change while their times stay as they are`;
  const tellsHoles = [name, ...upper].every((each) => ALLOCATES.has(each));
  return { name, pseudo: PSEUDO_NAMES.includes(name), unprovable, tellsHoles };
}

/** By the magic number of statfs(2). */
export function nameOfMagic(type: number): string {
  const known = PROVABLE.get(type) ?? UNPROVABLE.get(type) ?? PSEUDO.get(type);
  return known ?? `a file system of type 0x${type.toString(16)}`;
}

/** By what mountinfo says. */
export function nameOfMounted(type: string): string {
  const name = type.startsWith('fuse.') ? 'fuse' : (MOUNTED_AS[type] ?? type);
  const known = [PROVABLE, UNPROVABLE, PSEUDO].some((names) => [...names.values()].includes(name));
  return known ? name : `a file system of type ${type}`;
}

export function roomOf(freeBytes: number, freeInodes: number, allInodes: number): Room {
  // Some file systems (btrfs) have no fixed number of inodes and say 0 of 0.
  return { freeBytes, freeInodes: allInodes === 0 ? Number.POSITIVE_INFINITY : freeInodes };
}
