import { StasisError } from '../../core/errors.ts';
import type { Host } from '../../core/host.ts';
import { dumpObstacles, someOf } from '../../runtime/obstacles.ts';
import { isWithin } from '../../runtime/paths.ts';
import type { Surroundings } from '../../runtime/surroundings.ts';
import type { Look, LookedContainer, Tools } from './look.ts';
import type { Container } from './podman.ts';
import type { ContainerSpec } from './spec.ts';

const OLDEST_PODMAN = 4;
const OLDEST_CRIU = 'Install CRIU 4.2 or newer: apt-get install criu libcriu2.';

function problem(code: string, message: string, hint: string, at: readonly string[] = []): StasisError {
  return new StasisError(`container.${code}`, message, { hint, at });
}

/** What a host lacks, whatever the container. */
export function machineProblems(tools: Tools, surroundings: Surroundings, host: Host): StasisError[] {
  const problems: StasisError[] = [];
  const missing = (code: string, message: string, hint: string): void => {
    problems.push(problem(code, message, hint));
  };
  if (surroundings.uid !== 0)
    missing(
      'rootless',
      `Commands on ${host.name} do not run as root.`,
      'CRIU takes root; containers of podman without root cannot be captured. Run them by root, and log in as root.',
    );
  if (surroundings.groups === undefined)
    missing(
      'no-control-groups',
      `${host.name} has no control groups of version 2.`,
      'Mount cgroup2; Linux 5.2 or newer can freeze a group.',
    );
  if (tools.podman === '')
    missing('no-podman', `There is no podman on ${host.name}.`, 'Install it: apt-get install podman crun.');
  else if (surroundings.uid === 0 && Number.parseInt(tools.podmanVersion, 10) < OLDEST_PODMAN)
    missing(
      'old-podman',
      `Podman ${tools.podmanVersion} on ${host.name} is too old.`,
      'Install podman 4.9 or newer.',
    );
  if (tools.crun === '')
    missing('no-crun', `There is no crun on ${host.name}.`, 'Install it: apt-get install crun libcriu2.');
  else if (!tools.crun.includes('+CRIU'))
    missing(
      'no-libcriu',
      `The crun of ${host.name} cannot checkpoint: it was built without CRIU.`,
      'Install a crun of which "crun --version" says +CRIU.',
    );
  if (tools.criu === '') missing('no-criu', `There is no criu on ${host.name}.`, OLDEST_CRIU);
  else if (surroundings.uid === 0 && !tools.check.includes('status 0'))
    missing('criu-check', `CRIU cannot work on ${host.name}.`, 'Run "criu check" there: it says why.');
  if (tools.tar === '') missing('no-tar', `There is no tar on ${host.name}.`, 'Install tar.');
  return problems;
}

/** Whether what was named is there, runs, and is named by what it is. */
export function existenceProblems(spec: ContainerSpec, look: Look, host: Host): StasisError[] {
  if (look.tools.podman === '' || look.surroundings.uid !== 0) return [];
  const at = [spec.pod === undefined ? 'name' : 'pod'];
  if (spec.pod !== undefined && look.pod === undefined)
    return [
      problem('not-found', `There is no pod "${spec.pod}" on ${host.name}.`, 'See "podman pod ps".', at),
    ];
  if (spec.pod === undefined && look.named.length === 0)
    return [
      problem(
        'not-found',
        `There is no container "${spec.name}" on ${host.name}.`,
        'See "podman ps -a".',
        at,
      ),
    ];
  if (look.named.length === 0)
    return [problem('empty-pod', `The pod "${spec.pod}" has no containers.`, 'Start its containers.', at)];
  const [inPod] = look.named.filter(({ Pod, IsInfra }) => Pod !== '' || IsInfra);
  if (spec.pod === undefined && inPod)
    return [
      problem(
        'in-pod',
        `The container "${spec.name}" belongs to a pod, whose network it lives in.`,
        'Name the pod instead: pod.',
        at,
      ),
    ];
  return look.named
    .filter(({ State }) => State.Status !== 'running')
    .map(({ Name, State }) =>
      problem(
        'not-running',
        `The container "${Name}" is ${State.Status}, and one that runs can be captured.`,
        'Start it with "podman start", let it go on with "podman unpause", or remove it from its pod.',
        at,
      ),
    );
}

