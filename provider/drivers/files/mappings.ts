import { type Entry, inodeOf } from './entry.ts';

/** Files that some process can change without moving their times, because their pages are mapped and already dirty. */
export interface Mappings {
  /** Inodes of the tree (see `inodeOf`) that are mapped shared and writable. */
  readonly mapped: ReadonlySet<string>;
  /** Processes of other users than root that must not be looked at and may write some file of the tree. */
  readonly hidden: readonly number[];
  /** How many processes of root must not be looked at. */
  readonly unseenRoot: number;
}

/** What the processes of a machine have mapped shared and writable. */
export interface Processes {
  readonly shared: SharedInodes;
  /** Those that must not be looked at, but for kernel threads and zombies, which map nothing. */
  readonly unseen: readonly Unseen[];
}

/** By inode number, the devices (`major:minor`) that have it. */
export type SharedInodes = ReadonlyMap<bigint, ReadonlySet<string>>;

export interface Unseen {
  readonly pid: number;
  readonly uid: number;
  readonly groups: readonly number[];
}

/** `address perms offset major:minor inode path` (proc_pid_maps(5)), of mappings both writable and shared. */
const SHARED_WRITABLE = /^\S+ .w.s \S+ ([0-9a-f]+):([0-9a-f]+) (\d+)/gm;

/** Adds what a process's `maps` file says. */
export function addShared(found: Map<bigint, Set<string>>, maps: string): void {
  for (const [, major = '', minor = '', inode = ''] of maps.matchAll(SHARED_WRITABLE)) {
    const devices = found.get(BigInt(inode)) ?? new Set();
    found.set(BigInt(inode), devices.add(`${Number.parseInt(major, 16)}:${Number.parseInt(minor, 16)}`));
  }
}

/**
 * Who a process is by its `status` file (proc_pid_status(5)); undefined for what maps nothing of anybody's, and for what
 * has ended, which has no such file any more.
 */
export function unseenOf(pid: number, statusOf: (pid: number) => string | undefined): Unseen | undefined {
  const status = statusOf(pid) ?? '';
  if (fieldOf(status, 'VmSize') === '' || servesLogin(status, statusOf)) return undefined;
  const groups = [numbersIn(status, 'Gid')[FILE_SYSTEM_ID] ?? 0, ...numbersIn(status, 'Groups')];
  return { pid, uid: numbersIn(status, 'Uid')[FILE_SYSTEM_ID] ?? 0, groups };
}

/**
 * sshd serves each login by a process of that user, a child of root's own, into which nobody else may look: it is
 * ourselves, where we are logged in as another than root.
 */
function servesLogin(status: string, statusOf: (pid: number) => string | undefined): boolean {
  if (!SSHD.test(fieldOf(status, 'Name'))) return false;
  const parent = statusOf(Number(fieldOf(status, 'PPid'))) ?? '';
  return SSHD.test(fieldOf(parent, 'Name')) && numbersIn(parent, 'Uid')[FILE_SYSTEM_ID] === 0;
}

const SSHD = /^sshd(-session)?$/;
/** The last of four. */
const FILE_SYSTEM_ID = 3;

/** Of a process's `status`, all that is read of it. */
export const STATUS_FIELDS: readonly string[] = ['Name', 'PPid', 'Uid', 'Gid', 'Groups', 'VmSize'];

function fieldOf(status: string, field: string): string {
  return status.match(new RegExp(`^${field}:[ \\t]*(.*)$`, 'm'))?.[1] ?? '';
}

function numbersIn(status: string, field: string): number[] {
  return fieldOf(status, field)
    .split(/\s+/)
    .filter((text) => text !== '')
    .map(Number);
}

/**
 * Judges what processes have mapped of a tree. They must have been looked at after the scan whose times it backs: a
 * mapping made later moves the change time with its first write.
 */
export function mappingsOf(entries: readonly Entry[], { shared, unseen }: Processes): Mappings {
  const files = entries.filter((entry) => entry.kind === 'file');
  const mapped = files.filter((file) => shared.size > 0 && isMapped(file, shared)).map(inodeOf);
  return { mapped: new Set(mapped), ...judgeUnseen(unseen, files) };
}

/**
 * The device of a mapping is that of the super block. On btrfs and overlay files have another one, so there the inode
 * alone has to do: sooner a mapping too many than one too few.
 */
function isMapped(file: Entry, found: SharedInodes): boolean {
  const devices = found.get(file.ino);
  if (devices === undefined) return false;
  return devices.has(numbersOf(file.dev)) || majorOf(file.dev) === ANONYMOUS_MAJOR;
}

/** File systems without a block device of their own have device numbers with major 0. */
export const ANONYMOUS_MAJOR = 0;

/** makedev(3), as glibc and the kernel pack it. */
export function majorOf(dev: bigint): number {
  return Number(((dev & 0xfff00n) >> 8n) | ((dev & 0xfffff00000000000n) >> 32n));
}

/** `major:minor`, as the kernel's files have it. */
export function numbersOf(dev: bigint): string {
  return `${majorOf(dev)}:${Number((dev & 0xffn) | ((dev & 0xffffff00000n) >> 12n))}`;
}

/**
 * Of processes that must not be looked at, those count that own a file of the tree, or may write one by its group or
 * by everybody's bits. Root's are only told of: root may write anything, and there is nearly always some supervisor
 * that nobody else may look into, so that nothing would ever be proven.
 */
function judgeUnseen(
  unseen: readonly Unseen[],
  files: readonly Entry[],
): Pick<Mappings, 'hidden' | 'unseenRoot'> {
  if (unseen.length === 0) return { hidden: [], unseenRoot: 0 };
  const owners = new Set(files.map((file) => file.uid));
  const groups = new Set(files.filter((file) => file.mode & 0o020).map((file) => file.gid));
  const openToAll = files.some((file) => file.mode & 0o002);
  const hidden: number[] = [];
  let unseenRoot = 0;
  for (const process of unseen) {
    const mayWrite =
      openToAll || owners.has(process.uid) || process.groups.some((group) => groups.has(group));
    if (process.uid === 0) unseenRoot += 1;
    else if (mayWrite) hidden.push(process.pid);
  }
  return { hidden, unseenRoot };
}
