import type { Host } from '../../core/host.ts';
import { readFacts, type TreeFacts } from '../../runtime/facts.ts';
import { runParts } from '../../runtime/machine.ts';
import { SURROUNDINGS, type Surroundings, surroundingsOf } from '../../runtime/surroundings.ts';
import {
  type Container,
  type Image,
  type Network,
  type Pod,
  parseContainers,
  parseImages,
  parseNetworks,
  parsePods,
  parseVolumes,
  type Volume,
} from './podman.ts';
import type { ContainerSpec } from './spec.ts';

/** The tools of a host, each with what it says of itself; empty where it is missing. */
export interface Tools {
  readonly podman: string;
  readonly podmanVersion: string;
  readonly crun: string;
  readonly criu: string;
  /** Whether its criu is a script: then it may do what a program may not. */
  readonly criuWrapped: boolean;
  readonly check: string;
  readonly tar: string;
}

/** A running container, as podman and the kernel tell of it. */
export interface LookedContainer {
  readonly container: Container;
  /** Its control group, absolute, on the host; empty where it has none of its own. */
  readonly group: string;
  readonly facts: TreeFacts;
  /** Whether groups below its own hold processes. */
  readonly nested: boolean;
  /** What it has changed of its image lies here (the upper folder of its overlay). */
  readonly upper: string;
  /** The image's layers, topmost first. */
  readonly lowers: readonly string[];
  /** Where the memory lies that /dev/shm shows; empty where it shares the host's. */
  readonly shm: string;
}

/** A folder that is captured: a volume's, one of the host's, or a container's own changes. */
export interface LookedFolder {
  readonly path: string;
  readonly sizeBytes: number;
  /** Whether a copy of it takes no time (btrfs, xfs). */
  readonly shares: boolean;
  readonly exists: boolean;
}

export interface Look {
  readonly tools: Tools;
  readonly surroundings: Surroundings;
  readonly containers: readonly LookedContainer[];
  /** What was named and is there, running or not, without the infra container of a pod. */
  readonly named: readonly Container[];
  readonly pod: Pod | undefined;
  readonly volumes: readonly Volume[];
  readonly networks: readonly Network[];
  readonly images: readonly Image[];
  readonly folders: ReadonlyMap<string, LookedFolder>;
}

const TOOLS = `
part podman; command -v podman
part crun; crun --version 2>/dev/null
part criu; command -v criu
part kind; head -c 2 -- "$(command -v criu)" 2>/dev/null
part check; criu check 2>&1; echo "status $?"
part tar; command -v tar
${SURROUNDINGS}
[ "$(id -u)" = 0 ] || exit 0
part podman-version; podman version --format '{{.Client.Version}}' 2>/dev/null
`;
const NAMED = `
case $1 in
name) part containers; podman container inspect -- "$2" 2>/dev/null ;;
pod)
  part pod; podman pod inspect -- "$2" 2>/dev/null
  set -- $(podman pod inspect --format '{{range .Containers}}{{.Id}} {{end}}' -- "$2" 2>/dev/null)
  part containers; [ $# = 0 ] || podman container inspect -- "$@" 2>/dev/null ;;
esac
`;

/** What the host has, whatever the member. */
export async function lookAtTools(
  host: Host,
  signal: AbortSignal,
  more = '',
  args: readonly string[] = [],
): Promise<{ tools: Tools; surroundings: Surroundings; parts: ReadonlyMap<string, string> }> {
  const parts = await runParts(host, `${TOOLS}${more}`, args, signal);
  const part = (name: string): string => parts.get(name)?.trim() ?? '';
  const tools = {
    podman: part('podman'),
    podmanVersion: part('podman-version'),
    crun: part('crun'),
    criu: part('criu'),
    criuWrapped: part('kind') === '#!',
    check: part('check'),
    tar: part('tar'),
  };
  return { tools, surroundings: surroundingsOf(parts), parts };
}

/** Everything that is to be known before a capture. Reads only. */
export async function look(spec: ContainerSpec, host: Host, signal: AbortSignal): Promise<Look> {
  const way = spec.pod === undefined ? ['name', spec.name!] : ['pod', spec.pod];
  const { tools, surroundings, parts } = await lookAtTools(host, signal, NAMED, way);
  const [pod] = parsePods(parts.get('pod'));
  const all = parseContainers(parts.get('containers'));
  const named = spec.pod === undefined ? all : all.filter(({ IsInfra }) => !IsInfra);
  const running = named.filter(({ State }) => State.Pid > 0);
  const containers = await Promise.all(
    running.map((container) => lookInto(container, surroundings.groups ?? '', host, signal)),
  );
  const around = await lookAround(spec, all, containers, host, signal);
  return { tools, surroundings, containers, named, pod, ...around };
}

