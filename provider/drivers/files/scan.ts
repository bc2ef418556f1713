import { StasisError } from '../../core/errors.ts';
import type { Entry } from './entry.ts';
import type { FileSystem } from './filesystem.ts';
import type { Processes } from './mappings.ts';
import { textOfPath } from './path-text.ts';

export type SkippedKind = 'socket' | 'device' | 'mount';

export interface Skipped {
  readonly path: Buffer;
  readonly kind: SkippedKind;
}

/**
 * A machine's wall clock, nanoseconds since the Unix epoch, read at one instant between two readings of its monotonic
 * clock.
 */
export interface ClockReading {
  readonly wallNs: bigint;
  readonly monotonicFromNs: bigint;
  readonly monotonicToNs: bigint;
}

/** One look at everything in a tree. */
export interface Scan {
  /** Parents before what is in them, siblings by their bytes. */
  readonly entries: readonly Entry[];
  /** What is there and never captured. */
  readonly skipped: readonly Skipped[];
  /** File systems in the tree, by device number. */
  readonly fileSystems: ReadonlyMap<bigint, FileSystem>;
  /** Folders that could not be listed: what is in them is unknown. */
  readonly unlistable: readonly Buffer[];
  /** The machine's wall clock just before the first look, nanoseconds since the Unix epoch, not later than it was. */
  readonly startedAtNs: bigint;
  /** The same after the last look. */
  readonly endedAtNs: bigint;
  /** The machine's clocks, where they are not ours. */
  readonly clock?: ClockReading;
  /** The machine's processes after the last look, where the scan has brought them along. */
  readonly processes?: Processes;
}

const SLASH = Buffer.from('/');

/** Where an entry is. */
export function absolute(root: Buffer, path: Buffer): Buffer {
  return path.length === 0 ? root : Buffer.concat([root, SLASH, path]);
}

/** Where an entry of a folder is, relative to the root. */
export function childOf(path: Buffer, name: Buffer): Buffer {
  return path.length === 0 ? name : Buffer.concat([path, SLASH, name]);
}

/** What the root of a scan lies on. */
export function rootFileSystem(scan: Scan): FileSystem | undefined {
  const [root] = scan.entries;
  return root && scan.fileSystems.get(root.dev);
}

export function missing(root: Buffer): StasisError {
  return new StasisError('files.missing', `${textOfPath(root)} does not exist.`, {
    hint: 'Give the path of a folder or file that exists on the member’s host.',
    at: ['path'],
  });
}
