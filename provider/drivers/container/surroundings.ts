import { StasisError } from '../../core/errors.ts';
import type { Host } from '../../core/host.ts';
import type { BlobReader } from '../../core/store.ts';
import { feed, runScript } from '../../runtime/machine.ts';
import { loadTree } from '../../runtime/trees.ts';
import type { Content } from './content.ts';
import { createNetwork } from './network.ts';
import type { Target } from './plan-restore.ts';

const STEP_MS = 60_000;

const NAME_IMAGE = `podman image exists "$1" || exit 1; [ -z "$2" ] || podman tag "$1" "$2"`;

/** Images that are not there, from the snapshot, so that no registry is asked; each is known by its digest. */
export async function loadImages(
  content: Content,
  target: Target,
  blobs: BlobReader,
  host: Host,
  signal: AbortSignal,
): Promise<void> {
  for (const { id, digest } of content.images) {
    if (target.images.includes(id)) continue;
    await feed(host, ['podman', 'load', '--quiet'], blobs.get(digest), signal);
    const named = content.containers.find(({ image }) => image === id)?.imageName ?? '';
    const free = target.takenNames.includes(named) ? '' : named;
    await runScript(host, NAME_IMAGE, [id, free], { signal, timeoutMs: STEP_MS }).catch((cause: unknown) => {
      throw new StasisError(
        'container.image-differs',
        `The image ${named} has another digest once it is loaded.`,
        {
          hint: 'Look whether the podman of both hosts is of the same version.',
          cause,
        },
      );
    });
  }
}

/** Members of one restore may share a network: whoever comes first makes it. */
const ONCE = `
mkdir -p /run/stasis && exec 9> /run/stasis/containers.lock && flock -w 50 9 || exit 1
podman network exists "$0" || "$@" 9>&-
`;

export async function makeNetworks(
  content: Content,
  target: Target,
  host: Host,
  signal: AbortSignal,
): Promise<void> {
  for (const network of content.networks) {
    if (target.networks.includes(network.name)) continue;
    const argv = ['sh', '-c', ONCE, network.name, ...createNetwork(network)];
    await run(argv, `The network "${network.name}" could not be made`, host, signal);
  }
}

/** Volumes, and folders of the host. */
export async function loadFolders(
  content: Content,
  blobs: BlobReader,
  host: Host,
  signal: AbortSignal,
): Promise<void> {
  for (const { name, labels, options, digest } of content.volumes) {
    const pairs = (flag: string, map: Readonly<Record<string, string>>): string[] =>
      Object.entries(map).flatMap(([key, value]) => [flag, `${key}=${value}`]);
    const argv = [
      'podman',
      'volume',
      'create',
      ...pairs('--label', labels),
      ...pairs('--opt', options),
      '--',
      name,
    ];
    await run(argv, `The volume "${name}" could not be made`, host, signal);
    const inspect = ['podman', 'volume', 'inspect', '--format', '{{.Mountpoint}}', '--', name];
    const path = await run(inspect, `The volume "${name}" could not be found`, host, signal);
    await loadTree(path.trim(), blobs.get(digest), host, signal);
  }
  for (const { path, digest } of content.folders) await loadTree(path, blobs.get(digest), host, signal);
}

async function run(argv: readonly string[], what: string, host: Host, signal: AbortSignal): Promise<string> {
  const { status, stdout, stderr } = await host.run(argv, { signal, timeoutMs: STEP_MS });
  if (status === 0) return stdout;
  throw new StasisError('container.podman-failed', `${what}: ${stderr.trim().replace(/^Error: /, '')}.`, {
    hint: 'Look whether its name, address range and folder are free on the target.',
  });
}
