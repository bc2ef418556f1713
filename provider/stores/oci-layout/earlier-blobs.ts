import type { BlobDigest } from '../../core/blob-digest.ts';
import { StasisError } from '../../core/errors.ts';
import { decodeSnapshot } from '../oci/manifest.ts';
import { decodeMap, type MappedBlob } from '../pack/map.ts';
import type { PackSession, PutBlob } from '../pack/session.ts';
import { readBlob } from './blob-files.ts';
import { packNumbers, renumbered } from './change-watch.ts';
import type { ListedSnapshot } from './index-file.ts';
import type { Layout } from './layout.ts';

interface EarlierMember {
  readonly blobs: ReadonlyMap<BlobDigest, MappedBlob>;
  readonly numbers: readonly number[];
}

/** Blobs of the name's newest snapshot, which a draft may take over as they are. */
export class EarlierBlobs {
  readonly #layout: Layout;
  readonly #session: PackSession;
  readonly #newest: ListedSnapshot | undefined;
  readonly #members = new Map<string, Promise<EarlierMember | undefined>>();

  constructor(layout: Layout, session: PackSession, newest: ListedSnapshot | undefined) {
    this.#layout = layout;
    this.#session = session;
    this.#newest = newest;
  }

  /** As if it had been put; undefined where the member had none such, or it cannot be read. */
  async find(member: string, digest: BlobDigest): Promise<PutBlob | undefined> {
    const known = this.#members.get(member) ?? this.#read(member);
    this.#members.set(member, known);
    const earlier = await known;
    const blob = earlier?.blobs.get(digest);
    return blob && this.#session.adopt(digest, blob.chunking, renumbered(blob, earlier!.numbers));
  }

  async #read(member: string): Promise<EarlierMember | undefined> {
    if (this.#newest === undefined) return undefined;
    try {
      const { digest, sizeBytes } = this.#newest;
      const { maps } = decodeSnapshot(await readBlob(this.#layout, { digest, sizeBytes }));
      const listed = maps.find((candidate) => candidate.member === member);
      if (listed === undefined) return undefined;
      const map = decodeMap(await readBlob(this.#layout, listed));
      const blobs = new Map(map.blobs.map((blob) => [blob.digest, blob]));
      return { blobs, numbers: packNumbers(map, this.#session) };
    } catch (error) {
      if (!(error instanceof StasisError)) throw error;
      return undefined;
    }
  }
}
