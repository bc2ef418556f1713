import { StasisError } from '../../provider/core/errors.ts';
import type { Host } from '../../provider/core/host.ts';
import { on } from '../support/process/rig.ts';
import type { HostRun, Work } from './host-run.ts';

export type LabHosts = Readonly<Record<'cloud' | 'sovereign', Host>>;

export interface Scene {
  readonly hosts: LabHosts;
  /** One of the two, at random: the run has members on both. */
  readonly host: Host;
  readonly run: HostRun;
}

/** One thing that dies. */
export interface HostDeath {
  readonly name: string;
  readonly during: readonly Work[];
  /** Whether an engine drives us, which is what dies; otherwise a process of our own does. */
  readonly byEngine?: true;
  /** Whether our process is ended by force afterwards; otherwise it ends by itself. */
  readonly endsUs?: true;
  /** Whether a tree may end with what dies: nothing can prevent it (see the process driver's README). It has to be told. */
  readonly mayTakeATree?: true;
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
const KILL_CRIU = 'p=$(pgrep -x criu | head -1); [ -z "$p" ] || kill -9 "$p"';

/** Shuts a host off from everybody for some seconds. */
const CUT_LINK = `setsid sh -c 'ip link set eth0 down; sleep 9; ip link set eth0 up' < /dev/null > /dev/null 2>&1 &`;

/** Leaves /run, where dumps go, next to no room. What is being written there may take the room that was just measured. */
const FILL_RUN = `
for n in $(seq 50); do
  used=$(df --output=used -k /run | tail -1)
  mount -o "remount,size=$((used + 64))k" /run 2> /dev/null && exit 0
done
mount -o "remount,size=$((used + 64))k" /run
`;
const EMPTY_RUN = 'mount -o remount,size=50% /run';

/** Takes all that is free on the host's own disk, where also its changes to its root file system lie, and insists on it. */
const FILL_DISK = `
size=$(df --output=avail -k /srv | tail -1)
while [ "$size" -gt 256 ]; do
  fallocate -l "\${size}k" "/srv/full-$size" 2> /dev/null || rm -f "/srv/full-$size"
  size=$((size / 2))
done
! head -c 4M /dev/zero > /srv/full-rest 2> /dev/null
`;
const EMPTY_DISK = 'rm -f /srv/full-*; btrfs filesystem sync /srv';

async function filled(host: Host, fill: string, empty: string): Promise<AsyncDisposable> {
  await on(host, fill);
  return {
    [Symbol.asyncDispose]: async () => {
      await on(host, empty);
    },
  };
}

export const HOST_DEATHS: readonly HostDeath[] = [
  {
    name: 'our process killed by -9',
    during: ['capture', 'restore'],
    strike: async ({ run }) => {
      run.signal('SIGKILL');
      return nothing;
    },
  },
  {
    name: 'the engine killed by -9',
    during: ['capture', 'restore'],
    byEngine: true,
    strike: async ({ run }) => {
      run.signal('SIGKILL');
      return nothing;
    },
  },
  {
    name: 'our process stopped by SIGSTOP',
    during: ['capture', 'restore'],
    endsUs: true,
    strike: async ({ run }) => {
      run.signal('SIGSTOP');
      return nothing;
    },
  },
  {
    name: 'the watchdog killed by -9',
    during: ['capture'],
    strike: async ({ host }) => {
      await on(host, KILL_ONE, 'stasis-lease');
      return nothing;
    },
  },
  {
    name: 'one criu killed by -9',
    during: ['capture', 'restore'],
    mayTakeATree: true,
    strike: async ({ hosts }) => {
      await Promise.all(Object.values(hosts).map((host) => on(host, KILL_CRIU)));
      return nothing;
    },
  },
  {
    name: 'the link to one host cut',
    during: ['capture', 'restore'],
    strike: async ({ host }) => {
      // The link may be down before the answer of the command that cuts it comes by.
      await on(host, CUT_LINK).catch((error: unknown) => {
        if (!(error instanceof StasisError && error.code === 'host.connection-lost')) throw error;
      });
      return nothing;
    },
  },
  {
    name: 'one host’s memory for dumps full',
    during: ['capture', 'restore'],
    strike: ({ host }) => filled(host, FILL_RUN, EMPTY_RUN),
  },
  {
    name: 'one host’s disk full',
    during: ['capture', 'restore'],
    strike: ({ host }) => filled(host, FILL_DISK, EMPTY_DISK),
  },
];
