import { z } from 'zod';
import { type BlobDigest, isBlobDigest } from '../../core/blob-digest.ts';
import { StasisError } from '../../core/errors.ts';
import type { Capture, MemberCapture, OutsideItem } from '../../core/manifest.ts';
import type { Blobs } from '../../core/store.ts';
import type { Body, Place } from './bodies.ts';
import { type Entry, inodeOf, isSparse } from './entry.ts';
import { encodeListing, type ListedEntry } from './listing.ts';
import type { OwnerNames } from './owners.ts';

export const CONTENT_VERSION = 1;

const blob = z.strictObject({ digest: z.custom<BlobDigest>(isBlobDigest), sizeBytes: z.int().nonnegative() });
const owner = z.strictObject({ id: z.int().nonnegative(), name: z.string() });

/** What the manifest holds of a captured tree; the list of entries is a blob, as it can be long. */
const contentSchema = z.strictObject({
  listing: blob,
  root: z.enum(['directory', 'file', 'symlink', 'fifo']),
  entries: z.int().positive(),
  /** Who owns anything in it. */
  users: z.array(owner),
  groups: z.array(owner),
  /** Names of extended attributes up to the first dot: `user`, `system`. */
  attributeNamespaces: z.array(z.string()),
  excluded: z.array(z.string()),
  /** JSON of HotFile[]: what of it lay in the page cache; absent where nobody could tell. */
  hot: blob.extend({ hotBytes: z.int().nonnegative() }).optional(),
});

export type FilesContent = z.infer<typeof contentSchema>;

/** @throws StasisError `files.newer-content`, `files.malformed-content` */
export function contentOf(capture: MemberCapture): FilesContent {
  if (capture.contentVersion > CONTENT_VERSION)
    throw new StasisError(
      'files.newer-content',
      `The snapshot’s files are of version ${capture.contentVersion}; this Stasis reads up to ${CONTENT_VERSION}.`,
      { hint: 'Restore with the Stasis that captured it, or a newer one.' },
    );
  const parsed = contentSchema.safeParse(capture.content);
  if (!parsed.success)
    throw new StasisError('files.malformed-content', 'The snapshot’s record of the files cannot be read.');
  return parsed.data;
}

/** An entry with all that was read of it. */
export interface CapturedEntry {
  readonly entry: Entry;
  readonly body: Body;
}

/** Every entry as it will be restored; of several names of one inode all but the first are links. */
export function listEntries(captured: readonly CapturedEntry[]): ListedEntry[] {
  const firsts = new Map<string, Buffer>();
  return captured.map(({ entry, body }) => {
    const first = firsts.get(inodeOf(entry));
    if (first === undefined) firsts.set(inodeOf(entry), entry.path);
    const linkTo = entry.kind === 'directory' ? undefined : first;
    const { path, kind, mode, uid, gid, mtimeNs, sizeBytes, target } = entry;
    const content = linkTo === undefined && sizeBytes > 0 ? (body.content as Place) : undefined;
    const attributes = linkTo === undefined ? body.attributes : [];
    return {
      path,
      kind,
      mode,
      uid,
      gid,
      mtimeNs,
      sizeBytes,
      sparse: isSparse(entry),
      target,
      linkTo,
      content,
      attributes,
    };
  });
}

export interface CaptureFacts {
  readonly outside: readonly OutsideItem[];
  readonly excluded: readonly string[];
  readonly system: Readonly<Record<string, string>>;
  readonly epoch: string | undefined;
  readonly hot: FilesContent['hot'];
  readonly names: OwnerNames;
}

/** Writes the list of entries, and describes the capture. */
export async function describeCapture(
  listed: readonly ListedEntry[],
  facts: CaptureFacts,
  blobs: Blobs,
): Promise<Capture> {
  const { names } = facts;
  const users = [...new Set(listed.map(({ uid }) => uid))].sort((a, b) => a - b);
  const groups = [...new Set(listed.map(({ gid }) => gid))].sort((a, b) => a - b);
  const namespaces = new Set(
    listed.flatMap(({ attributes }) => attributes.map(({ name }) => name.split('.')[0]!)),
  );
  const content: FilesContent = {
    listing: await blobs.put(encodeListing(listed), { chunking: 'content' }),
    root: listed[0]!.kind,
    entries: listed.length,
    users: users.map((id) => ({ id, name: names.user(id) })),
    groups: groups.map((id) => ({ id, name: names.group(id) })),
    attributeNamespaces: [...namespaces].sort(),
    excluded: [...facts.excluded],
    ...(facts.hot && { hot: facts.hot }),
  };
  const files = listed.filter(({ kind }) => kind === 'file').length;
  return {
    contentVersion: CONTENT_VERSION,
    content,
    sizeBytes: listed.reduce((sum, entry) => sum + (entry.linkTo ? 0 : entry.sizeBytes), 0),
    summary: `${files.toLocaleString('en-US')} ${files === 1 ? 'file' : 'files'}`,
    coverage: { layers: ['data'], outside: facts.outside },
    epoch: facts.epoch,
    system: facts.system,
  };
}
