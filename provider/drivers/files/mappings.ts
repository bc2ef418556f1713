import { readdirSync, readFileSync } from 'node:fs';
import { type Entry, inodeOf } from './entry.ts';
import { ifThere, isCode } from './system-calls.ts';

/** Files that some process can change without moving their times, because their pages are mapped and already dirty. */
export interface Mappings {
  /** Inodes of the tree (see `inodeOf`) that are mapped shared and writable. */
  readonly mapped: ReadonlySet<string>;
  /** Processes of other users than root that must not be looked at and may write some file of the tree. */
  readonly hidden: readonly number[];
  /** How many processes of root must not be looked at. */
  readonly unseenRoot: number;
}

/** `address perms offset major:minor inode path` (proc_pid_maps(5)), of mappings both writable and shared. */
const SHARED_WRITABLE = /^\S+ .w.s \S+ ([0-9a-f]+):([0-9a-f]+) (\d+)/gm;

/**
 * Looks through the mappings of every process that may be seen. It must run after the scan whose times it backs: a
 * mapping made later moves the change time with its first write.
 */
export function sharedMappings(entries: readonly Entry[]): Mappings {
  const files = entries.filter((entry) => entry.kind === 'file');
  const found = new Map<bigint, Set<string>>();
  const unseen: number[] = [];
  for (const name of readdirSync('/proc')) {
    if (!/^[0-9]+$/.test(name)) continue;
    const maps = readMaps(name);
    if (maps === 'hidden') unseen.push(Number(name));
    else
      for (const [, major = '', minor = '', inode = ''] of maps?.matchAll(SHARED_WRITABLE) ?? []) {
        const devices = found.get(BigInt(inode)) ?? new Set();
        found.set(BigInt(inode), devices.add(`${Number.parseInt(major, 16)}:${Number.parseInt(minor, 16)}`));
      }
  }
  const mapped = files.filter((file) => found.size > 0 && isMapped(file, found)).map(inodeOf);
  return { mapped: new Set(mapped), ...judgeUnseen(unseen, files) };
}

/**
 * The device of a mapping is that of the super block. On btrfs and overlay files have another one, so there the inode
 * alone has to do: sooner a mapping too many than one too few.
 */
function isMapped(file: Entry, found: ReadonlyMap<bigint, ReadonlySet<string>>): boolean {
  const devices = found.get(file.ino);
  if (devices === undefined) return false;
  const major = majorOf(file.dev);
  return devices.has(`${major}:${minorOf(file.dev)}`) || major === ANONYMOUS_MAJOR;
}

/** File systems without a block device of their own have device numbers with major 0. */
const ANONYMOUS_MAJOR = 0;

/** makedev(3), as glibc and the kernel pack it. */
function majorOf(dev: bigint): number {
  return Number(((dev & 0xfff00n) >> 8n) | ((dev & 0xfffff00000000000n) >> 32n));
}

function minorOf(dev: bigint): number {
  return Number((dev & 0xffn) | ((dev & 0xffffff00000n) >> 12n));
}

function readMaps(pid: string): string | 'hidden' | undefined {
  try {
    return ifThere(() => readFileSync(`/proc/${pid}/maps`, 'latin1'));
  } catch (error) {
    if (isCode(error, 'EACCES', 'EPERM')) return 'hidden';
    throw error;
  }
}

/**
 * Of processes that must not be looked at, those count that own a file of the tree, or may write one by its group or
 * by everybody's bits. Root's are only told of: root may write anything, and there is nearly always some supervisor
 * that nobody else may look into, so that nothing would ever be proven.
 */
function judgeUnseen(
  pids: readonly number[],
  files: readonly Entry[],
): Pick<Mappings, 'hidden' | 'unseenRoot'> {
  if (pids.length === 0) return { hidden: [], unseenRoot: 0 };
  const owners = new Set(files.map((file) => file.uid));
  const groups = new Set(files.filter((file) => file.mode & 0o020).map((file) => file.gid));
  const openToAll = files.some((file) => file.mode & 0o002);
  const hidden: number[] = [];
  let unseenRoot = 0;
  for (const pid of pids) {
    const identity = identityOf(pid);
    if (identity === undefined) continue;
    const mayWrite =
      openToAll || owners.has(identity.uid) || identity.groups.some((group) => groups.has(group));
    if (identity.uid === 0) unseenRoot += 1;
    else if (mayWrite) hidden.push(pid);
  }
  return { hidden, unseenRoot };
}

/** Who a process is (proc_pid_status(5)); undefined for kernel threads and zombies, which map nothing. */
function identityOf(pid: number): { readonly uid: number; readonly groups: readonly number[] } | undefined {
  const status = ifThere(() => readFileSync(`/proc/${pid}/status`, 'latin1'));
  if (status === undefined || !/^VmSize:/m.test(status)) return undefined;
  const numbers = (field: string): number[] =>
    (status.match(new RegExp(`^${field}:[ \\t]*(.*)$`, 'm'))?.[1] ?? '')
      .split(/\s+/)
      .filter((text) => text !== '')
      .map(Number);
  // The last of the four is the file system's id.
  return { uid: numbers('Uid')[3] ?? 0, groups: [numbers('Gid')[3] ?? 0, ...numbers('Groups')] };
}
