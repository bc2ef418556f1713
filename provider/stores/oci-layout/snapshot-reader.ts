import type { BlobDigest } from '../../core/blob-digest.ts';
import type { Context } from '../../core/context.ts';
import type { Digest } from '../../core/digest.ts';
import type { BlobReader, ByteRange } from '../../core/store.ts';
import { decodeMap, type MappedBlob } from '../pack/map.ts';
import type { PackFrames } from '../pack/pack-frames.ts';
import type { PackInfo } from '../pack/pack-writer.ts';
import { readExtents } from '../pack/reader.ts';
import { damaged, PackFiles, readBlob } from './blob-files.ts';
import type { LoadedSnapshot } from './catalog.ts';
import { diskError, withDiskErrors } from './disk-error.ts';
import { noBlob } from './draft.ts';
import { readToc } from './known-packs.ts';
import type { Layout } from './layout.ts';

interface OpenMap {
  readonly packs: readonly Digest[];
  readonly blobs: ReadonlyMap<BlobDigest, MappedBlob>;
}

/** Reads the blobs of one sealed snapshot. What it has read of maps and tables of contents it keeps. */
export class SnapshotReader {
  readonly #layout: Layout;
  readonly #snapshot: LoadedSnapshot;
  readonly #context: Context;
  readonly #maps = new Map<string, Promise<OpenMap>>();
  readonly #frames = new Map<Digest, Promise<PackFrames>>();

  constructor(layout: Layout, snapshot: LoadedSnapshot, context: Context) {
    this.#layout = layout;
    this.#snapshot = snapshot;
    this.#context = context;
  }

  blobs(member: string): BlobReader {
    return {
      has: (digest) => withDiskErrors(this.#layout.root, () => this.#has(member, digest)),
      get: (digest, range) => this.#get(member, digest, range),
    };
  }

  async #has(member: string, digest: BlobDigest): Promise<boolean> {
    return (await this.#map(member)).blobs.has(digest);
  }

  async *#get(member: string, digest: BlobDigest, range: ByteRange | undefined): AsyncGenerator<Uint8Array> {
    try {
      const map = await this.#map(member);
      const blob = map.blobs.get(digest);
      if (blob === undefined) throw noBlob(member, digest);
      await using files = new PackFiles(this.#layout);
      yield* readExtents(
        blob.extents,
        range,
        {
          frames: (pack) => this.#framesOf(map.packs[pack]!, files),
          read: (pack, offset, into) => files.read(map.packs[pack]!, offset, into),
        },
        this.#context.signal,
      );
    } catch (error) {
      throw diskError(error, this.#layout.root);
    }
  }

  #map(member: string): Promise<OpenMap> {
    return remember(this.#maps, member, () => this.#readMap(member));
  }

  async #readMap(member: string): Promise<OpenMap> {
    const blob = this.#snapshot.blobs.maps.find((candidate) => candidate.member === member);
    if (blob === undefined) return { packs: [], blobs: new Map() };
    const { packs, blobs } = decodeMap(await readBlob(this.#layout, blob));
    return { packs, blobs: new Map(blobs.map((mapped) => [mapped.digest, mapped])) };
  }

  #framesOf(pack: Digest, files: PackFiles): Promise<PackFrames> {
    return remember(this.#frames, pack, async () => (await readToc(this.#infoOf(pack), files)).frames);
  }

  #infoOf(pack: Digest): PackInfo {
    const info = this.#snapshot.blobs.packs.find(({ digest }) => digest === pack);
    if (info === undefined)
      throw damaged('missing', pack, `The snapshot's manifest does not list the pack ${pack}`);
    return info;
  }
}

/** Remembers what came out well: a failure may be over the next time. */
function remember<K, V>(known: Map<K, Promise<V>>, key: K, make: () => Promise<V>): Promise<V> {
  const found = known.get(key);
  if (found !== undefined) return found;
  const made = make();
  known.set(key, made);
  made.catch(() => known.delete(key));
  return made;
}
