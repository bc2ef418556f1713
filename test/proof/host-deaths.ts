import type { ChildProcess } from 'node:child_process';
import { StasisError } from '../../provider/core/errors.ts';
import type { Host } from '../../provider/core/host.ts';
import type { Lab } from '../support/lab.ts';
import { on } from '../support/process/rig.ts';

export interface Scene {
  readonly lab: Lab;
  readonly hosts: Readonly<Record<'cloud' | 'sovereign', Host>>;
  /** Our process. */
  readonly child: ChildProcess;
}

/** One thing that dies. */
export interface HostDeath {
  readonly name: string;
  readonly during: readonly ('capture' | 'restore')[];
  /** Whether our process is ended by force afterwards; otherwise it ends by itself. */
  readonly endsUs?: true;
  /** Disposal mends what would keep the next run from succeeding. */
  strike(scene: Scene): Promise<AsyncDisposable>;
}

const nothing: AsyncDisposable = { [Symbol.asyncDispose]: async () => {} };

/** PATTERN: kills the first process whose argument list has it as a whole argument. */
const KILL_ONE = `
for p in $(pgrep -f -- "$1"); do
  [ "$p" != $$ ] || continue
  tr '\\0' '\\n' < "/proc/$p/cmdline" 2> /dev/null | grep -qxF -e "$1" && kill -9 "$p" && exit 0
done
exit 0
`;

/** Shuts a host off from everybody for some seconds. */
const CUT_LINK = `setsid sh -c 'ip link set eth0 down; sleep 9; ip link set eth0 up' < /dev/null > /dev/null 2>&1 &`;

/** Leaves /run, where dumps go, next to no room. */
const FILL = `
used=$(df --output=used -k /run | tail -1)
mount -o "remount,size=$((used + 64))k" /run
`;

async function fill(host: Host): Promise<AsyncDisposable> {
  await on(host, FILL);
  return {
    [Symbol.asyncDispose]: async () => {
      await on(host, 'mount -o remount,size=50% /run');
    },
  };
}

export const HOST_DEATHS: readonly HostDeath[] = [
  {
    name: 'our process killed by -9',
    during: ['capture', 'restore'],
    strike: async ({ child }) => {
      child.kill('SIGKILL');
      return nothing;
    },
  },
  {
    name: 'our process stopped by SIGSTOP',
    during: ['capture', 'restore'],
    endsUs: true,
    strike: async ({ child }) => {
      child.kill('SIGSTOP');
      return nothing;
    },
  },
  {
    name: 'the watchdog killed by -9',
    during: ['capture'],
    strike: async ({ hosts }) => {
      await on(hosts.cloud, KILL_ONE, 'stasis-lease');
      return nothing;
    },
  },
  {
    name: 'one criu killed by -9',
    during: ['capture', 'restore'],
    strike: async ({ hosts }) => {
      const kill = 'p=$(pgrep -x criu | head -1); [ -z "$p" ] || kill -9 "$p"';
      await Promise.all(Object.values(hosts).map((host) => on(host, kill)));
      return nothing;
    },
  },
  {
    name: 'the link to one host cut',
    during: ['capture', 'restore'],
    strike: async ({ hosts }) => {
      // The link may be down before the answer of the command that cuts it comes by.
      await on(hosts.cloud, CUT_LINK).catch((error: unknown) => {
        if (!(error instanceof StasisError && error.code === 'host.connection-lost')) throw error;
      });
      return nothing;
    },
  },
  {
    name: 'one host’s disk full',
    during: ['capture', 'restore'],
    strike: async ({ hosts }) => fill(hosts.cloud),
  },
];
