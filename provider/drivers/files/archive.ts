import type { BlobReader } from '../../core/store.ts';
import { type Extent, findExtents, sparseMap } from './extents.ts';
import type { ListedEntry } from './listing.ts';
import { type Pass, passesOver, SequentialBlob } from './stored-contents.ts';
import { encodeHeader, padding, TAR_BLOCK_BYTES, type TarHeader } from './tar-entry.ts';

/**
 * A captured tree as a pax archive, below the folder `name`. Folders come first, then files with content in the order
 * in which they lie in the store, so that each blob is read once; then what is empty, and links at last, as what they
 * lead to has to be there.
 */
export async function* archiveOf(
  entries: readonly ListedEntry[],
  name: string,
  blobs: BlobReader,
): AsyncGenerator<Uint8Array> {
  const firsts = entries.filter((entry) => entry.linkTo === undefined);
  const header = (entry: ListedEntry, rest: Partial<TarHeader> = {}): Buffer =>
    encodeHeader(headerOf(entry, name, rest));
  for (const entry of firsts) if (entry.kind === 'directory') yield header(entry);
  for (const pass of passesOver(firsts)) yield* filesOf(pass, blobs, header);
  for (const entry of firsts) if (entry.kind !== 'directory' && !entry.content) yield header(entry);
  for (const entry of entries)
    if (entry.linkTo) yield header(entry, { type: 'link', target: nameIn(name, entry.linkTo) });
  // Two empty blocks end an archive.
  yield Buffer.alloc(2 * TAR_BLOCK_BYTES);
}

type Header = (entry: ListedEntry, rest?: Partial<TarHeader>) => Buffer;

async function* filesOf(pass: Pass, blobs: BlobReader, header: Header): AsyncGenerator<Uint8Array> {
  const extents = await extentsOf(pass, blobs);
  await using content = new SequentialBlob(pass.blob, blobs);
  for (const { entry, offset } of pass.segments) {
    const dense = extents.get(entry);
    if (dense) {
      yield* sparseFile(entry, offset, dense, content, header);
      continue;
    }
    yield header(entry, { sizeBytes: entry.sizeBytes });
    yield* content.take(offset, entry.sizeBytes);
    yield padding(entry.sizeBytes);
  }
  await content.end();
}

/** Which parts of the files with holes are not zero: the archive says so before their content. */
async function extentsOf(pass: Pass, blobs: BlobReader): Promise<Map<ListedEntry, Extent[]>> {
  const extents = new Map<ListedEntry, Extent[]>();
  const sparse = pass.segments.filter(({ entry }) => entry.sparse);
  if (sparse.length === 0) return extents;
  await using content = new SequentialBlob(pass.blob, blobs);
  for (const { entry, offset } of sparse)
    extents.set(entry, await findExtents(content.take(offset, entry.sizeBytes)));
  return extents;
}

async function* sparseFile(
  entry: ListedEntry,
  offset: number,
  extents: readonly Extent[],
  content: SequentialBlob,
  header: Header,
): AsyncGenerator<Uint8Array> {
  const map = sparseMap(extents, entry.sizeBytes);
  const dense = extents.reduce((sum, { lengthBytes }) => sum + lengthBytes, 0);
  const sizeBytes = map.length + dense;
  yield header(entry, { sizeBytes, sparseSizeBytes: entry.sizeBytes });
  yield map;
  for (const extent of extents) yield* content.take(offset + extent.offsetBytes, extent.lengthBytes);
  yield padding(sizeBytes);
}

function headerOf(entry: ListedEntry, name: string, rest: Partial<TarHeader>): TarHeader {
  const { kind: type, mode, uid, gid, mtimeNs, target } = entry;
  return { name: nameIn(name, entry.path), type, mode, uid, gid, mtimeNs, target, sizeBytes: 0, ...rest };
}

/** The member's name in the archive. */
export function nameIn(folder: string, path: Uint8Array): Buffer {
  return path.length === 0 ? Buffer.from(folder) : Buffer.concat([Buffer.from(`${folder}/`), path]);
}
