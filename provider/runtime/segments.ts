import { StasisError } from '../core/errors.ts';
import type { ProcessFacts, TreeFacts } from './facts.ts';

/** One segment of System V shared memory, as /proc/sysvipc/shm lists those of an IPC namespace. */
export interface Segment {
  readonly id: string;
  readonly sizeBytes: number;
  /** How many mappings show it, whosever they are. */
  readonly attached: number;
}

/** Columns: key shmid perms size cpid lpid nattch uid … (ipc/shm.c, sysvipc_shm_proc_show). */
export function segmentsOf(table: string): Segment[] {
  return table.split('\n').flatMap((line) => {
    const [key = '', id = '', , size = '', , , attached = ''] = line.trim().split(/\s+/);
    return /^-?\d+$/.test(key) ? [{ id, sizeBytes: Number(size), attached: Number(attached) }] : [];
  });
}

/** How often the processes map each segment; in /proc/PID/maps the inode of such a mapping is the segment's number. */
function mappedBy(processes: readonly ProcessFacts[]): Map<string, number> {
  const counts = new Map<string, number>();
  for (const { path, inode } of processes.flatMap(({ mappings }) => mappings))
    if (path.startsWith('/SYSV')) counts.set(inode, (counts.get(inode) ?? 0) + 1);
  return counts;
}

/** Numbers of the segments that the tree has attached. */
export function ownSegments({ processes }: TreeFacts): ReadonlySet<string> {
  return new Set(mappedBy(processes).keys());
}

/** A segment that somebody else writes to as well cannot be held still with the tree, nor be brought back for both. */
export function segmentProblems({ processes, segments }: TreeFacts): StasisError[] {
  const mapped = mappedBy(processes);
  const shared = segments.filter(({ id, attached }) => attached > (mapped.get(id) ?? attached));
  if (shared.length === 0) return [];
  return [
    new StasisError(
      'process.shared-with-strangers',
      `System V shared memory of the processes is attached by others as well: segment ${shared.map(({ id }) => id).join(', ')}.`,
      { hint: 'Name the process at the root of all who share it.' },
    ),
  ];
}
