import type { Host } from '../core/host.ts';
import { runParts } from './machine.ts';
import { type Segment, segmentsOf } from './segments.ts';
import {
  type OpenSocket,
  socketInodesOf,
  tcpSocketsOf,
  type UnixPeer,
  unixPeersOf,
  unixSocketsOf,
} from './sockets.ts';

/** What /proc says of one process. */
export interface ProcessFacts {
  readonly pid: number;
  readonly ppid: number;
  readonly group: number;
  readonly session: number;
  readonly command: string;
  readonly threads: number;
  readonly uid: number;
  /** Its number in its own namespace. */
  readonly ownPid: number;
  /** Of version 2, as /proc/PID/cgroup names it. */
  readonly cgroup: string;
  /** By kind (`mnt`, `pid`, …): equal exactly for the same. */
  readonly namespaces: Readonly<Record<string, string>>;
  readonly mappings: readonly Mapping[];
  readonly workingFolder: string;
  /** What a dump holds of its memory, roughly; of memory that several share, its part. */
  readonly memoryBytes: number;
  readonly open: readonly OpenFile[];
}

export interface Mapping {
  readonly shared: boolean;
  readonly writable: boolean;
  readonly path: string;
  /** Of a segment of System V shared memory its number. */
  readonly inode: string;
}

export interface OpenFile {
  readonly descriptor: number;
  readonly target: string;
  /** Of stat: `regular file`, `character special file`. */
  readonly type: string;
  readonly sizeBytes: number;
  /** Empty where it was closed before it was looked at. */
  readonly mountId: string;
  /** In decimal digits; empty where the kernel does not tell. */
  readonly inode: string;
  /** Whether it is a POSIX message queue, wherever the file system that shows those is mounted. */
  readonly isQueue: boolean;
  readonly writable: boolean;
  /** Of the master of a pseudo terminal: the number of its other end in /dev/pts. */
  readonly terminal?: string;
}

export interface TreeFacts {
  readonly processes: readonly ProcessFacts[];
  readonly sockets: readonly OpenSocket[];
  readonly hasUnixSockets: boolean;
  /** What Unix sockets of the tree are bound to, without abstract names. */
  readonly boundPaths: readonly string[];
  /** As far as the host's `ss` tells. */
  readonly unixPeers: readonly UnixPeer[];
  /** All System V shared memory in the IPC namespace of the tree, whosever it is. */
  readonly segments: readonly Segment[];
  /** Of the namespace that the tree sees: ids of all mounts. */
  readonly mounts: ReadonlySet<string>;
  /** By how many seconds the tree's own clock since the start is ahead of its host's: a restored one has such a clock. */
  readonly aheadS: number;
}

export const NAMESPACES = ['mnt', 'pid', 'net', 'ipc', 'uts', 'user', 'time'] as const;

/** Parts of what is known of each process; a process that has gone by then leaves them empty. */
const FACTS = `
for p in "$@"; do
  part stat $p; cat /proc/$p/stat
  part status $p; cat /proc/$p/status
  part cgroup $p; sed -n 's/^0:://p' /proc/$p/cgroup
  part namespaces $p; for n in ${NAMESPACES.join(' ')}; do printf '%s ' $n; readlink /proc/$p/ns/$n || echo none; done
  part maps $p; cat /proc/$p/maps
  part memory $p; cat /proc/$p/smaps_rollup
  part open $p; find /proc/$p/fd -mindepth 1 -printf '%f %l\\n'
  part sizes $p; stat -L -c '%n|%s|%F' /proc/$p/fd/*
  part queues $p; stat -f -c '%n|%T' /proc/$p/fd/* | grep '|mqueue$'
  part info $p; grep -E '^(flags|mnt_id|ino|tty-index):' /proc/$p/fdinfo/*
  part cwd $p; readlink /proc/$p/cwd
done 2>/dev/null
part tcp; cat /proc/$1/net/tcp /proc/$1/net/tcp6 2>/dev/null
part unix; cat /proc/$1/net/unix 2>/dev/null
part pairs; nsenter --net=/proc/$1/ns/net ss -Hxan 2>/dev/null
part segments; nsenter --ipc=/proc/$1/ns/ipc cat /proc/sysvipc/shm 2>/dev/null
part mounts; cut -d ' ' -f 1 /proc/$1/mountinfo 2>/dev/null
part uptime; cat /proc/uptime; nsenter --time=/proc/$1/ns/time cat /proc/uptime 2>/dev/null
`;

