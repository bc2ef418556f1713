import type { Host } from '../../../provider/core/host.ts';
import { containerDriver } from '../../../provider/drivers/container/driver.ts';
import type { ContainerSpec } from '../../../provider/drivers/container/spec.ts';
import { makeRingImage, makeSmallImage } from '../../support/container/ring.ts';
import { labOrReason } from '../../support/lab.ts';
import { labHost, on, until } from '../../support/process/rig.ts';
import { startService } from '../../support/process/servers.ts';
import { ASK_RING, LOAD_RING, linesOf, MUTATE_RING, ringFaults } from '../../support/ring.ts';
import type { Disturbance, DriverAdapter, Load, System, Target } from './adapter.ts';
import { boundTo } from './bound.ts';

const SOURCE = 'ring';
const VOLUME = 'numbers';
const IMAGE = 'localhost/ring:1';
/** What is on the target's host already, and is not ours. */
const THEIRS = 'localhost/theirs:1';

/** NAME SCRIPT ARGUMENTS…: with the container's first process as $pid, in its network namespace. */
const INSIDE = `
name=$1 script=$2; shift 2
pid=$(podman container inspect --format '{{.State.Pid}}' -- "$name") && [ "$pid" != 0 ] || exit 1
export pid
exec nsenter --net="/proc/$pid/ns/net" -- sh -c "$script" inside "$@"
`;

/** What of ours is on a host while nothing is under way. The brackets keep it from seeing itself. */
const RESIDUE = `
ls -d /run/stasis/dump-* /srv/containers/volumes/*.stasis-* /srv/containers/volumes/*/*.stasis-* /srv/containers/overlay/*/*.stasis-* 2> /dev/null
pgrep -af '[s]tasis-(lease|folder|freezer|dump)' | cut -c 1-80
for group in $(find /sys/fs/cgroup -name 'libpod-*' -type d); do
  [ "$(cat "$group/cgroup.freeze" 2> /dev/null)" != 1 ] || echo "frozen: $group"
done
true
`;
/** All that podman and we have there. */
const STATE = `
podman ps --all --no-trunc --format '{{.ID}} {{.Names}} {{.State}} {{.Pid}} {{.StartedAt}}'
podman volume ls --format '{{.Name}}'; podman network ls --format '{{.Name}}'
podman images --all --no-trunc --format '{{.ID}} {{.Repository}}:{{.Tag}}' | sort
find /srv/containers/volumes -type f -exec sha256sum {} +
find /var/lib/stasis /run/stasis -mindepth 1 ! -path /var/lib/stasis/containers ! -name '*.lock' 2> /dev/null
ls /run/netns 2> /dev/null | wc -l
true
`;
const DROP = `
podman container rm --force --time 0 --ignore -- "$1" > /dev/null
podman volume rm --force -- "$2" > /dev/null
! podman image exists "$3" || podman image rm --force "$3" > /dev/null
rm -rf /var/lib/stasis/containers
`;

const here = await labOrReason();

class ContainerAdapter implements DriverAdapter {
  private system: RingSystem | undefined;
  readonly driver = boundTo<ContainerSpec>(containerDriver, (spec) => this.system!.hostOf(spec));
  readonly sessions = { watch: false, hold: true, mark: 'held' } as const;
  readonly replacesFirst = true;

  async unavailable(): Promise<string | undefined> {
    return here.reason;
  }

  async start(): Promise<System> {
    await using starting = new AsyncDisposableStack();
    const lab = starting.use(await here.start());
    const cloud = starting.use(labHost(lab, 'cloud'));
    const sovereign = starting.use(labHost(lab, 'sovereign'));
    await Promise.all([makeRingImage(cloud, IMAGE), makeSmallImage(sovereign, THEIRS)]);
    await on(cloud, START, SOURCE, VOLUME, IMAGE);
    await until(async () => (await on(cloud, INSIDE, SOURCE, ASK_RING, 'look')) !== '');
    this.system = new RingSystem(cloud, sovereign, starting.move());
    return this.system;
  }
}

/** NAME VOLUME IMAGE; and others that cannot be captured. It has files of its own, and memory that it shares. */
const START = `
set -e
podman run --detach --name "$1" --volume "$2:/srv/ring" --env COLOUR=red "$3" \\
  sh -c 'echo own > /etc/own; echo shared > /dev/shm/shared; exec python3 -I -S -B /opt/ring.py /srv/ring' > /dev/null
podman create --name idle "$3" sh > /dev/null
podman run --detach --name open --network host "$3" python3 -I -S -c 'import time; time.sleep(86400)' > /dev/null
`;

export const containerAdapter: DriverAdapter = new ContainerAdapter();

