import { StasisError } from '../core/errors.ts';
import { GHOST_LIMIT_BYTES } from './dump.ts';
import type { TreeFacts } from './facts.ts';
import type { Surroundings } from './surroundings.ts';

/** Character devices that any machine has and that hold no state. */
export const PLAIN_DEVICES = [
  '/dev/null',
  '/dev/zero',
  '/dev/full',
  '/dev/random',
  '/dev/urandom',
  '/dev/tty',
];

/** Anonymous files for which CRIU has no images. */
const OBJECTS = /^anon_inode:(\[userfaultfd\]|\[perf_event\]|kvm-|\[secretmem\]|\[landlock)/;

export function someOf(found: readonly string[]): string {
  return [...new Set(found)].slice(0, 3).join(', ');
}

/**
 * What is known to keep CRIU from dumping these processes, whatever they are to a user. Codes begin with the driver's
 * name. `wrapped` where the host's criu is a script, which lets it read what it may not by itself.
 */
export function dumpObstacles(
  driver: string,
  { processes }: TreeFacts,
  surroundings: Surroundings,
  wrapped: boolean,
): StasisError[] {
  const open = processes.flatMap((process) => process.open);
  const mapped = processes.flatMap(({ mappings }) => mappings.map(({ path }) => path));
  const targets = [...open.map(({ target }) => target), ...mapped];
  const problems: StasisError[] = [];
  const obstacle = (code: string, found: readonly string[], message: string, hint: string): void => {
    if (found.length > 0) problems.push(new StasisError(`${driver}.${code}`, message, { hint }));
  };
  obstacle(
    'io-uring',
    targets.filter((target) => target.includes('[io_uring]')),
    'The processes use io_uring, which cannot be captured.',
    'Start them where io_uring is refused, and they use epoll: SystemCallFilter=~io_uring_setup in a systemd unit, a container’s default seccomp profile, or the sysctl kernel.io_uring_disabled=2. Node.js 22 and newer needs that; MariaDB goes on with innodb_use_native_aio=0.',
  );
  const devices = targets.filter(isDevice);
  obstacle(
    'device',
    devices,
    `The processes use devices, which cannot be captured: ${someOf(devices)}.`,
    'Capture a member that does not use them.',
  );
  const objects = targets.filter((target) => OBJECTS.test(target));
  obstacle(
    'kernel-object',
    objects,
    `The processes hold what lives in the kernel and cannot be captured: ${someOf(objects)}.`,
    'Capture a member that does not use it.',
  );
  const queues = open.filter(({ isQueue }) => isQueue).map(({ target }) => target);
  obstacle(
    'message-queue',
    queues,
    `The processes have POSIX message queues open, which cannot be captured: ${someOf(queues)}.`,
    'CRIU has no images for them. Capture a member that does not use them, or let it use a FIFO or a Unix socket.',
  );
  const ghosts = open
    .filter(({ target, sizeBytes }) => target.endsWith(' (deleted)') && sizeBytes > GHOST_LIMIT_BYTES)
    .map(({ target }) => target);
  obstacle(
    'deleted-file',
    ghosts,
    `Deleted files of more than ${GHOST_LIMIT_BYTES >> 20} MB are open: ${someOf(ghosts)}.`,
    'Let the processes close them.',
  );
  const shut =
    surroundings.seesLimits || wrapped
      ? []
      : processes.filter(({ uid }) => uid !== surroundings.uid).map(({ command }) => command);
  obstacle(
    'other-user',
    shut,
    `${someOf(shut)} runs as another user, whose limits CRIU cannot read here (CAP_SYS_RESOURCE is missing).`,
    'Give the capability back to the machine that this host runs in.',
  );
  return problems;
}

function isDevice(target: string): boolean {
  return (
    /^\/dev\/(?!shm\/|pts\/|mqueue\/)/.test(target) &&
    !PLAIN_DEVICES.includes(target.replace(' (deleted)', ''))
  );
}
