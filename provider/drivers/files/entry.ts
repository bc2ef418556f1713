import type { BigIntStats } from 'node:fs';

export type EntryKind = 'directory' | 'file' | 'symlink' | 'fifo';

/** One thing in the tree as one look at it showed. */
export interface Entry {
  /** Relative to the root, which itself has the empty path. */
  readonly path: Buffer;
  readonly kind: EntryKind;
  /** Permission bits with setuid, setgid and sticky. */
  readonly mode: number;
  readonly uid: number;
  readonly gid: number;
  /** Of a file's content; 0 for all else. */
  readonly sizeBytes: number;
  /** What is on disk; less than the size where the file has holes. */
  readonly allocatedBytes: number;
  readonly mtimeNs: bigint;
  readonly ctimeNs: bigint;
  /** When the inode was made; 0 where the file system does not keep it. */
  readonly birthNs: bigint;
  readonly dev: bigint;
  readonly ino: bigint;
  readonly links: number;
  /** Where a symbolic link points. */
  readonly target?: Buffer;
}

/** The kind that is captured, or undefined for sockets and devices. */
export function kindOf(stats: BigIntStats): EntryKind | undefined {
  if (stats.isFile()) return 'file';
  if (stats.isDirectory()) return 'directory';
  if (stats.isSymbolicLink()) return 'symlink';
  return stats.isFIFO() ? 'fifo' : undefined;
}

export function entryOf(path: Buffer, kind: EntryKind, stats: BigIntStats, target?: Buffer): Entry {
  return {
    path,
    kind,
    mode: Number(stats.mode & 0o7777n),
    uid: Number(stats.uid),
    gid: Number(stats.gid),
    sizeBytes: kind === 'file' ? Number(stats.size) : 0,
    allocatedBytes: Number(stats.blocks) * 512,
    mtimeNs: stats.mtimeNs,
    ctimeNs: stats.ctimeNs,
    birthNs: stats.birthtimeNs,
    dev: stats.dev,
    ino: stats.ino,
    links: Number(stats.nlink),
    target,
  };
}

/**
 * Equal for two looks exactly when nothing of the inode changed in between: any change of content, attributes,
 * owner, mode or links moves its change time, which no call can set (inode(7)).
 */
export function signatureOf(entry: Entry): string {
  return `${entry.dev}:${entry.ino}:${entry.ctimeNs}:${entry.mtimeNs}:${entry.sizeBytes}:${entry.mode}:${entry.uid}:${entry.gid}:${entry.links}`;
}

/** Which inode it is: equal for hard links, and never for one that was made anew under the same number. */
export function inodeOf(entry: Entry): string {
  return `${entry.dev}:${entry.ino}:${entry.birthNs}`;
}

/** A file with holes: less on disk than its content is long. */
export function isSparse(entry: Entry): boolean {
  return entry.kind === 'file' && entry.allocatedBytes < entry.sizeBytes;
}