class RingSystem implements System {
  readonly spec: ContainerSpec = { name: SOURCE };
  readonly refused = [
    { name: 'no such container', spec: { name: 'none' }, codes: ['container.not-found'] },
    { name: 'no such pod', spec: { pod: 'none' }, codes: ['container.not-found'] },
    { name: 'one that does not run', spec: { name: 'idle' }, codes: ['container.not-running'] },
    { name: 'its host’s network', spec: { name: 'open' }, codes: ['container.host-namespace'] },
    { name: 'no such folder', spec: { ...this.spec, files: ['/none'] }, codes: ['container.no-folder'] },
    {
      name: 'a folder of nobody',
      spec: { ...this.spec, files: ['/opt'] },
      codes: ['container.not-mounted'],
    },
  ];
  private readonly cloud: Host;
  private readonly sovereign: Host;
  private readonly resources: AsyncDisposableStack;
  private targets = 0;

  constructor(cloud: Host, sovereign: Host, resources: AsyncDisposableStack) {
    this.cloud = cloud;
    this.sovereign = sovereign;
    this.resources = resources;
  }

  /** A container keeps its volume's name and its address: so it comes back on another host. */
  hostOf({ name = '' }: ContainerSpec): Host {
    return name.startsWith('target-') ? this.sovereign : this.cloud;
  }

  get disturbances(): readonly Disturbance[] {
    const script = (name: string, changes: boolean, text: string): Disturbance => ({
      ...{ name, changes },
      disturb: async () => {
        await on(this.cloud, text, SOURCE);
      },
    });
    const pid = `p=$(podman container inspect --format '{{.State.Pid}}' "$1")`;
    return [
      script(
        'a thaw by somebody else',
        true,
        `${pid}; echo 0 > "/sys/fs/cgroup$(sed -n 's/^0:://p' "/proc/$p/cgroup")/cgroup.freeze"; sleep 0.1`,
      ),
      // Of one that is frozen podman may refuse either, and then nothing has changed.
      script(
        'paused and unpaused by podman',
        false,
        'podman pause "$1" 2> /dev/null; podman unpause "$1" 2> /dev/null; sleep 0.1',
      ),
      script('stopped and continued by signals', false, `${pid}; kill -STOP $p; sleep 0.05; kill -CONT $p`),
      // Frozen with the container, it waits for the thaw as well.
      script('a command run in it', true, 'podman exec "$1" touch /tmp/touched'),
      { name: 'work of its own', changes: true, disturb: () => this.ask('add') },
    ];
  }

  private async ask(word: string): Promise<void> {
    await on(this.cloud, INSIDE, SOURCE, ASK_RING, word);
  }

  async load(): Promise<Load> {
    await on(this.cloud, 'rm -f /run/answers');
    await startService(this.cloud, 'load', 'root', 'sh', '-c', INSIDE, 'load', SOURCE, LOAD);
    const operations = async (): Promise<number> =>
      Number(await on(this.cloud, 'cat /run/answers 2> /dev/null || echo 0'));
    await until(async () => (await operations()) > 0);
    return {
      operations,
      [Symbol.asyncDispose]: async () => {
        await on(this.cloud, 'kill -9 "$(cat /run/load.pid)"');
      },
    };
  }

  async emptyTarget(): Promise<Target> {
    this.targets += 1;
    return new RingTarget(this.sovereign, `target-${this.targets}`);
  }

  async filledTarget(): Promise<Target> {
    this.targets += 1;
    const name = `target-${this.targets}`;
    await on(this.sovereign, FILL, name, VOLUME, THEIRS);
    return new RingTarget(this.sovereign, name);
  }

  async residue(): Promise<readonly string[]> {
    return linesOf(await on(this.cloud, RESIDUE));
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.resources.disposeAsync();
  }
}

const LOAD = `exec python3 -c '${LOAD_RING.replaceAll("'", '"')}'`;
const FILL = `
podman run --detach --name "$1" --volume "$2:/theirs" "$3" sh -c 'echo theirs > /theirs/theirs; exec sleep 100000' > /dev/null
`;

class RingTarget implements Target {
  readonly spec: ContainerSpec;
  private readonly host: Host;
  private readonly name: string;

  constructor(host: Host, name: string) {
    this.host = host;
    this.name = name;
    this.spec = { name };
  }

  async faults(): Promise<readonly string[]> {
    const told = await on(this.host, INSIDE, this.name, ASK_RING, 'look');
    const [logged = '0', ...own] = linesOf(
      await on(
        this.host,
        INSIDE,
        this.name,
        'tail -n 1 "/proc/$pid/root/srv/ring/log"; cat "/proc/$pid/root/etc/own" "/proc/$pid/root/dev/shm/shared"; tr "\\0" "\\n" < /proc/$pid/environ | grep COLOUR',
      ),
    );
    const faults = ringFaults(told, logged);
    return own.join() === 'own,shared,COLOUR=red' ? faults : [...faults, `of its own it has ${own.join()}`];
  }

  async mutate(): Promise<string> {
    return `container/${await on(this.host, INSIDE, this.name, `set -- "$pid"; ${MUTATE_RING}`)}`;
  }

  state(): Promise<string> {
    return on(this.host, STATE);
  }

  async residue(): Promise<readonly string[]> {
    return linesOf(await on(this.host, RESIDUE));
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await on(this.host, DROP, this.name, VOLUME, IMAGE);
  }
}
