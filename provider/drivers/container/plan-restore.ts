import type { Context } from '../../core/context.ts';
import type { RestoreOptions, RestorePlan } from '../../core/driver.ts';
import { StasisError } from '../../core/errors.ts';
import type { Host } from '../../core/host.ts';
import type { MemberCapture } from '../../core/manifest.ts';
import { lookForTools, missingTools } from '../../runtime/restore-tools.ts';
import { type Content, readContent, totalBytes } from './content.ts';
import { lookAtTools } from './look.ts';
import { differenceOf } from './network.ts';
import { machineProblems } from './obstacles.ts';
import { placeOf } from './place.ts';
import { parseNetworks } from './podman.ts';
import { type ContainerSpec, nameOf } from './spec.ts';

/** What of the snapshot's the target has already. */
export interface Target {
  readonly problems: readonly StasisError[];
  /** By what podman calls them. */
  readonly containers: readonly string[];
  readonly pods: readonly string[];
  readonly volumes: readonly string[];
  readonly networks: readonly string[];
  readonly folders: readonly string[];
  readonly images: readonly string[];
  /** Names of images that show another one than the snapshot's. */
  readonly takenNames: readonly string[];
  readonly ids: readonly string[];
  readonly restoredBy: string | undefined;
  readonly identity: string;
  readonly groups: string;
}

export const RESTORE_TOOLS = ['nft', 'nsenter', 'unshare', 'ip', 'ss', 'flock', 'setpriv'] as const;

const TARGET = `
record=$1 networks=$2; shift 2
${lookForTools(RESTORE_TOOLS)}
part record; cat -- "$record" 2>/dev/null
part containers; podman ps --all --no-trunc --format '{{.ID}} {{.Names}}' 2>/dev/null
part pods; podman pod ps --format '{{.Name}}' 2>/dev/null
part volumes; podman volume ls --format '{{.Name}}' 2>/dev/null
part images; podman images --all --no-trunc --format '{{.ID}} {{.Repository}}:{{.Tag}}' 2>/dev/null
part networks; [ -z "$networks" ] || for network in $networks; do podman network inspect -- "$network" 2>/dev/null; done
for path in "$@"; do
  part there $path; [ -e "$path" ] && echo yes
  part filled $path; ls -A -- "$path" 2>/dev/null | head -n 1
done
`;

/** The names that the containers get: the target's own where there is no pod. */
export function namesIn(spec: ContainerSpec, content: Content): string[] {
  return content.containers.map(({ name }) => (content.pod ? name : nameOf(spec)));
}

export async function lookAtTarget(
  spec: ContainerSpec,
  host: Host,
  content: Content,
  signal: AbortSignal,
): Promise<Target> {
  const place = placeOf(spec, '');
  const paths = [...content.folders.map(({ path }) => path), ...content.needs];
  const args = [place.record, content.networks.map(({ name }) => name).join(' '), ...paths];
  const { tools, surroundings, parts } = await lookAtTools(host, signal, TARGET, args);
  const lines = (name: string): string[] =>
    (parts.get(name) ?? '').split('\n').filter((line) => line.trim() !== '');
  const containers = lines('containers').map((line) => line.split(' ') as [string, string]);
  const images = lines('images').map((line) => line.split(' ') as [string, string]);
  const wanted = namesIn(spec, content);
  const imageOf = new Map(content.containers.map(({ image, imageName }) => [imageName, image]));
  const networks = networksAmong(parts.get('networks') ?? '');
  const there = (path: string): boolean => parts.get(`there ${path}`)?.trim() === 'yes';
  return {
    problems: [
      ...machineProblems(tools, surroundings, host),
      ...wayProblems(spec, content),
      ...missingTools('container', parts, host),
      ...content.networks.flatMap((network) => networkProblems(network, networks, host)),
      ...content.needs.filter((path) => !there(path)).map((path) => missing(path, host)),
    ],
    containers: containers.map(([, name]) => name).filter((name) => wanted.includes(name)),
    pods: lines('pods').filter((name) => content.pod && name === nameOf(spec)),
    volumes: lines('volumes').filter((name) => content.volumes.some((volume) => volume.name === name)),
    networks: networks.map(({ name }) => name),
    folders: content.folders
      .map(({ path }) => path)
      .filter((path) => (parts.get(`filled ${path}`) ?? '').trim() !== ''),
    images: images.map(([id]) => id.replace(/^sha256:/, '')),
    takenNames: images
      .filter(
        ([id, name]) => (imageOf.get(name) ?? id.replace(/^sha256:/, '')) !== id.replace(/^sha256:/, ''),
      )
      .map(([, name]) => name),
    ids: containers.map(([id]) => id),
    restoredBy: rememberedBy(
      parts.get('record') ?? '',
      containers.map(([id]) => id),
    ),
    identity: `container:${surroundings.bootId}/${surroundings.namespaces.mnt}/${nameOf(spec)}`,
    groups: surroundings.groups ?? '',
  };
}

