import type { BlobDigest } from '../../core/blob-digest.ts';
import type { Context } from '../../core/context.ts';
import type { Digest } from '../../core/digest.ts';
import { StasisError, throwIfAborted } from '../../core/errors.ts';
import type { Manifest } from '../../core/manifest.ts';
import type { BlobDescriptor, Blobs, ByteRange, Draft, SealedSnapshot, SealInput } from '../../core/store.ts';
import { encodeSnapshot, type MemberMapBlob } from '../oci/manifest.ts';
import { Extents, ZERO_PACK } from '../pack/extents.ts';
import { encodeMap } from '../pack/map.ts';
import type { PackInfo } from '../pack/pack-writer.ts';
import { PackSession, type PutBlob } from '../pack/session.ts';
import { damaged, PackFiles } from './blob-files.ts';
import { ChangeWatch } from './change-watch.ts';
import { diskError, withDiskErrors } from './disk-error.ts';
import { DraftFiles } from './draft-files.ts';
import { exists } from './durable.ts';
import { EarlierBlobs } from './earlier-blobs.ts';
import type { ListedSnapshot } from './index-file.ts';
import { loadKnownPacks } from './known-packs.ts';
import type { Layout } from './layout.ts';
import type { HeldLock } from './lock-chain.ts';

/** Makes a snapshot of the name exist; what only the store can do under its own lock. */
export interface Sealer {
  /**
   * Calls `write` with the new generation's number while nobody else changes the index, then lists what it returns.
   * @throws StasisError `store.name-taken`
   */
  seal(
    write: (generation: number) => Promise<{ digest: Digest; sizeBytes: number; manifest: Manifest }>,
  ): Promise<SealedSnapshot>;
}

type MemberBlobs = Map<BlobDigest, PutBlob>;

/** A snapshot on its way into an OCI layout. */
export class LayoutDraft implements Draft {
  readonly #layout: Layout;
  readonly #lock: HeldLock;
  readonly #sealer: Sealer;
  readonly #context: Context;
  readonly #files: DraftFiles;
  readonly #packs: PackFiles;
  readonly #session: PackSession;
  readonly #changes: ChangeWatch;
  readonly #members = new Map<string, MemberBlobs>();
  #earlier: EarlierBlobs;
  #state: 'open' | 'sealing' | 'sealed' | 'ended' = 'open';

