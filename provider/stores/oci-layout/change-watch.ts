import type { BlobDigest } from '../../core/blob-digest.ts';
import type { Digest } from '../../core/digest.ts';
import { StasisError } from '../../core/errors.ts';
import { decodeSnapshot } from '../oci/manifest.ts';
import { Extents, ZERO_PACK } from '../pack/extents.ts';
import { decodeMap, type MappedBlob, type MemberMap } from '../pack/map.ts';
import type { PackSession, PutBlob } from '../pack/session.ts';
import type { SegmentedBlob } from '../pack/unchanged.ts';
import { readBlob } from './blob-files.ts';
import { type CachedSegments, readChangeCache, writeChangeCache } from './change-cache.ts';
import type { ListedSnapshot } from './index-file.ts';
import type { Layout } from './layout.ts';

/** Looks for what has not changed in a draft against the name's newest snapshot, and remembers for the next draft. */
export class ChangeWatch {
  readonly #layout: Layout;
  readonly #name: string;

  constructor(layout: Layout, name: string) {
    this.#layout = layout;
    this.#name = name;
  }

  /** After the session knows the store's packs, and before anything is put. */
  async start(session: PackSession, newest: ListedSnapshot | undefined): Promise<void> {
    if (newest === undefined) return;
    const cache = await readChangeCache(this.#layout.root, this.#name);
    if (cache?.snapshot === newest.digest)
      session.watchChanges(await this.#segmented(session, newest, cache.blobs));
  }

  async remember(
    snapshot: Digest,
    members: ReadonlyMap<string, ReadonlyMap<BlobDigest, PutBlob>>,
  ): Promise<void> {
    const blobs: CachedSegments[] = [];
    for (const [member, puts] of members)
      for (const { digest, segments } of puts.values())
        if (segments !== undefined) blobs.push({ member, blob: digest, segments });
    await writeChangeCache(this.#layout.root, this.#name, { snapshot, blobs });
  }

  /** Blobs of the newest snapshot with their segments' hashes; none where its maps cannot be read. */
  async #segmented(
    session: PackSession,
    { digest, sizeBytes }: ListedSnapshot,
    cached: readonly CachedSegments[],
  ): Promise<SegmentedBlob[]> {
    try {
      const { maps } = decodeSnapshot(await readBlob(this.#layout, { digest, sizeBytes }));
      const segmented: SegmentedBlob[] = [];
      for (const listed of maps) {
        const hashes = new Map(
          cached.filter(({ member }) => member === listed.member).map((one) => [one.blob, one.segments]),
        );
        if (hashes.size === 0) continue;
        const map = decodeMap(await readBlob(this.#layout, listed));
        const numbers = packNumbers(map, session);
        for (const blob of map.blobs) {
          const segments = hashes.get(blob.digest);
          if (segments === undefined) continue;
          segmented.push({ digest: blob.digest, segments, extents: renumbered(blob, numbers) });
        }
      }
      return segmented;
    } catch (error) {
      if (!(error instanceof StasisError)) throw error;
      return [];
    }
  }
}

/** No pack has it. */
const UNKNOWN_PACK = Number.MAX_SAFE_INTEGER;

/** The session's numbers of the packs that a map names. */
export function packNumbers({ packs }: MemberMap, session: PackSession): number[] {
  return packs.map((pack) => session.packNumber(pack) ?? UNKNOWN_PACK);
}

/** The blob's extents by the session's numbers of packs. */
export function renumbered({ extents }: MappedBlob, numbers: readonly number[]): Extents {
  const result = new Extents();
  for (let extent = 0; extent < extents.count; extent += 1) {
    const pack = extents.pack(extent);
    const number = pack === ZERO_PACK ? ZERO_PACK : (numbers[pack] ?? UNKNOWN_PACK);
    result.add(extents.length(extent), number, extents.offset(extent));
  }
  return result;
}
