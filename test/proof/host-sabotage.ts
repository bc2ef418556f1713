import type { LabHere } from '../support/lab.ts';
import { findMariadb } from '../support/mariadb-server.ts';
import {
  BOX,
  type HostApplication,
  type HostMember,
  keepStockBusy,
  STRANGERS_MONITOR,
  startHostApplication,
  TREE_PID_FILE,
} from './host-application.ts';
import type { Proof } from './proof.ts';
import { type Stage, sabotageOf } from './sabotage-runs.ts';
import { frozenWays, type Stranger } from './ways/frozen.ts';
import { mariadbWays } from './ways/mariadb.ts';

/** With the tree's first process as $pid and its control group as $group. */
const TREE = `pid=$(cat "$1"); group=/sys/fs/cgroup$(sed -n 's/^0:://p' "/proc/$pid/cgroup")`;
const CONTAINER = `pid=$(podman container inspect --format '{{.State.Pid}}' -- "$1")
group=/sys/fs/cgroup$(sed -n 's/^0:://p' "/proc/$pid/cgroup")`;

const before = (script: string): Stranger => ({ hook: 'afterFreeze', script });
const after = (script: string): Stranger => ({ hook: 'beforeEvidence', script });

/**
 * What a stranger may do to processes that are frozen by their control group. For a moment only before they are dumped:
 * their hold ends with the reading before that, and what they do later is in no other member's mark.
 */
const strangersTo = (found: string): Readonly<Record<string, Stranger>> => ({
  'thawed by a stranger for a moment, before the dump': before(
    `${found}\necho 0 > "$group/cgroup.freeze"; sleep 0.05; echo 1 > "$group/cgroup.freeze"; sleep 0.05`,
  ),
  'thawed by a stranger before the dump, and left so': before(
    `${found}\necho 0 > "$group/cgroup.freeze"; sleep 0.05`,
  ),
  'thawed by a stranger after the dump, and left so': after(
    `${found}\necho 0 > "$group/cgroup.freeze"; sleep 0.05`,
  ),
  'its first process is moved out of its frozen group': before(`${found}
    mkdir -p /sys/fs/cgroup/strangers; echo "$pid" > /sys/fs/cgroup/strangers/cgroup.procs; sleep 0.05`),
  'killed in the hold': after(`${found}\nkill -9 "$pid"; sleep 0.05`),
});

/** Commands of QMP, to a monitor that Stasis does not use. */
const monitor = (...commands: readonly string[]): string => {
  const said = ['qmp_capabilities', ...commands].map(
    (command) => `printf '{"execute":"%s"}' ${command}; sleep 0.1`,
  );
  return `{ ${said.join('; ')}; } | socat -t 1 - "UNIX-CONNECT:$1" > /dev/null`;
};

const stage = (lab: LabHere): Stage<HostApplication, HostMember> => ({
  start: () => startHostApplication(lab),
  keepBusy: keepStockBusy,
  lanes: 1,
  limits: { maxPauseMs: 15_000, maxBlurMs: 0 },
  controls: [['tree', 'box', 'stock'], ['tree', 'machine'], ['stock']],
  ways: [
    ...frozenWays<HostApplication, HostMember>({
      member: 'tree',
      members: ['tree', 'stock'],
      host: ({ cloud }) => cloud,
      strangers: strangersTo(TREE),
      args: [TREE_PID_FILE],
      revive: (application) => application.reviveTree(),
    }),
    ...frozenWays<HostApplication, HostMember>({
      member: 'box',
      members: ['tree', 'box'],
      host: ({ sovereign }) => sovereign,
      strangers: strangersTo(CONTAINER),
      args: [BOX],
      revive: (application) => application.reviveBox(),
    }),
    ...frozenWays<HostApplication, HostMember>({
      member: 'machine',
      members: ['machine', 'stock'],
      host: ({ cloud }) => cloud,
      strangers: {
        'continued by a stranger, and left so': after(monitor('cont')),
        'continued by a stranger for a moment': after(monitor('cont', 'stop')),
        'reset by a stranger': after(monitor('system_reset')),
      },
      args: [STRANGERS_MONITOR],
      revive: (application) => application.reviveMachine(),
    }),
    ...mariadbWays<HostApplication, HostMember>('stock', ['tree', 'stock']),
  ],
  short: (index) => index % 8 === 0,
});

export function missingFor(lab: LabHere): string | undefined {
  return lab.reason ?? (findMariadb() === undefined ? 'no MariaDB server on this machine' : undefined);
}

/** The same of what is frozen on hosts: a tree of processes, a container, a VM, and a MariaDB among them. */
export function hostSabotageProof(lab: LabHere): Proof {
  const claim = 'one that was thawed, continued or moved in the hold is judged blurry, or the capture fails';
  const missing = missingFor(lab);
  if (missing === undefined) return sabotageOf(stage(lab), claim);
  return {
    ...{ name: 'sabotage', claim },
    run: async (options) => {
      options.say(`sabotage on hosts is skipped: ${missing}`);
      return { name: 'sabotage', runs: 0, failures: 0, figures: {}, complaints: [], cases: [] };
    },
  };
}
