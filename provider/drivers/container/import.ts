import { hashedAgain } from '../../core/blobs.ts';
import { once } from '../../core/content.ts';
import type { Host } from '../../core/host.ts';
import type { BlobReader } from '../../core/store.ts';
import { moveGroups } from '../../runtime/images/groups.ts';
import { unpackImages } from '../../runtime/images/packed.ts';
import { feed, runScript } from '../../runtime/machine.ts';
import type { ContainerContent } from './content.ts';

export interface ImportedAs {
  readonly name: string;
  readonly id: string;
  /** Its control group on the target, as the hierarchy names it. */
  readonly group: string;
  /** Whether its image is to be named by its digest, as its name shows another image here. */
  readonly byId: boolean;
}

/** A folder that, as an archive, is a checkpoint as `podman container restore --import` takes it. */
export async function fillImport(
  folder: string,
  container: ContainerContent,
  as: ImportedAs,
  blobs: BlobReader,
  host: Host,
  signal: AbortSignal,
): Promise<void> {
  await runScript(host, 'mkdir -p -m 700 -- "$1/checkpoint"', [folder], { signal });
  const write = (name: string, content: AsyncIterable<Uint8Array>): Promise<void> =>
    feed(host, ['sh', '-c', 'cat > "$1"', 'stasis', `${folder}/${name}`], content, signal);
  // Not all that podman says of a container is compared, and not all that CRIU says of its processes.
  const definition = await unpackImages(hashedAgain(blobs, container.definition.digest));
  for (const [name, bytes] of definition) {
    const place = name === 'descriptors.json' ? `checkpoint/${name}` : name;
    await write(place, once(name === 'config.dump' ? renamed(bytes, as) : bytes));
  }
  const unpack = ['tar', '--extract', '--file=-', '--directory', `${folder}/checkpoint`];
  await feed(host, unpack, hashedAgain(blobs, container.described.digest), signal);
  const groups = (await unpackImages(blobs.get(container.described.digest))).get('cgroup.img');
  if (groups) await write('checkpoint/cgroup.img', once(moveGroups(groups, container.group, as.group)));
  for (const { name, digest } of container.pages) await write(`checkpoint/${name}`, blobs.get(digest));
  await write('rootfs-diff.tar', blobs.get(container.changes.digest));
  await write(
    'deleted.files',
    once(Buffer.from(JSON.stringify(container.removed.map((path) => `/${path}`)))),
  );
  if (container.shared) await write('devshm-checkpoint.tar', blobs.get(container.shared.digest));
}

/**
 * Edited as text: what podman writes has numbers of 64 bits, which would not survive being read. Its own fields stand at
 * the first depth, one a line.
 */
function renamed(config: Buffer, { name, id, byId }: ImportedAs): Buffer {
  const set = (text: string, key: string, value: string): string =>
    text.replace(
      new RegExp(`^( {1,2}"${key}": )"[^"]*"`, 'm'),
      (_, head: string) => `${head}${JSON.stringify(value)}`,
    );
  let text = set(set(config.toString('utf8'), 'name', name), 'id', id);
  const image = /^ {1,2}"rootfsImageID": "([^"]*)"/m.exec(text)?.[1];
  if (byId && image) text = set(text, 'rootfsImageName', image);
  return Buffer.from(text);
}
