import { GHOST_LIMIT_BYTES } from '../../runtime/dump.ts';
import type { ProcessFacts } from '../../runtime/facts.ts';
import type { Surroundings } from '../../runtime/surroundings.ts';

const FLAGS: Readonly<Record<string, string>> = {
  mnt: '--mount',
  pid: '--pid',
  net: '--net',
  ipc: '--ipc',
  uts: '--uts',
  time: '--time',
};

/** What lets a command see what the tree sees: of a tree in namespaces of its own, as a restored one is. */
function enter(root: ProcessFacts, { namespaces }: Surroundings): string[] {
  const own = Object.keys(FLAGS).filter((kind) => root.namespaces[kind] !== namespaces[kind]);
  if (own.length === 0) return [];
  return ['nsenter', ...own.map((kind) => `${FLAGS[kind]}=/proc/${root.pid}/ns/${kind}`), '--'];
}

/** Dumps the tree at this root, frozen in its group, into the folder. */
export function dumpCommand(
  folder: string,
  group: string,
  root: ProcessFacts,
  surroundings: Surroundings,
): string[] {
  return [...enter(root, surroundings), 'criu', 'dump', ...dumpArguments(folder, group, root.ownPid)];
}

function dumpArguments(folder: string, group: string, pid: number): string[] {
  return [
    ...['--tree', String(pid), '--images-dir', folder, '--log-file', 'dump.log', '-v2'],
    ...['--leave-running', '--freeze-cgroup', group, '--manage-cgroups=ignore'],
    // Both ends of what matters are frozen, so nothing has to be kept from a connection in between.
    ...['--tcp-established', '--network-lock', 'skip', '--ext-unix-sk', '--file-locks'],
    ...['--ghost-limit', String(GHOST_LIMIT_BYTES)],
  ];
}
