import { once } from '../../core/content.ts';
import type { Host } from '../../core/host.ts';
import { type DumpCommand, GHOST_LIMIT_BYTES, imagesIn } from '../../runtime/dump.ts';
import type { TreeFacts } from '../../runtime/facts.ts';
import type { Images } from '../../runtime/images/image.ts';
import { mendedFiles } from '../../runtime/images/mended-files.ts';
import { strangersIn } from '../../runtime/images/segments.ts';
import { runScript } from '../../runtime/machine.ts';
import { ownSegments } from '../../runtime/segments.ts';
import type { Surroundings } from '../../runtime/surroundings.ts';
import { foreignDevicesOf } from './foreign.ts';

/** From where CRIU looks at a tree. What it stands outside of, it dumps as a namespace; what it shares, it does not. */
export interface View {
  /** Put before its own arguments. */
  readonly enter: readonly string[];
  /** The root of the tree, by its number as CRIU sees it. */
  readonly root: number;
  /** Set where it dumps a namespace that others live in as well: which segments of shared memory are the tree's. */
  readonly ownSegments?: ReadonlySet<string>;
  /** Devices that were opened where the tree does not see them: their paths, by the names that CRIU dumps them under. */
  readonly foreignDevices: ReadonlyMap<string, string>;
}

const FLAGS: Readonly<Record<string, string>> = {
  mnt: '--mount',
  pid: '--pid',
  net: '--net',
  uts: '--uts',
  time: '--time',
};

/**
 * CRIU sees what the tree sees, also where that is in namespaces of its own, as a restored one is. Only of an IPC
 * namespace of the tree's own, or one that has System V memory of it, it stays outside, so that this comes along.
 */
export function viewOf(facts: TreeFacts, { namespaces }: Surroundings): View {
  const root = facts.processes[0]!;
  const own = (kind: string): boolean => root.namespaces[kind] !== namespaces[kind];
  const segments = ownSegments(facts);
  const entered = Object.keys(FLAGS).filter(own);
  const nsenter = ['nsenter', ...entered.map((kind) => `${FLAGS[kind]}=/proc/${root.pid}/ns/${kind}`), '--'];
  const apart = segments.size > 0 && !own('ipc');
  return {
    enter: [...(entered.length > 0 ? nsenter : []), ...(apart ? ['unshare', '--ipc'] : [])],
    root: root.ownPid,
    foreignDevices: foreignDevicesOf(facts),
    ...(apart ? { ownSegments: segments } : {}),
  };
}

/**
 * The group as it is open from outside: where the tree sees control groups, they may not be written to (a unit's
 * ProtectControlGroups).
 */
const GROUP = '/proc/self/fd/7';
const WITH_GROUP = 'exec 7< "$0" && exec "$@"';

/**
 * Dumps the tree, frozen in its group, into the folder. The kernel knows a file that is watched by inotify by its
 * number only, which not every file system leads back to a name; it is then looked for in the folders of `watched`.
 */
export function dumpCommand(
  folder: string,
  group: string,
  view: View,
  watched: readonly string[],
  unixSockets?: string,
): DumpCommand {
  const argv = [
    // CRIU reads its configuration first, to the end of it. Without a tree there it refuses to dump.
    ...['sh', '-c', WITH_GROUP, group, ...view.enter, 'criu', 'dump', '--config', '/proc/self/fd/0'],
    ...['--images-dir', folder, '--log-file', 'dump.log', '-v2'],
    ...['--leave-running', '--freeze-cgroup', GROUP, '--manage-cgroups=ignore'],
    // Both ends of what matters are frozen, so nothing has to be kept from a connection in between.
    ...['--tcp-established', '--network-lock', 'skip', '--ext-unix-sk', '--file-locks'],
    // Who was not accepted yet is reset, as are all others from outside.
    ...['--skip-in-flight', '--ghost-limit', String(GHOST_LIMIT_BYTES)],
    ...(watched.length > 0 ? ['--force-irmap'] : []),
    ...watched.flatMap((path) => ['--irmap-scan-path', path]),
  ];
  const given = [`tree ${view.root}`, ...[...view.foreignDevices.keys()].map((name) => `external ${name}`)];
  return { argv, given: given.join('\n'), ...(unixSockets === undefined ? {} : { unixSockets }) };
}

/** The table of Unix sockets that a process of the tree sees. */
export function socketTableOf(pid: number): string {
  return `/proc/${pid}/net/unix`;
}

/** Where the watched files of a tree are looked for; nowhere, if it watches none. */
export function watchedBy({ processes }: TreeFacts, folders: readonly string[]): string[] {
  const watching = processes
    .flatMap(({ open }) => open)
    .some(({ target }) => target === 'anon_inode:inotify');
  const here = processes.map(({ workingFolder }) => workingFolder).filter((path) => path !== '/');
  return watching ? [...new Set([...folders, ...here, '/etc'])] : [];
}

/** What was dumped, where it was written, as it can be restored: without what belongs to others. */
export async function ownImages(
  folder: string,
  view: View,
  host: Host,
  signal: AbortSignal,
): Promise<Images> {
  const images = await imagesIn(folder, host, signal);
  const strangers = view.ownSegments && (await strangersIn(images, view.ownSegments));
  const files = await mendedFiles(images, view.foreignDevices);
  const rewritten = new Map([
    ...(strangers?.rewritten ?? []),
    ...(files ? [['files.img', files] as const] : []),
  ]);
  if (rewritten.size === 0) return images;
  for (const [name, bytes] of rewritten) await host.write(`${folder}/${name}`, once(bytes), { signal });
  const remove = 'cd -- "$1" && shift && rm -f -- "$@"';
  if (strangers) await runScript(host, remove, [folder, ...strangers.removed], { signal });
  return imagesIn(folder, host, signal);
}
