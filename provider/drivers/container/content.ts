import { z } from 'zod';
import { type BlobDigest, isBlobDigest } from '../../core/blob-digest.ts';
import { StasisError } from '../../core/errors.ts';
import type { MemberCapture } from '../../core/manifest.ts';
import type { BlobReader } from '../../core/store.ts';
import { type Images, imagesOf } from '../../runtime/images/image.ts';
import { unpackImages } from '../../runtime/images/packed.ts';

export const CONTENT_VERSION = 1;

const digest = z.custom<BlobDigest>(isBlobDigest);
const blob = z.strictObject({ digest, sizeBytes: z.number() });
const folder = blob.extend({
  /** Of its root: a volume's is changed by podman when it is first mounted. `UID:GID MODE`. */
  root: z.string().regex(/^\d+:\d+ [0-7]+$/),
});
const texts = z.record(z.string(), z.string());

const containerContent = z.strictObject({
  id: z.string().regex(/^[0-9a-f]{64}$/),
  name: z.string(),
  /** The digest of its image's configuration, and the name that the image had. */
  image: z.string(),
  imageName: z.string(),
  /** Its control group, as the hierarchy of its host names it. */
  group: z.string(),
  /** Podman's own description of it, and what CRIU's images refer to: one archive. May hold secrets, as its environment. */
  definition: blob,
  /** All images of the dump but those of pages, in one archive. */
  described: blob,
  pages: z.array(blob.extend({ name: z.string().regex(/^pages-\d+\.img$/) })),
  /** What it has changed of its image, as an archive; and what of it is gone, topmost paths only. */
  changes: blob,
  removed: z.array(z.string()),
  /** What /dev/shm held. */
  shared: blob.optional(),
});
export type ContainerContent = z.infer<typeof containerContent>;

const networkContent = z.strictObject({
  name: z.string(),
  driver: z.string(),
  subnets: z.array(z.strictObject({ subnet: z.string(), gateway: z.string().optional() })),
  ipv6: z.boolean(),
  internal: z.boolean(),
  dns: z.boolean(),
  labels: texts,
  options: texts,
});
export type NetworkContent = z.infer<typeof networkContent>;

const podContent = z.strictObject({
  name: z.string(),
  hostname: z.string(),
  labels: texts,
  share: z.array(z.string()),
  /** As `podman pod create --publish` takes them: `0.0.0.0:7070:7070/tcp`. */
  ports: z.array(z.string()),
  /** As `--network` takes them, with the addresses that its connections are bound to. */
  networks: z.array(z.string()),
  group: z.string(),
});
export type PodContent = z.infer<typeof podContent>;

/** What a restore needs to know; in a manifest, so without secrets. */
const contentSchema = z.strictObject({
  containers: z.array(containerContent).min(1),
  pod: podContent.optional(),
  images: z.array(blob.extend({ id: z.string() })),
  volumes: z.array(folder.extend({ name: z.string(), labels: texts, options: texts })),
  folders: z.array(folder.extend({ path: z.string() })),
  networks: z.array(networkContent),
  /** Folders of the host that are only read: the target has to have them. */
  needs: z.array(z.string()),
});
export type Content = z.infer<typeof contentSchema>;

/** @throws StasisError `container.newer-content`, `container.malformed-content` */
export function readContent(from: MemberCapture): Content {
  if (from.contentVersion > CONTENT_VERSION)
    throw new StasisError('container.newer-content', 'The capture was made by a newer version of Stasis.', {
      hint: 'Upgrade Stasis.',
    });
  const parsed = contentSchema.safeParse(from.content);
  if (parsed.success) return parsed.data;
  throw new StasisError('container.malformed-content', 'The capture of the containers cannot be read.', {
    details: { issues: parsed.error.issues.length },
  });
}

/** Images of a dump as they lie in a store. */
export async function storedImages(
  { described, pages }: Pick<ContainerContent, 'described' | 'pages'>,
  blobs: BlobReader,
): Promise<Images> {
  const named = new Map(pages.map((page) => [page.name, page.digest]));
  const images = await unpackImages(blobs.get(described.digest));
  return imagesOf(images, [...named.keys()], (name) => {
    const found = named.get(name);
    if (found === undefined)
      throw new StasisError('container.malformed-content', `The image ${name} is missing.`);
    return blobs.get(found);
  });
}

/** Bytes of all memory that is restored. */
export function memoryBytes({ containers }: Content): number {
  return containers
    .flatMap(({ described, pages }) => [described, ...pages])
    .reduce((sum, { sizeBytes }) => sum + sizeBytes, 0);
}

export function totalBytes(content: Content): number {
  const { containers, images, volumes, folders } = content;
  const blobs = [
    ...containers.flatMap(({ changes, shared }) => [changes, ...(shared ? [shared] : [])]),
    ...[...images, ...volumes, ...folders],
  ];
  return blobs.reduce((sum, { sizeBytes }) => sum + sizeBytes, memoryBytes(content));
}