const INTO = `
groups=$1 pid=$2 config=$3
group=$(sed -n 's/^0:://p' "/proc/$pid/cgroup")
part group; printf '%s' "$group"
part members; cat -- "$groups$group/cgroup.procs" 2>/dev/null
part below; cat /dev/null "$groups$group"/*/cgroup.procs 2>/dev/null
part config; cat -- "$config" 2>/dev/null
`;

async function lookInto(
  container: Container,
  groups: string,
  host: Host,
  signal: AbortSignal,
): Promise<LookedContainer> {
  const args = [groups, String(container.State.Pid), container.OCIConfigPath];
  const parts = await runParts(host, INTO, args, signal);
  const group = parts.get('group')?.trim() ?? '';
  const members = (parts.get('members') ?? '').split('\n').filter((line) => line !== '');
  const data = container.GraphDriver.Data ?? {};
  return {
    container,
    // The host's own group is never a container's: freezing it would stop everything.
    group: group === '' || group === '/' || groups === '' ? '' : `${groups}${group}`,
    // Its first process first.
    facts: await readFacts(
      host,
      [...new Set([container.State.Pid, ...members.map(Number)])].filter((pid) => pid > 0),
      signal,
    ),
    nested: (parts.get('below') ?? '').trim() !== '',
    upper: data.UpperDir ?? '',
    lowers: (data.LowerDir ?? '').split(':').filter((path) => path !== ''),
    shm: sharedMemoryOf(parts.get('config') ?? ''),
  };
}

/** Of the runtime's configuration (OCI runtime specification): what is mounted at /dev/shm. */
function sharedMemoryOf(config: string): string {
  try {
    const { mounts = [] } = JSON.parse(config) as {
      mounts?: { destination?: string; source?: string; type?: string }[];
    };
    const shm = mounts.find(({ destination, type }) => destination === '/dev/shm' && type === 'bind');
    return shm?.source === '/dev/shm' ? '' : (shm?.source ?? '');
  } catch {
    return '';
  }
}

const AROUND = `
some() { left=$1; shift; list=; while [ $left -gt 0 ]; do list="$list $1"; shift; left=$((left - 1)); done; }
volumes=$1 networks=$2 images=$3; shift 3
part volumes; some $volumes "$@"; shift $volumes; [ -z "$list" ] || podman volume inspect $list 2>/dev/null
part networks; some $networks "$@"; shift $networks; [ -z "$list" ] || podman network inspect $list 2>/dev/null
part images; some $images "$@"; shift $images; [ -z "$list" ] || podman image inspect $list 2>/dev/null
for path in "$@"; do
  part size $path; [ -d "$path" ] && du -sbx -- "$path" 2>/dev/null | cut -f 1
  part system $path; stat -f -c %T -- "$path" 2>/dev/null
done
`;

type Around = Pick<Look, 'volumes' | 'networks' | 'images' | 'folders'>;

async function lookAround(
  spec: ContainerSpec,
  all: readonly Container[],
  containers: readonly LookedContainer[],
  host: Host,
  signal: AbortSignal,
): Promise<Around> {
  const mounts = all.flatMap(({ Mounts }) => Mounts ?? []);
  const unique = (names: readonly string[]): string[] =>
    [...new Set(names)].filter((name) => name !== '').sort();
  const volumeNames = unique(mounts.filter(({ Type }) => Type === 'volume').map(({ Name }) => Name));
  const networkNames = unique(all.flatMap((one) => Object.keys(one.NetworkSettings?.Networks ?? {})));
  const imageIds = unique(containers.map(({ container }) => container.Image));
  const sources = mounts.filter(({ Type }) => Type === 'volume').map(({ Source }) => Source);
  const paths = unique([...sources, ...containers.map(({ upper }) => upper), ...(spec.files ?? [])]);
  const args = [
    ...[volumeNames, networkNames, imageIds].map(({ length }) => String(length)),
    ...[...volumeNames, ...networkNames, ...imageIds, ...paths],
  ];
  const parts = await runParts(host, AROUND, args, signal);
  return {
    volumes: parseVolumes(parts.get('volumes')),
    networks: parseNetworks(parts.get('networks')),
    images: parseImages(parts.get('images')),
    folders: new Map(
      paths.map((path) => {
        const size = parts.get(`size ${path}`)?.trim() ?? '';
        const shares = ['btrfs', 'xfs'].includes(parts.get(`system ${path}`)?.trim() ?? '');
        return [path, { path, sizeBytes: Number(size) || 0, shares, exists: size !== '' }];
      }),
    ),
  };
}
