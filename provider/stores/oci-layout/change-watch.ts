import type { Digest } from '../../core/digest.ts';
import { StasisError } from '../../core/errors.ts';
import { Extents, ZERO_PACK } from '../pack/extents.ts';
import { decodeMap, type MappedBlob } from '../pack/map.ts';
import type { PackSession, PutBlob } from '../pack/session.ts';
import type { TaggedBlob } from '../pack/unchanged.ts';
import { readBlob } from './blob-files.ts';
import { loadSnapshot } from './catalog.ts';
import { type CachedTags, newTagKey, readChangeCache, writeChangeCache } from './change-cache.ts';
import type { ListedSnapshot } from './index-file.ts';
import type { Layout } from './layout.ts';

/** Looks for what has not changed in a draft against the name's newest snapshot, and remembers for the next draft. */
export class ChangeWatch {
  readonly #layout: Layout;
  readonly #name: string;
  #key: Uint8Array = newTagKey();

  constructor(layout: Layout, name: string) {
    this.#layout = layout;
    this.#name = name;
  }

  /** After the session knows the store's packs, and before anything is put. */
  async start(session: PackSession, newest: ListedSnapshot | undefined): Promise<void> {
    const cache = await readChangeCache(this.#layout.root, this.#name);
    if (cache !== undefined) this.#key = cache.key;
    const usable = cache !== undefined && newest !== undefined && cache.snapshot === newest.digest;
    session.watchChanges(this.#key, usable ? await this.#tagged(session, newest, cache.blobs) : []);
  }

  async remember(
    snapshot: Digest,
    members: ReadonlyMap<string, ReadonlyMap<Digest, PutBlob>>,
  ): Promise<void> {
    const blobs: CachedTags[] = [];
    for (const [member, puts] of members)
      for (const { digest, parts } of puts.values()) {
        const tags = Buffer.concat(parts.map((part) => part.tags ?? new Uint8Array(0)));
        if (tags.length > 0) blobs.push({ member, blob: digest, tags });
      }
    await writeChangeCache(this.#layout.root, this.#name, { snapshot, key: this.#key, blobs });
  }

  /** Blobs of the newest snapshot with their tags; none where its maps cannot be read. */
  async #tagged(
    session: PackSession,
    { digest, sizeBytes }: ListedSnapshot,
    cached: readonly CachedTags[],
  ): Promise<TaggedBlob[]> {
    try {
      const { blobs } = await loadSnapshot(this.#layout, digest, sizeBytes);
      const tagged: TaggedBlob[] = [];
      for (const listed of blobs.maps) {
        const tags = new Map(
          cached.filter(({ member }) => member === listed.member).map((one) => [one.blob, one.tags]),
        );
        if (tags.size === 0) continue;
        const map = decodeMap(await readBlob(this.#layout, listed));
        const numbers = map.packs.map((pack) => session.packNumber(pack) ?? UNKNOWN_PACK);
        for (const blob of map.blobs) {
          const found = tags.get(blob.digest);
          if (found !== undefined) tagged.push({ tags: found, extents: renumbered(blob, numbers) });
        }
      }
      return tagged;
    } catch (error) {
      if (!(error instanceof StasisError)) throw error;
      return [];
    }
  }
}

/** No pack has it. */
const UNKNOWN_PACK = Number.MAX_SAFE_INTEGER;

/** The blob's extents by the session's numbers of packs. */
function renumbered({ extents }: MappedBlob, numbers: readonly number[]): Extents {
  const result = new Extents();
  for (let extent = 0; extent < extents.count; extent += 1) {
    const pack = extents.pack(extent);
    const number = pack === ZERO_PACK ? ZERO_PACK : (numbers[pack] ?? UNKNOWN_PACK);
    result.add(extents.length(extent), number, extents.offset(extent));
  }
  return result;
}
