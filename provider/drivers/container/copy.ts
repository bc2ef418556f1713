import { once } from '../../core/content.ts';
import type { Context } from '../../core/context.ts';
import type { Host } from '../../core/host.ts';
import type { Capture } from '../../core/manifest.ts';
import type { Blobs } from '../../core/store.ts';
import { formatBytes } from '../../core/units.ts';
import { readPacked } from '../../runtime/dump.ts';
import { readTree } from '../../runtime/images/tree.ts';
import { runScript, streamOf } from '../../runtime/machine.ts';
import { copyTree, type TreeCopy } from '../../runtime/trees.ts';
import type { CapturedContainer } from './captured.ts';
import { compareWithImage, copyChanges } from './changes.ts';
import { CONTENT_VERSION, type ContainerContent, type Content, memoryBytes, totalBytes } from './content.ts';
import { packDefinition } from './definition.ts';
import type { Look } from './look.ts';
import { networksOf, podOf } from './network.ts';
import { outsideOf } from './outside.ts';
import { systemOf } from './plan.ts';
import type { Image } from './podman.ts';
import type { KeptFolder } from './session.ts';
import type { ContainerSpec } from './spec.ts';

export interface CopyInput {
  readonly spec: ContainerSpec;
  readonly host: Host;
  readonly context: Context;
  readonly look: Look;
  readonly containers: readonly CapturedContainer[];
  readonly folders: readonly KeptFolder[];
}

/** Streams all of it into the store: memory first, as it lies in the host's. */
export async function copyCapture(
  input: CopyInput,
  blobs: Blobs,
): Promise<{ content: Content; capture: Omit<Capture, 'epoch'> }> {
  const { spec, host, context, look, folders } = input;
  const { signal } = context;
  const containers: ContainerContent[] = [];
  let processes = 0;
  for (const container of input.containers) {
    const images = await container.images(signal);
    processes += (await readTree(images)).length;
    containers.push(await copyContainer(container, look, blobs, host, signal));
  }
  const copied: (KeptFolder & Awaited<ReturnType<typeof copyFolder>>)[] = [];
  for (const folder of folders)
    copied.push({ ...folder, ...(await copyFolder(folder, blobs, host, signal)) });
  const content: Content = {
    containers,
    ...(look.pod ? { pod: await podOf(look.pod, look.surroundings.groups ?? '', host, signal) } : {}),
    images: [],
    volumes: look.volumes.map(({ Name, Labels, Options }) => {
      const { digest, sizeBytes, root } = copied.find(({ name }) => name === `/volume/${Name}`)!;
      return { name: Name, labels: Labels ?? {}, options: Options ?? {}, digest, sizeBytes, root };
    }),
    folders: copied
      .filter(({ name }) => name.startsWith('/host/'))
      .map(({ path, digest, sizeBytes, root }) => ({ path, digest, sizeBytes, root })),
    networks: networksOf(look.networks),
    needs: needsOf(spec, look),
  };
  for (const image of look.images)
    content.images.push({ id: image.Id, ...(await copyImage(image, blobs, host, signal)) });
  const count = `${containers.length} ${containers.length === 1 ? 'container' : 'containers'}`;
  const capture = {
    contentVersion: CONTENT_VERSION,
    content,
    sizeBytes: totalBytes(content),
    summary: `${count}, ${processes} ${processes === 1 ? 'process' : 'processes'}, ${formatBytes(memoryBytes(content))} of memory`,
    coverage: { layers: ['compute', 'runtime', 'data'] as const, outside: outsideOf(spec, look) },
    system: systemOf(look, look.tools.podmanVersion),
  };
  return { content, capture };
}

async function copyContainer(
  captured: CapturedContainer,
  look: Look,
  blobs: Blobs,
  host: Host,
  signal: AbortSignal,
): Promise<ContainerContent> {
  const { looked, frozen, definition, changes, shared } = captured;
  const { container, group } = looked;
  const folder = frozen.dumped!;
  const described = await blobs.put(readPacked(folder, host, signal), { chunking: 'content' });
  const pages: ContainerContent['pages'] = [];
  const images = await captured.images(signal);
  for (const name of images.names.filter((one) => one.startsWith('pages-')))
    pages.push({ name, ...(await blobs.put(images.read(name), { chunking: 'pages-4k' })) });
  const descriptors = await runScript(host, 'cat -- "$1/descriptors.json"', [folder], { signal });
  const files = new Map([...definition, ['descriptors.json', Buffer.from(descriptors)]]);
  return {
    ...{ id: container.Id, name: container.Name, image: container.Image, imageName: container.ImageName },
    group: group.slice((look.surroundings.groups ?? '').length),
    definition: await blobs.put(once(packDefinition(files)), { chunking: 'content' }),
    ...{ described, pages },
    changes: await copyChanges(changes, blobs, host, signal),
    removed: [...(await compareWithImage(changes, looked, host, signal)).gone],
    ...(shared ? { shared: await copyTree(shared, blobs, host, signal) } : {}),
  };
}

async function copyFolder(tree: TreeCopy, blobs: Blobs, host: Host, signal: AbortSignal) {
  const root = await runScript(host, `stat -c '%u:%g %a' -- "$1"`, [tree.copy], { signal });
  return { ...(await copyTree(tree, blobs, host, signal)), root: root.trim() };
}

/** In the form that keeps its digest: that of its configuration, which differs between the two kinds of manifest. */
function copyImage({ Id, ManifestType }: Image, blobs: Blobs, host: Host, signal: AbortSignal) {
  const format = ManifestType.includes('docker') ? ['docker-archive'] : ['oci-archive', '--uncompressed'];
  const argv = ['podman', 'save', '--quiet', '--format', ...format, Id];
  return blobs.put(streamOf(host, argv, signal), { chunking: 'content' });
}

/** What is mounted, only read and not captured has to be on the target. */
function needsOf({ files = [] }: ContainerSpec, { named }: Look): string[] {
  const mounts = named.flatMap(({ Mounts }) => Mounts ?? []);
  const read = mounts.filter(({ Type, RW }) => Type === 'bind' && !RW).map(({ Source }) => Source);
  return [...new Set(read)].filter((path) => !files.includes(path)).sort();
}
