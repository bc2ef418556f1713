import { readdirSync, readFileSync } from 'node:fs';
import { cgroupPrefix } from '../../scripts/lab/folder.ts';
import type { HostName, Lab } from './lab.ts';

/** A host of the lab as this machine sees it, which it is made of: for tests that look with other eyes than ours. */
export interface Inside {
  /** Where its files are, for system calls of this process. */
  readonly root: string;
  /** A command that runs among its processes, and knows files by their paths there. */
  command(argv: readonly string[]): readonly string[];
}

/** @throws Error where it has ended */
export function insideOf(lab: Lab, name: HostName): Inside {
  const pid = firstProcessOf(`0::/${cgroupPrefix(lab.folder)}-${name}`);
  const root = `/proc/${pid}/root`;
  return {
    root,
    command: (argv) => [
      ...['nsenter', '--target', pid, '--mount', '--pid', '--'],
      ...argv.map((word) => word.replaceAll(root, '')),
    ],
  };
}

/** What is pid 1 there, by its control group. */
function firstProcessOf(group: string): string {
  const found = readdirSync('/proc').find(
    (pid) =>
      /^\d+$/.test(pid) &&
      textOf(`/proc/${pid}/comm`) === 'catatonit\n' &&
      textOf(`/proc/${pid}/cgroup`).split('\n').includes(group),
  );
  if (found === undefined) throw new Error(`no host of the lab has the control group ${group}`);
  return found;
}

/** Empty where there is none any more. */
export function textOf(path: string): string {
  try {
    return readFileSync(path, 'latin1');
  } catch {
    return '';
  }
}
