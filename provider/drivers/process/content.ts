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

/** What a restore needs to know; in a manifest. Numbers of processes are those in their own namespace. */
const contentSchema = z.strictObject({
  /** All images but those of pages, in one archive. */
  described: blob,
  pages: z.array(blob.extend({ name: z.string().regex(/^pages-\d+\.img$/) })),
  trees: z.array(blob.extend({ path: z.string() })),
  /** What the tree has by name in file systems that are memory; see memory-files.ts. */
  memory: blob.extend({ folders: z.array(z.string()), files: z.array(z.string()) }).optional(),
  root: z.number(),
  /** The highest number of a process or thread. */
  highest: z.number(),
  /** Seconds since the start, as the processes saw it. */
  uptimeS: z.number(),
  /** Files that have to be on the target as they were: programs, libraries, what is open outside `trees`. */
  needs: z.array(
    z.strictObject({
      path: z.string(),
      /** Absent where only that it is there matters: a log to append to. */
      sizeBytes: z.number().optional(),
      mode: z.number().optional(),
    }),
  ),
  /** The processes' own addresses, which their connections are bound to. */
  addresses: z.array(z.string()),
  /** Of each TCP connection its own port and its peer's, as PORT.PORT. */
  connections: z.array(z.string().regex(/^\d+\.\d+$/)),
});
export type ProcessContent = z.infer<typeof contentSchema>;

/** @throws StasisError `process.newer-content`, `process.malformed-content` */
export function readContent(from: MemberCapture): ProcessContent {
  if (from.contentVersion > CONTENT_VERSION)
    throw new StasisError('process.newer-content', 'The capture was made by a newer version of Stasis.', {
      hint: 'Upgrade Stasis.',
    });
  const parsed = contentSchema.safeParse(from.content);
  if (parsed.success) return parsed.data;
  throw new StasisError('process.malformed-content', 'The capture of the processes cannot be read.', {
    details: { issues: parsed.error.issues.length },
  });
}

/** Images as they lie in a store. */
export async function storedImages(content: ProcessContent, blobs: BlobReader): Promise<Images> {
  const pages = new Map(content.pages.map(({ name, digest }) => [name, digest]));
  const described = await unpackImages(blobs.get(content.described.digest));
  return imagesOf(described, [...pages.keys()], (name) => {
    const found = pages.get(name);
    if (found === undefined)
      throw new StasisError('process.malformed-content', `The image ${name} is missing.`);
    return blobs.get(found);
  });
}

/** Bytes of all that is restored into memory. */
export function imagesBytes({ described, pages, memory }: ProcessContent): number {
  return [described, ...pages, ...(memory ? [memory] : [])].reduce(
    (sum, { sizeBytes }) => sum + sizeBytes,
    0,
  );
}