  constructor(layout: Layout, name: string, lock: HeldLock, sealer: Sealer, context: Context) {
    this.#layout = layout;
    this.#changes = new ChangeWatch(layout, name);
    this.#lock = lock;
    this.#sealer = sealer;
    this.#context = context;
    this.#files = new DraftFiles(layout, lock.token);
    this.#packs = new PackFiles(layout);
    this.#session = new PackSession(
      this.#files,
      (pack, offset, into) => this.#packs.read(pack, offset, into),
      context.signal,
    );
    this.#earlier = new EarlierBlobs(layout, this.#session, undefined);
  }

  /** Reads what the store has already; `known` are packs that no garbage collection takes away meanwhile. */
  async start(known: readonly PackInfo[], newest: ListedSnapshot | undefined): Promise<void> {
    await this.#files.make();
    await loadKnownPacks(known, this.#packs, this.#session, this.#context);
    await this.#changes.start(this.#session, newest);
    this.#earlier = new EarlierBlobs(this.#layout, this.#session, newest);
  }

  blobs(member: string): Blobs {
    const blobs: MemberBlobs = this.#members.get(member) ?? new Map();
    this.#members.set(member, blobs);
    return {
      has: async (digest) => blobs.has(digest),
      get: (digest, range) => this.#read(member, blobs.get(digest), digest, range),
      put: async (content, { chunking }): Promise<BlobDescriptor> => {
        this.#insistOpen();
        const blob = await withDiskErrors(this.#layout.root, () => this.#session.put(content, chunking));
        if (!blobs.has(blob.digest)) blobs.set(blob.digest, blob);
        return { digest: blob.digest, sizeBytes: blob.sizeBytes };
      },
      keep: async (digest): Promise<BlobDescriptor | undefined> => {
        this.#insistOpen();
        const blob =
          blobs.get(digest) ??
          (await withDiskErrors(this.#layout.root, () => this.#earlier.find(member, digest)));
        if (blob === undefined) return undefined;
        blobs.set(digest, blob);
        return { digest, sizeBytes: blob.sizeBytes };
      },
    };
  }

  async seal(input: SealInput): Promise<SealedSnapshot> {
    this.#insistOpen();
    this.#state = 'sealing';
    try {
      const sealed = await withDiskErrors(this.#layout.root, () => this.#seal(input));
      this.#state = 'sealed';
      await this.#changes.remember(sealed.digest, this.#members);
      return sealed;
    } finally {
      if (this.#state === 'sealing') this.#state = 'open';
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    if (this.#state === 'ended') return;
    this.#state = 'ended';
    try {
      await this.#session.end();
      await this.#packs[Symbol.asyncDispose]();
      await this.#files.remove();
    } finally {
      await this.#lock[Symbol.asyncDispose]();
    }
  }

  async #seal(input: SealInput): Promise<SealedSnapshot> {
    await this.#session.finish();
    const names = new Set([...Object.keys(input.manifest.members), ...this.#members.keys()]);
    const packs = new Map<Digest, { info: PackInfo; isNew: boolean }>();
    const maps: MemberMapBlob[] = [];
    for (const member of names) maps.push(await this.#writeMap(member, packs));
    throwIfAborted(this.#context.signal);
    if (!(await this.#lock.isHeld()))
      throw new StasisError(
        'store.name-taken',
        'Another host took this process for dead and the name over.',
        {
          hint: 'Run it again.',
        },
      );
    return this.#sealer.seal(async (generation) => {
      const infos = [...packs.values()].map(({ info }) => info);
      const sizes = await this.#sizes(maps, [...packs.values()]);
      const manifest: Manifest = { ...input.manifest, generation, ...sizes };
      const config = await this.#files.write(Buffer.from(JSON.stringify(manifest)));
      const bytes = encodeSnapshot({ config, maps, packs: infos }, manifest.cutAt);
      const { digest, sizeBytes } = await this.#files.write(bytes);
      const digests = [...infos, ...maps, config].map((blob) => blob.digest);
      await this.#files.publish([...digests, digest]);
      return { digest, sizeBytes, manifest };
    });
  }

  async #writeMap(
    member: string,
    packs: Map<Digest, { info: PackInfo; isNew: boolean }>,
  ): Promise<MemberMapBlob> {
    const used: Digest[] = [];
    const places = new Map<number, number>();
    const place = (number: number): number => {
      const known = places.get(number);
      if (known !== undefined) return known;
      const pack = this.#session.pack(number);
      packs.set(pack.info.digest, pack);
      places.set(number, used.push(pack.info.digest) - 1);
      return used.length - 1;
    };
    const blobs = [...(this.#members.get(member)?.values() ?? [])].map((blob) => {
      const extents = new Extents();
      const found = this.#session.extentsOf(blob);
      for (let extent = 0; extent < found.count; extent += 1) {
        const pack = found.pack(extent);
        extents.add(found.length(extent), pack === ZERO_PACK ? pack : place(pack), found.offset(extent));
      }
      return { digest: blob.digest, chunking: blob.chunking, extents };
    });
    return { ...(await this.#files.write(encodeMap({ member, packs: used, blobs }))), member };
  }

  async #sizes(maps: readonly MemberMapBlob[], packs: readonly { info: PackInfo; isNew: boolean }[]) {
    let newBytes = 0;
    for (const map of maps) if (!(await exists(this.#layout.blob(map.digest)))) newBytes += map.sizeBytes;
    for (const { info, isNew } of packs) if (isNew) newBytes += info.sizeBytes;
    const all = [...maps, ...packs.map(({ info }) => info)];
    return { storedBytes: all.reduce((sum, blob) => sum + blob.sizeBytes, 0), newBytes };
  }

  async *#read(
    member: string,
    blob: PutBlob | undefined,
    digest: BlobDigest,
    range: ByteRange | undefined,
  ): AsyncGenerator<Uint8Array> {
    if (blob === undefined) throw noBlob(member, digest);
    try {
      yield* this.#session.read(blob, range);
    } catch (error) {
      throw diskError(error, this.#layout.root);
    }
  }

  #insistOpen(): void {
    throwIfAborted(this.#context.signal);
    if (this.#state !== 'open')
      throw new StasisError('store.draft-ended', `The draft is ${this.#state} and takes nothing more.`);
  }
}

export function noBlob(member: string, digest: BlobDigest): StasisError {
  return damaged('missing', digest, `The member "${member}" has no blob ${digest} in the snapshot`);
}
