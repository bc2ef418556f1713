import { StasisError } from '../../core/errors.ts';
import type { Host } from '../../core/host.ts';
import { parseStat } from '../../runtime/facts.ts';
import { runParts } from '../../runtime/machine.ts';
import { SURROUNDINGS, type Surroundings, surroundingsOf } from '../../runtime/surroundings.ts';
import type { ProcessSpec } from './spec.ts';

/** A tree of processes: its root first, then all its descendants. */
export interface Tree {
  readonly root: number;
  readonly pids: readonly number[];
}

const LOCATE = `
part stats; cat /proc/[0-9]*/stat 2>/dev/null
${SURROUNDINGS}
case $1 in
  pidFile) part named; cat -- "$2" 2>/dev/null;;
  unit) part systemd; [ -d /run/systemd/system ] && echo yes; part group; systemctl show --property=ControlGroup --value -- "$2" 2>/dev/null;;
  cgroup) part group; printf '%s\\n' "$2";;
esac
`;
const MEMBERS = `
part members; cat -- "$1/cgroup.procs" 2>/dev/null
part below; cat /dev/null "$1"/*/cgroup.procs 2>/dev/null
`;

export interface Located {
  readonly surroundings: Surroundings;
  /** Absent where there is no such tree; `problem` says why. */
  readonly tree?: Tree;
  readonly problem?: StasisError;
}

/** Reads only. */
export async function locate(spec: ProcessSpec, host: Host, signal: AbortSignal): Promise<Located> {
  const way = spec.pidFile ? 'pidFile' : spec.unit ? 'unit' : spec.cgroup ? 'cgroup' : 'pid';
  const named = String(spec[way]);
  const parts = await runParts(host, LOCATE, [way, named], signal);
  const surroundings = surroundingsOf(parts);
  const parents = parentsOf(parts.get('stats') ?? '');
  const found = (roots: readonly number[], what: string): Located => ({
    surroundings,
    ...treeOf(roots, parents, way, what),
  });
  if (way === 'pid') return found([Number(named)], `process ${named}`);
  if (way === 'pidFile') {
    const pid = Number.parseInt(parts.get('named') ?? '', 10);
    return found(Number.isNaN(pid) ? [] : [pid], `process that ${named} names`);
  }
  if (way === 'unit' && parts.get('systemd')?.trim() !== 'yes')
    return { surroundings, problem: noSystemd(host) };
  const group = parts.get('group')?.trim() ?? '';
  if (group === '' || surroundings.groups === undefined) return found([], `process in ${named}`);
  return membersOf(
    `${surroundings.groups}${group}`,
    host,
    signal,
    (roots) => found(roots, `process in ${named}`),
    parents,
    way,
  );
}

async function membersOf(
  folder: string,
  host: Host,
  signal: AbortSignal,
  found: (roots: readonly number[]) => Located,
  parents: ReadonlyMap<number, number>,
  at: string,
): Promise<Located> {
  const parts = await runParts(host, MEMBERS, [folder], signal);
  const numbers = (name: string): number[] =>
    (parts.get(name) ?? '')
      .split('\n')
      .filter((line) => line.trim() !== '')
      .map(Number);
  const members = numbers('members');
  const roots = members.filter((pid) => !members.includes(parents.get(pid) ?? 0));
  const located = found(roots);
  if (numbers('below').length === 0) return located;
  return {
    surroundings: located.surroundings,
    problem: new StasisError(
      'process.nested-groups',
      'The control group has groups below it that hold processes.',
      {
        hint: 'Name one of those, or the process at the root of the tree.',
        at: [at],
      },
    ),
  };
}

function treeOf(
  roots: readonly number[],
  parents: ReadonlyMap<number, number>,
  at: string,
  what: string,
): Pick<Located, 'tree' | 'problem'> {
  const [root, ...more] = roots.filter((pid) => parents.has(pid));
  if (root === undefined)
    return {
      problem: new StasisError('process.not-running', `There is no ${what}.`, {
        hint: 'Start it, or name it by what is right.',
        at: [at],
      }),
    };
  if (more.length > 0)
    return {
      problem: new StasisError(
        'process.several-trees',
        `There are ${more.length + 1} trees of processes, and one can be captured.`,
        {
          hint: 'Make each a member of its own, by the process at its root.',
          at: [at],
        },
      ),
    };
  const pids = [root];
  for (const pid of pids) for (const [child, parent] of parents) if (parent === pid) pids.push(child);
  return { tree: { root, pids } };
}

function parentsOf(stats: string): Map<number, number> {
  const parents = new Map<number, number>();
  for (const line of stats.split('\n')) {
    const pid = Number.parseInt(line, 10);
    if (!Number.isNaN(pid) && line.includes(')')) parents.set(pid, Number(parseStat(line).fields[1]));
  }
  return parents;
}

function noSystemd(host: Host): StasisError {
  return new StasisError(
    'process.no-systemd',
    `systemd does not run on ${host.name}, so that it has no units.`,
    {
      hint: 'Name the tree by pidFile, cgroup or pid.',
      at: ['unit'],
    },
  );
}