/** What is known to keep this container from being captured or brought back. */
export function containerProblems(spec: ContainerSpec, looked: LookedContainer, look: Look): StasisError[] {
  const { container, facts, group, nested } = looked;
  const { Name } = container;
  const problems = [
    ...isolationProblems(container),
    ...mountProblems(spec, container, look),
    ...dumpObstacles('container', facts, look.surroundings, look.tools.criuWrapped),
  ];
  const obstacle = (is: boolean, code: string, message: string, hint: string): void => {
    if (is) problems.push(problem(code, message, hint));
  };
  obstacle(
    group === '',
    'no-group',
    `The container "${Name}" has no control group of its own, so that it cannot be frozen.`,
    'Start it without --cgroups=disabled and --cgroupns=host.',
  );
  obstacle(
    nested,
    'nested-groups',
    `The container "${Name}" has control groups of its own below its own, as one with systemd has.`,
    'Capture the services inside of it as containers of their own.',
  );
  const wired = facts.unixPeers.filter(({ isDatagram }) => !isDatagram).map(({ name }) => name);
  obstacle(
    wired.length > 0,
    'unix-peer',
    `The container "${Name}" has connections by Unix sockets to others, which podman cannot capture: ${someOf(wired)}.`,
    'Let it reach them by TCP, or end those connections while it is captured.',
  );
  const strays = strangersIn(looked);
  obstacle(
    strays.length > 0,
    'exec-session',
    `In the container "${Name}" runs what its first process did not start: ${strays.join(', ')}.`,
    'Let "podman exec" and health checks end, then capture.',
  );
  return problems;
}

/** Processes of "podman exec" are in the group, and not in the tree that CRIU dumps. */
function strangersIn({ facts }: LookedContainer): string[] {
  const [first, ...others] = facts.processes;
  const known = new Set([first?.pid]);
  let before = 0;
  while (before !== known.size) {
    before = known.size;
    for (const { pid, ppid } of others) if (known.has(ppid)) known.add(pid);
  }
  return others.filter(({ pid }) => !known.has(pid)).map(({ command }) => command);
}

function isolationProblems(container: Container): StasisError[] {
  const { Name, HostConfig, OCIRuntime, GraphDriver, Image, Pod } = container;
  const problems: StasisError[] = [];
  const refuse = (is: boolean, code: string, message: string, hint: string): void => {
    if (is) problems.push(problem(code, `The container "${Name}" ${message}.`, hint));
  };
  const modes = {
    pid: HostConfig.PidMode,
    ipc: HostConfig.IpcMode,
    network: HostConfig.NetworkMode,
    uts: HostConfig.UTSMode,
    cgroup: HostConfig.CgroupMode,
  };
  const shared = Object.entries(modes).filter(([, mode]) => mode === 'host');
  refuse(
    shared.length > 0,
    'host-namespace',
    `shares namespaces with its host (${shared.map(([kind]) => kind).join(', ')}), which cannot be captured with it`,
    'Start it without --pid=host, --ipc=host, --network=host and the like.',
  );
  const joined = Pod === '' && Object.values(modes).some((mode) => mode.startsWith('container:'));
  refuse(
    joined,
    'joined',
    'lives in the namespaces of another container',
    'Put both into a pod, and name the pod.',
  );
  const ownUsers = !['', 'host'].includes(HostConfig.UsernsMode);
  refuse(ownUsers, 'user-namespace', 'has user numbers of its own', 'Start it without --userns.');
  refuse(
    HostConfig.Privileged,
    'privileged',
    'is privileged: what it does to its host is not in it',
    'Start it without --privileged.',
  );
  refuse(
    (HostConfig.Devices ?? []).length > 0,
    'device',
    'has devices, whose state cannot be captured',
    'Start it without --device and --gpus.',
  );
  refuse(
    !/(^|\/)crun$/.test(OCIRuntime),
    'runtime',
    `is run by ${OCIRuntime}`,
    'Run it by crun: podman --runtime crun.',
  );
  refuse(
    Image === '',
    'no-image',
    'was made of a folder and not of an image',
    'Make an image of it with "podman commit" or "podman import".',
  );
  refuse(
    GraphDriver.Name !== 'overlay',
    'storage',
    `is stored by ${GraphDriver.Name}`,
    'Store containers by overlay: storage.conf.',
  );
  return problems;
}

/** A volume comes along. A folder of the host does where it is named; one that is only read has to be on the target. */
function mountProblems(spec: ContainerSpec, { Name, Mounts }: Container, look: Look): StasisError[] {
  return (Mounts ?? []).flatMap((mount): StasisError[] => {
    const { Type, Source, Destination, RW } = mount;
    if (Type === 'volume' || Type === 'tmpfs') {
      const volume = look.volumes.find((one) => one.Name === mount.Name);
      if (Type === 'tmpfs' || (volume && volume.Driver === 'local' && !volume.Options?.type)) return [];
      return [
        problem(
          'volume-elsewhere',
          `The volume "${mount.Name}" at ${Destination} of "${Name}" lies elsewhere (driver ${volume?.Driver ?? 'unknown'}), and not on this host.`,
          'Capture where it lies as a member of its own, or use a local volume.',
        ),
      ];
    }
    if (Type !== 'bind')
      return [
        problem(
          'mount',
          `The container "${Name}" has a mount of type ${Type} at ${Destination}.`,
          'Use volumes.',
        ),
      ];
    if (!RW || isWithin(Source, spec.files)) return [];
    return [
      problem(
        'bind-mount',
        `The container "${Name}" writes to ${Source} of its host, which nobody captures.`,
        `Name it: files = ["${Source}"]; or make it a volume, or read-only.`,
        ['files'],
      ),
    ];
  });
}
