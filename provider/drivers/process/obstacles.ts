import { StasisError } from '../../core/errors.ts';
import type { OpenFile, ProcessFacts, TreeFacts } from '../../runtime/facts.ts';
import { dumpObstacles, someOf } from '../../runtime/obstacles.ts';
import { segmentProblems } from '../../runtime/segments.ts';
import type { Surroundings } from '../../runtime/surroundings.ts';
import { foreignFilesOf, isForeignDevice } from './foreign.ts';

/** Everything about this tree that is known to keep CRIU from dumping or restoring it. */
export function obstaclesOf(facts: TreeFacts, surroundings: Surroundings, wrapped: boolean): StasisError[] {
  const { processes } = facts;
  const open = processes.flatMap((process) => process.open);
  const problems = dumpObstacles('process', facts, surroundings, wrapped);
  const obstacle = (code: string, found: readonly string[], message: string, hint: string): void => {
    if (found.length > 0) problems.push(new StasisError(`process.${code}`, message, { hint }));
  };

  const outside = terminalsOutside(open);
  obstacle(
    'terminal',
    outside,
    `The processes run on a terminal whose other end is outside of the tree: ${someOf(outside)}.`,
    'Start them with input and output elsewhere: setsid PROGRAM < /dev/null > LOG 2>&1, or as a systemd unit.',
  );
  const foreign = foreignFilesOf(facts).filter((file) => !isForeignDevice(file));
  obstacle(
    'foreign-file',
    foreign.map(({ target }) => target),
    `The processes have files open that were opened elsewhere, in a place that they do not see: ${someOf(foreign.map(({ target }) => target))}.`,
    'Start them with all descriptors but their own closed.',
  );
  obstacle(
    'session-outside',
    strayOf(processes).map(({ command }) => command),
    `The session or process group of ${someOf(strayOf(processes).map(({ command }) => command))} is led by a process outside of the tree.`,
    'Start the service with setsid, or as a systemd unit; one started from a terminal cannot be captured.',
  );
  problems.push(...segmentProblems(facts), ...namespaceProblems(processes, surroundings));
  return problems;
}

/** Ends of pseudo terminals whose masters nobody in the tree has open. */
function terminalsOutside(open: readonly OpenFile[]): string[] {
  const own = new Set(open.map(({ terminal }) => terminal));
  return open
    .map(({ target }) => target)
    .filter((target) => /^\/dev\/pts\/\d+$/.test(target) && !own.has(target.slice('/dev/pts/'.length)));
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
  // CRIU brings a process namespace back only together with its mounts, and then it is a container.
  const contained = root.ownPid === 1 || root.namespaces.user !== surroundings.namespaces.user;
  const what = contained
    ? 'The process is the first one of a container, or has users of its own'
    : `Its processes are in different namespaces (${differing.join(', ')})`;
  if (!contained && differing.length === 0) return [];
  return [
    new StasisError('process.own-namespaces', `${what}, which this driver does not capture.`, {
      hint: 'Capture the container by a member "container", or the service inside of it by its URL.',
    }),
  ];
}
