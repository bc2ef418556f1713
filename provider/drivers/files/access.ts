import type { Host } from '../../core/host.ts';
import type { ContentDigest } from './content-hash.ts';
import type { Entry, EntryKind } from './entry.ts';
import { farAccess } from './far/access.ts';
import type { Room } from './filesystem.ts';
import { localAccess } from './here/access.ts';
import type { Processes } from './mappings.ts';
import type { OwnerNames } from './owners.ts';
import type { Scan } from './scan.ts';
import type { Excluded } from './selection.ts';

/**
 * How a file is to be read: `exact` as an earlier look showed it, or not at all; `moving` as it comes, however it
 * changes meanwhile.
 */
export type Care = 'exact' | 'moving';

export interface WholeFile {
  /** As seen after the last byte was read. */
  readonly entry: Entry;
  readonly data: Buffer;
}

/** What is in a file, as of now; undefined where it is gone. */
export type DigestOf = (entry: Entry) => Promise<ContentDigest | undefined>;

/**
 * Looks at a tree and reads it, where it is: by system calls on the machine that we are on, by commands on any other.
 * Both see the same and mean the same by it. What must not be read is `files.unreadable`.
 */
export interface TreeReader {
  /** For how long a look is repeated where something had just changed, ms. */
  readonly settleMs: number;
  /** @throws StasisError `files.missing` */
  scan(root: Buffer, excluded: Excluded, signal: AbortSignal): Promise<Scan>;
  /** Of all processes that there are now. */
  processes(signal: AbortSignal): Promise<Processes>;
  /** Each entry as it is now; undefined where there is none any more that is captured. */
  look(root: Buffer, entries: readonly Entry[], signal: AbortSignal): Promise<readonly (Entry | undefined)[]>;
  /** All of small files, in their order; undefined for what is gone or, read exactly, no longer as it was. */
  wholes(
    root: Buffer,
    entries: readonly Entry[],
    care: Care,
    signal: AbortSignal,
  ): AsyncIterable<WholeFile | undefined>;
  /**
   * A large file piece by piece, as long as it was when opened. `done` is told how it looked after the last byte.
   * @throws Changed when it is gone or, read exactly, no longer as it was.
   */
  pieces(
    root: Buffer,
    entry: Entry,
    care: Care,
    done: (entry: Entry) => void,
    signal: AbortSignal,
  ): AsyncIterable<Buffer>;
  /** Of these files, read anew. */
  digests(root: Buffer, entries: readonly Entry[], signal: AbortSignal): Promise<DigestOf>;
  /** Whoever looks again and again says so, and closes it in the end. Not for several at once. */
  keepOpen(): void;
  close(): void;
  /** Those of the files that we must not read. */
  closed(root: Buffer, entries: readonly Entry[], signal: AbortSignal): Promise<readonly Buffer[]>;
}

/** What stands at a path, which is not followed. */
export interface Standing {
  readonly kind: EntryKind | 'other';
  /** Permission bits with setuid, setgid and sticky. */
  readonly mode: number;
  readonly dev: bigint;
  readonly ino: bigint;
  readonly birthNs: bigint;
}

/** Who we are on the machine, and which one it is. */
export interface Self {
  readonly uid: number;
  /** All groups that we are in. */
  readonly groups: readonly number[];
  /** As Node calls it: `linux`. */
  readonly platform: string;
  /** Equal for two accesses exactly when a path means the same in both: the kernel's boot, and what is mounted. */
  readonly paths: string;
  /** Equal exactly for the same kernel, whatever is mounted: there an inode is known by its numbers. */
  readonly inodes: string;
}

/** Single steps on paths. They throw errors with the code of the system call that failed (`ENOENT`), as Node does. */
export interface Steps {
  self(): Promise<Self>;
  owners(): Promise<OwnerNames>;
  /** As the user means it. @throws StasisError `files.relative-path` where there is no folder to begin from */
  absolute(path: string): string;
  realPath(path: string): Promise<string>;
  standing(path: string): Promise<Standing | undefined>;
  isEmpty(folder: string): Promise<boolean>;
  /** Whether we may make and rename entries in a folder. */
  isWritable(folder: string): Promise<boolean>;
  /** Whether a file system is mounted exactly here. */
  isMountPoint(realPath: string): Promise<boolean>;
  room(folder: string): Promise<Room>;
  /** For us alone. */
  makeFolder(path: string): Promise<void>;
  removeEmptyFolder(path: string): Promise<void>;
  /** By one rename(2), never by a copy. */
  rename(from: string, to: string): Promise<void>;
  chmod(path: Buffer, mode: number): Promise<void>;
  /** Undefined where there is none, or none that we may read. */
  readText(path: string): Promise<string | undefined>;
  /** Replaces a file as a whole; durable on return. */
  writeText(path: string, text: string): Promise<void>;
  removeFile(path: string): Promise<void>;
  /** Makes renames in a folder survive a power cut. */
  syncFolder(path: string): Promise<void>;
}

/** All that is done to a tree where it is. */
export interface TreeAccess extends TreeReader, Steps {
  readonly host: Host;
  /** What is missing there for any of it; empty where nothing is. */
  missingTools(): Promise<readonly string[]>;
}

/** The one place where it is decided: system calls are for the machine that we are on. */
export function accessTo(host: Host): TreeAccess {
  return host.place === undefined ? localAccess(host) : farAccess(host);
}