export async function readFacts(
  host: Host,
  pids: readonly number[],
  signal: AbortSignal,
): Promise<TreeFacts> {
  const parts = await runParts(host, FACTS, pids.map(String), signal);
  const part = (name: string): string => parts.get(name) ?? '';
  const processes = pids
    .filter((pid) => part(`stat ${pid}`).includes(')'))
    .map((pid) => factsOf(pid, (name) => part(`${name} ${pid}`)));
  const inodes = socketInodesOf(processes.flatMap(({ open }) => open));
  const unixSockets = unixSocketsOf(part('unix'), inodes);
  const paths = unixSockets.map(({ bound }) => bound).filter((bound) => bound.startsWith('/'));
  return {
    processes,
    sockets: tcpSocketsOf(part('tcp'), inodes),
    hasUnixSockets: unixSockets.length > 0,
    boundPaths: [...new Set(paths)].sort(),
    unixPeers: unixPeersOf(part('pairs'), inodes),
    segments: segmentsOf(part('segments')),
    mounts: new Set(part('mounts').trim().split('\n')),
    aheadS: aheadOf(part('uptime')),
  };
}

function aheadOf(uptimes: string): number {
  const [host = 0, tree = host] = lines(uptimes).map((line) => Number.parseFloat(line));
  return Math.abs(tree - host) < 1 ? 0 : tree - host;
}

function factsOf(pid: number, part: (name: string) => string): ProcessFacts {
  const { command, fields } = parseStat(part('stat'));
  const status = part('status');
  const ownPid = Number(/^NSpid:\s+(.*)$/m.exec(status)?.[1]?.trim().split(/\s+/).at(-1) ?? pid);
  return {
    pid,
    command,
    ownPid,
    ppid: Number(fields[1]),
    group: Number(fields[2]),
    session: Number(fields[3]),
    threads: Number(fields[17]),
    uid: Number(/^Uid:\s+(\d+)/m.exec(status)?.[1] ?? 0),
    cgroup: part('cgroup').trim(),
    namespaces: namespacesOf(part('namespaces')),
    workingFolder: part('cwd').trim(),
    mappings: lines(part('maps')).map(mappingOf),
    memoryBytes: ['Anonymous', 'Swap', 'Pss_Shmem'].reduce(
      (sum, name) => sum + kilobytes(part('memory'), name),
      0,
    ),
    open: openFilesOf(part('open'), part('sizes'), part('queues'), part('info')),
  };
}

/** Of /proc/PID/stat: the command is in brackets and may hold any, so the fields are those after the last one. */
export function parseStat(line: string): { command: string; fields: string[] } {
  const end = line.lastIndexOf(')');
  return {
    command: line.slice(line.indexOf('(') + 1, end),
    fields: line
      .slice(end + 2)
      .trim()
      .split(' '),
  };
}

export function namespacesOf(text: string): Record<string, string> {
  return Object.fromEntries(lines(text).map((line) => line.split(' ') as [string, string]));
}

function lines(text: string): string[] {
  return text.split('\n').filter((line) => line !== '');
}

function kilobytes(text: string, name: string): number {
  return Number(new RegExp(`^${name}:\\s+(\\d+) kB`, 'm').exec(text)?.[1] ?? 0) * 1024;
}

function mappingOf(line: string): Mapping {
  const [, permissions = '', inode = '', path = ''] = /^\S+ (\S+) \S+ \S+ (\S+)\s*(.*)$/.exec(line) ?? [];
  return { shared: permissions.endsWith('s'), writable: permissions[1] === 'w', path, inode };
}

function openFilesOf(open: string, sizes: string, queued: string, info: string): OpenFile[] {
  const queues = new Set(lines(queued).map((line) => line.split('|')[0]!.split('/').at(-1)));
  const stats = new Map(
    lines(sizes).map((line) => {
      const [name = '', size = '0', type = ''] = line.split('|');
      return [name.split('/').at(-1), { sizeBytes: Number(size), type }] as const;
    }),
  );
  const about = (descriptor: string, key: string): string =>
    new RegExp(`/fdinfo/${descriptor}:${key}:\\s*(\\S+)`).exec(info)?.[1] ?? '';
  return lines(open).map((line) => {
    const [descriptor = '', ...target] = line.split(' ');
    const terminal = about(descriptor, 'tty-index');
    return {
      descriptor: Number(descriptor),
      target: target.join(' '),
      type: stats.get(descriptor)?.type ?? '',
      sizeBytes: stats.get(descriptor)?.sizeBytes ?? 0,
      mountId: about(descriptor, 'mnt_id'),
      inode: about(descriptor, 'ino'),
      isQueue: queues.has(descriptor),
      writable: (Number.parseInt(about(descriptor, 'flags'), 8) & 3) !== 0,
      ...(terminal === '' ? {} : { terminal }),
    };
  });
}
