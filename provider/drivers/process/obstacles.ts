import { StasisError } from '../../core/errors.ts';
import { GHOST_LIMIT_BYTES } from '../../runtime/dump.ts';
import type { ProcessFacts, TreeFacts } from '../../runtime/facts.ts';
import type { Surroundings } from './locate.ts';

/** Character devices that any machine has and that hold no state. */
const PLAIN_DEVICES = ['/dev/null', '/dev/zero', '/dev/full', '/dev/random', '/dev/urandom', '/dev/tty'];

/** Everything about this tree that is known to keep CRIU from dumping or restoring it. */
export function obstaclesOf(facts: TreeFacts, surroundings: Surroundings, wrapped: boolean): StasisError[] {
  const { processes } = facts;
  const open = processes.flatMap((process) => process.open);
  const mapped = processes.flatMap(({ mappings }) => mappings.map(({ path }) => path));
  const targets = [...open.map(({ target }) => target), ...mapped];
  const names = (found: readonly string[]): string => [...new Set(found)].slice(0, 3).join(', ');
  const problems: StasisError[] = [];
  const obstacle = (code: string, found: readonly string[], message: string, hint: string): void => {
    if (found.length > 0) problems.push(new StasisError(`process.${code}`, message, { hint }));
  };

  obstacle(
    'io-uring',
    targets.filter((target) => target.includes('[io_uring]')),
    'The processes use io_uring, which cannot be captured.',
    'Start them where io_uring is refused, and they use epoll: SystemCallFilter=~io_uring_setup in a systemd unit, or the sysctl kernel.io_uring_disabled=2. Node.js 22 and newer needs that.',
  );
  const devices = targets.filter(
    (target) =>
      /^\/dev\/(?!shm\/|pts\/|mqueue\/)/.test(target) &&
      !PLAIN_DEVICES.includes(target.replace(' (deleted)', '')),
  );
  obstacle(
    'device',
    devices,
    `The processes use devices, which cannot be captured: ${names(devices)}.`,
    'Capture a member that does not use them.',
  );
  const system = mapped.filter((path) => path.startsWith('/SYSV'));
  obstacle(
    'system-v-memory',
    system,
    'The processes use System V shared memory of the host’s own namespace, which cannot be captured.',
    'Capture a database by its URL, or run it in a container.',
  );
  const foreign = open.filter(
    ({ target, mountId, type }) =>
      target.startsWith('/') && type !== '' && !facts.mounts.has(mountId) && !target.startsWith('/memfd:'),
  );
  obstacle(
    'foreign-file',
    foreign.map(({ target }) => target),
    `The processes have files open that were opened elsewhere, in a place that they do not see: ${names(foreign.map(({ target }) => target))}.`,
    'Start them with all descriptors but their own closed.',
  );
  const ghosts = open.filter(
    ({ target, sizeBytes }) => target.endsWith(' (deleted)') && sizeBytes > GHOST_LIMIT_BYTES,
  );
  obstacle(
    'deleted-file',
    ghosts.map(({ target }) => target),
    `Deleted files of more than ${GHOST_LIMIT_BYTES >> 20} MB are open: ${names(ghosts.map(({ target }) => target))}.`,
    'Let the processes close them.',
  );
  obstacle(
    'session-outside',
    strayOf(processes).map(({ command }) => command),
    `The session or process group of ${names(strayOf(processes).map(({ command }) => command))} is led by a process outside of the tree.`,
    'Start the service with setsid, or as a systemd unit; one started from a terminal cannot be captured.',
  );
  const shut =
    surroundings.seesLimits || wrapped ? [] : processes.filter(({ uid }) => uid !== surroundings.uid);
  obstacle(
    'other-user',
    shut.map(({ command }) => command),
    `${names(shut.map(({ command }) => command))} runs as another user, whose limits CRIU cannot read here (CAP_SYS_RESOURCE is missing).`,
    'Give the capability back to the machine that this host runs in.',
  );
  problems.push(...namespaceProblems(processes, surroundings));
  return problems;
}

/** Group and session have to be led from within the tree: their numbers are restored with it. */
function strayOf(processes: readonly ProcessFacts[]): ProcessFacts[] {
  const pids = new Set(processes.map(({ pid }) => pid));
  return processes.filter(({ session, group }) => !pids.has(session) || !pids.has(group));
}

function namespaceProblems(processes: readonly ProcessFacts[], surroundings: Surroundings): StasisError[] {
  const [root] = processes;
  if (root === undefined) return [];
  const kinds = Object.keys(surroundings.namespaces);
  const differing = kinds.filter((kind) =>
    processes.some(({ namespaces }) => namespaces[kind] !== root.namespaces[kind]),
  );
  const contained = root.ownPid === 1 || root.namespaces.user !== surroundings.namespaces.user;
  const what = contained
    ? 'The process is the first one of a container'
    : `Its processes are in different namespaces (${differing.join(', ')})`;
  if (!contained && differing.length === 0) return [];
  return [
    new StasisError('process.own-namespaces', `${what}, which this driver does not capture.`, {
      hint: 'Capture the service inside of it, or by its URL.',
    }),
  ];
}
