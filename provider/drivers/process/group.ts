import { StasisError } from '../../core/errors.ts';
import type { Host } from '../../core/host.ts';
import type { TreeFacts } from '../../runtime/facts.ts';
import { MARK_OF } from '../../runtime/freezer.ts';
import { runScript } from '../../runtime/machine.ts';
import { locate } from './locate.ts';
import type { ProcessSpec } from './spec.ts';

/** What our own groups are called; one that a dead capture left is used again by the next. */
export const GROUP_PREFIX = 'stasis-';

/** The control group that holds exactly the tree. */
export interface Group {
  /** Absolute, on the host. */
  readonly folder: string;
  /** Where the tree was before, if this group is ours. */
  readonly home: string | undefined;
}

/** A tree that goes on making processes while it is moved is caught within this many rounds. */
const ROUNDS = 20;

const MOVE = `
mkdir -p -- "$1" || exit 1
folder=$1; shift
for p in "$@"; do echo "$p" > "$folder/cgroup.procs" || [ ! -d "/proc/$p" ] || exit 1; done
`;
const LIST = 'cat -- "$1/cgroup.procs"';
/** What a fence has stopped would run again anywhere else. */
const RETURN = `
${MARK_OF}
[ -d "$1" ] || exit 0
[ ! -e "$(mark_of "$1")" ] || exit 0
n=0
while [ $n -lt 50 ] && ! rmdir -- "$1" 2>/dev/null; do
  while read -r p; do echo "$p" > "$2/cgroup.procs" 2>/dev/null || true; done < "$1/cgroup.procs"
  n=$((n + 1))
done
`;

/**
 * A group of the tree's own. Freezing a group stops all that is in it, so strangers must not be: where the tree is not
 * alone in its group, it is moved into one below it, which has the same limits.
 */
export async function ownGroup(
  spec: ProcessSpec,
  facts: TreeFacts,
  groups: string,
  host: Host,
  signal: AbortSignal,
): Promise<Group> {
  const [root] = facts.processes;
  const current = `${groups}${root!.cgroup}`.replace(/\/$/, '');
  const members = await membersOf(current, host, signal);
  const pids = facts.processes.map(({ pid }) => pid);
  const alone = members.length === pids.length && members.every((pid) => pids.includes(pid));
  const ours = current.split('/').at(-1)!.startsWith(GROUP_PREFIX);
  if (alone && root!.cgroup !== '/') return { folder: current, home: ours ? parentOf(current) : undefined };
  const folder = `${current}/${GROUP_PREFIX}${root!.pid}`;
  await moveAll(spec, folder, host, signal);
  return { folder, home: current };
}

async function moveAll(spec: ProcessSpec, folder: string, host: Host, signal: AbortSignal): Promise<void> {
  for (let round = 1; round <= ROUNDS; round += 1) {
    const { tree, problem } = await locate(spec, host, signal);
    if (tree === undefined) throw problem!;
    const inside = round === 1 ? [] : await membersOf(folder, host, signal);
    const outside = tree.pids.filter((pid) => !inside.includes(pid));
    if (outside.length === 0) return;
    await runScript(host, MOVE, [folder, ...outside.map(String)], { signal });
  }
  throw new StasisError(
    'process.never-complete',
    'The tree makes new processes faster than they can be gathered.',
    {
      hint: 'Start it in a control group or a systemd unit of its own.',
    },
  );
}

export async function membersOf(folder: string, host: Host, signal: AbortSignal): Promise<number[]> {
  const listed = await runScript(host, LIST, [folder], { signal });
  return listed
    .split('\n')
    .filter((line) => line !== '')
    .map(Number);
}

/** Back where the tree was; idempotent. */
export async function leaveGroup(group: Group, host: Host, signal: AbortSignal): Promise<void> {
  if (group.home !== undefined) await runScript(host, RETURN, [group.folder, group.home], { signal });
}

function parentOf(folder: string): string {
  return folder.slice(0, folder.lastIndexOf('/'));
}