/** Several answers, each a list of one. */
function networksAmong(printed: string) {
  return printed
    .split(/(?<=^\])\n/m)
    .filter((one) => one.trim() !== '')
    .flatMap((one) => parseNetworks(one));
}

function wayProblems(spec: ContainerSpec, content: Content): StasisError[] {
  if ((content.pod === undefined) === (spec.pod === undefined)) return [];
  const [was, other] = content.pod ? ['a pod', 'pod'] : ['a container', 'name'];
  return [
    new StasisError('container.other-kind', `What was captured is ${was}.`, {
      hint: `Name the target by ${other}.`,
      at: [spec.pod === undefined ? 'name' : 'pod'],
    }),
  ];
}

function networkProblems(
  wanted: Content['networks'][number],
  found: ReturnType<typeof networksAmong>,
  host: Host,
): StasisError[] {
  const there = found.find(({ name }) => name === wanted.name);
  const difference = there && differenceOf(wanted, there);
  if (difference === undefined) return [];
  return [
    new StasisError(
      'container.network-differs',
      `The network "${wanted.name}" on ${host.name} is another one: ${difference}.`,
      { hint: 'Remove or rename that network; the restore makes its own.' },
    ),
  ];
}

function missing(path: string, host: Host): StasisError {
  return new StasisError(
    'container.no-folder',
    `The containers read ${path}, which is missing on ${host.name}.`,
    {
      hint: 'Put it there first, or capture it with the containers: files.',
    },
  );
}

function rememberedBy(record: string, ids: readonly string[]): string | undefined {
  try {
    const { restoreId, containers } = JSON.parse(record) as { restoreId?: unknown; containers?: unknown };
    const all = Array.isArray(containers) && containers.every((id) => ids.includes(String(id)));
    return typeof restoreId === 'string' && all ? restoreId : undefined;
  } catch {
    return undefined;
  }
}

export function isEmpty({ containers, pods, volumes, folders }: Target): boolean {
  return [containers, pods, volumes, folders].every(({ length }) => length === 0);
}

export async function planRestore(
  spec: ContainerSpec,
  host: Host,
  from: MemberCapture,
  context: Context,
): Promise<RestorePlan> {
  const content = readContent(from);
  const target = await lookAtTarget(spec, host, content, context.signal);
  return {
    problems: target.problems,
    identities: [target.identity],
    empty: isEmpty(target),
    sizeBytes: totalBytes(content),
    ...(target.restoredBy === undefined ? {} : { restoredBy: target.restoredBy }),
  };
}

/** @throws StasisError what the plan says, and `container.target-exists` */
export async function insistOnTarget(
  spec: ContainerSpec,
  host: Host,
  content: Content,
  options: RestoreOptions,
  signal: AbortSignal,
): Promise<Target> {
  const target = await lookAtTarget(spec, host, content, signal);
  const [problem] = target.problems;
  if (problem) throw problem;
  if (isEmpty(target) || options.overwrite) return target;
  const { containers, pods, volumes, folders } = target;
  const found = [...containers, ...pods, ...volumes.map((name) => `volume ${name}`), ...folders];
  throw new StasisError('container.target-exists', `${host.name} has these already: ${found.join(', ')}.`, {
    hint: 'Restore to another name or host, or set overwrite to replace them.',
    at: [spec.pod === undefined ? 'name' : 'pod'],
  });
}
