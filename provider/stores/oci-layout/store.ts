import { join } from 'node:path';
import type { Context } from '../../core/context.ts';
import type { Digest } from '../../core/digest.ts';
import type { StasisError } from '../../core/errors.ts';
import { isName } from '../../core/reference.ts';
import type {
  Attachment,
  AttachmentEntry,
  BlobReader,
  Draft,
  NameRecord,
  Pin,
  SealedSnapshot,
  Store,
  StoreFinding,
  StoreLock,
  StoreRecords,
  StoreVerification,
} from '../../core/store.ts';
import { PoolLease } from '../pack/pool.ts';
import { attach, listAttachments, openAttachment } from './attachments.ts';
import { listSnapshots, loadSnapshot, snapshotsOf, withSnapshot } from './catalog.ts';
import { checkFolder } from './check.ts';
import { withDiskErrors } from './disk-error.ts';
import { Documents } from './documents.ts';
import { LayoutDraft, type Sealer } from './draft.ts';
import { noteDraftPacks } from './draft-record.ts';
import { collectGarbage, hasDeadDrafts } from './garbage.ts';
import { emptyIndex, type LayoutIndex, type ListedSnapshot, readIndex, writeIndex } from './index-file.ts';
import { choosePacks } from './known-packs.ts';
import { fileNameOf, Layout } from './layout.ts';
import { acquireLock, type HeldLock } from './lock-chain.ts';
import { malformedName, nameTaken, noSnapshot } from './name-errors.ts';
import { type NameDocument, ownerOf, readName, recordOf, refuseOtherOwner } from './names.ts';
import { type NameState, removeSnapshots } from './removal.ts';
import { SnapshotReader } from './snapshot-reader.ts';
import { verifySnapshot, verifyStore } from './verify.ts';

/** The store's own lock is held for as long as a garbage collection takes; everything else is a matter of ms. */
const STORE_LOCK_WAIT_MS = 60_000;
/** A draft's name is taken or not; two processes that look at the same moment should not both give way. */
const NAME_LOCK_WAIT_MS = 300;

/** A store in a folder that is an OCI image layout. */
export class LayoutStore implements Store {
  readonly location: string;
  readonly records: StoreRecords;
  readonly #layout: Layout;
  readonly #names: Documents;
  readonly #documents: Documents;
  readonly #context: Context;

  constructor(root: string, context: Context) {
    this.location = root;
    this.#context = context;
    this.#layout = new Layout(root);
    this.#names = new Documents(this.#layout.names, this.#layout.temporary);
    const records = new Documents(this.#layout.records, this.#layout.temporary);
    this.#documents = records;
    this.records = {
      read: (key) => this.#guard(() => records.read(key)),
      write: (key, value) =>
        this.#guard(async () => {
          await this.#layout.create();
          await records.write(key, value);
        }),
      remove: (key) => this.#guard(() => records.remove(key)),
      list: (prefix) => this.#guard(() => records.list(prefix)),
    };
  }

  check(sizeBytes: number): Promise<readonly StasisError[]> {
    return checkFolder(this.location, sizeBytes);
  }

  begin(name: string, owner: string, context: Context): Promise<Draft> {
    return this.#guard(async () => {
      if (!isName(name)) throw malformedName(name);
      // Its workers start while the locks are taken; the draft's own lease keeps them.
      using _workers = new PoolLease();
      await this.#layout.create();
      const lock = await this.#acquire(`draft/${name}`, `The name "${name}"`, NAME_LOCK_WAIT_MS, context);
      try {
        return await this.#begin(name, owner, lock, context);
      } catch (error) {
        await lock[Symbol.asyncDispose]();
        throw error;
      }
    });
  }

  names(prefix: string): Promise<ReadonlyMap<string, NameRecord>> {
    return this.#guard(async () => {
      const index = await readIndex(this.#layout);
      const listed = index === undefined ? [] : await listSnapshots(this.#layout, index, prefix);
      const records = new Map<string, NameRecord>();
      for (const [name, snapshots] of [...listed].sort(([a], [b]) => (a < b ? -1 : 1)))
        records.set(name, recordOf(await readName(this.#names, name), snapshots));
      return records;
    });
  }

  name(name: string): Promise<NameRecord | undefined> {
    return this.#guard(async () => {
      const { document, snapshots } = await this.#state(name, await readIndex(this.#layout));
      return snapshots.length === 0 ? undefined : recordOf(document, snapshots);
    });
  }

  adopt(name: string, owner: string): Promise<void> {
    return this.#change(name, (document) => ({ ...document, owner }));
  }

  pin(name: string, pin: Pin): Promise<void> {
    return this.#change(name, (document, snapshots) => {
      if (!snapshots.some(({ digest }) => digest === pin.digest)) throw noSnapshot(name, pin.digest);
      return { ...document, pins: [...document.pins.filter(({ by }) => by !== pin.by), pin] };
    });
  }

  unpin(name: string, by: string): Promise<void> {
    return this.#change(name, (document) => ({
      ...document,
      pins: document.pins.filter((pin) => pin.by !== by),
    }));
  }

  open(
    name: string,
    digest: Digest,
    context: Context,
  ): Promise<SealedSnapshot & { blobs(member: string): BlobReader }> {
    return this.#guard(async () => {
      const snapshots = await snapshotsOf(this.#layout, await readIndex(this.#layout), name);
      const listed = snapshots.find((snapshot) => snapshot.digest === digest);
      if (listed === undefined) throw noSnapshot(name, digest);
      const loaded = await loadSnapshot(this.#layout, digest, listed.sizeBytes);
      const reader = new SnapshotReader(this.#layout, loaded, context);
      const { manifest } = loaded;
      const { generation } = manifest;
      return { name, generation, digest, manifest, blobs: (member) => reader.blobs(member) };
    });
  }

  attach(name: string, digest: Digest, attachment: Attachment, context: Context): Promise<Digest> {
    return this.#guard(() =>
      this.#locked(context, async (index) => {
        const { snapshots } = await this.#state(name, index);
        const subject = snapshots.find((snapshot) => snapshot.digest === digest);
        if (subject === undefined) throw noSnapshot(name, digest);
        return attach(this.#layout, index, subject, attachment);
      }),
    );
  }

  attachments(digest: Digest, artifactType: string): Promise<readonly AttachmentEntry[]> {
    return this.#guard(async () => {
      const index = await readIndex(this.#layout);
      if (index === undefined) return [];
      const listed = await listAttachments(this.#layout, index, digest);
      const wanted = listed.filter(({ blobs }) => blobs.artifactType === artifactType);
      const opened = await Promise.all(wanted.map((one) => openAttachment(this.#layout, one)));
      return opened.sort((a, b) => (a.createdAt < b.createdAt ? 1 : -1));
    });
  }

  verify(digest: Digest, depth: 'presence' | 'content', context: Context): Promise<readonly StoreFinding[]> {
    return this.#guard(() => verifySnapshot(this.#layout, digest, depth, context));
  }

  verifyAll(depth: 'presence' | 'content', context: Context): Promise<StoreVerification> {
    return this.#guard(() => verifyStore(this.#layout, [this.#names, this.#documents], depth, context));
  }

  remove(
    name: string,
    owner: string,
    generations: readonly number[],
    context: Context,
  ): Promise<readonly Pin[]> {
    return this.#guard(async () => {
      if ((await readIndex(this.#layout)) === undefined) return [];
      return this.#locked(context, async (index) => {
        const { document, snapshots } = await this.#state(name, index);
        if (snapshots.length === 0) return [];
        refuseOtherOwner(name, owner, document.owner);
        const wanted = snapshots.filter(({ generation }) => generations.includes(generation));
        const inTheWay = document.pins.filter((pin) => wanted.some(({ digest }) => digest === pin.digest));
        const pinned = new Set(inTheWay.map(({ digest }) => digest));
        const removed = wanted.filter(({ digest }) => !pinned.has(digest));
        if (removed.length > 0)
          await removeSnapshots(
            this.#layout,
            this.#names,
            index,
            name,
            { document, snapshots },
            removed,
            context,
          );
        return inTheWay;
      });
    });
  }

  sweep(context: Context): Promise<{ readonly removedBytes: number }> {
    return this.#guard(async () => {
      if ((await readIndex(this.#layout)) === undefined) return { removedBytes: 0 };
      const sweeping = (index: LayoutIndex) => collectGarbage(this.#layout, index, [], context);
      return { removedBytes: await this.#locked(context, sweeping) };
    });
  }

  lock(name: string, waitMs: number, context: Context): Promise<StoreLock> {
    return this.#guard(async () => {
      await this.#layout.create();
      const lock = await this.#acquire(`user/${name}`, `The lock "${name}"`, waitMs, context);
      return { name, [Symbol.asyncDispose]: () => lock[Symbol.asyncDispose]() };
    });
  }

  async #begin(name: string, owner: string, lock: HeldLock, context: Context): Promise<Draft> {
    const { before, packs } = await this.#locked(context, async (index) => {
      const state = await this.#state(name, index);
      refuseOtherOwner(name, owner, ownerOf(state.document, state.snapshots));
      // What a dead writer has left may be what the disk has no room for.
      if (await hasDeadDrafts(this.#layout)) await collectGarbage(this.#layout, index, [], context);
      const chosen = await choosePacks(this.#layout, index, name, context);
      await noteDraftPacks(
        this.#layout,
        lock.token,
        chosen.map(({ digest }) => digest),
      );
      return { before: state, packs: chosen };
    });
    const draft = new LayoutDraft(
      this.#layout,
      name,
      lock,
      { seal: (write) => this.#seal(name, owner, before, write, context) },
      context,
    );
    try {
      await draft.start(packs, before.snapshots[0]);
      return draft;
    } catch (error) {
      await draft[Symbol.asyncDispose]();
      throw error;
    }
  }

  /** The one place where a snapshot comes to exist: everything before may be lost, nothing after. */
  async #seal(
    name: string,
    owner: string,
    before: NameState,
    write: Parameters<Sealer['seal']>[0],
    context: Context,
  ): Promise<SealedSnapshot> {
    return this.#locked(context, async (index) => {
      const { document, snapshots } = await this.#state(name, index);
      const sameOwner =
        ownerOf(document, snapshots) === ownerOf(before.document, before.snapshots) ||
        ownerOf(document, snapshots) === owner;
      if (!sameOwner || snapshots[0]?.digest !== before.snapshots[0]?.digest) throw nameTaken(name);
      const generation = Math.max(snapshots[0]?.generation ?? 0, lastGeneration(document, snapshots)) + 1;
      const { digest, sizeBytes, manifest } = await write(generation);
      if (document.owner !== owner) await this.#names.write(name, { ...document, owner });
      const listed = { name, generation, digest, sizeBytes, cutAt: manifest.cutAt };
      await writeIndex(this.#layout, withSnapshot(index, listed, snapshots));
      return { name, generation, digest, manifest };
    });
  }

  /** Changes what is known of a name that has snapshots. */
  #change(
    name: string,
    change: (document: NameDocument, snapshots: readonly ListedSnapshot[]) => NameDocument,
  ): Promise<void> {
    return this.#guard(async () => {
      if ((await readIndex(this.#layout)) === undefined) throw noSnapshot(name);
      await this.#locked(this.#context, async (index) => {
        const { document, snapshots } = await this.#state(name, index);
        if (snapshots.length === 0) throw noSnapshot(name);
        await this.#names.write(name, change(document, snapshots));
      });
    });
  }

  async #state(name: string, index: LayoutIndex | undefined): Promise<NameState> {
    const snapshots = await snapshotsOf(this.#layout, index, name);
    return { document: await readName(this.#names, name), snapshots };
  }

  async #locked<T>(context: Context, work: (index: LayoutIndex) => Promise<T>): Promise<T> {
    await this.#layout.create();
    await using _lock = await this.#acquire(
      'store',
      `The store ${this.location}`,
      STORE_LOCK_WAIT_MS,
      context,
    );
    return await work((await readIndex(this.#layout)) ?? emptyIndex());
  }

  #acquire(key: string, what: string, waitMs: number, context: Context): Promise<HeldLock> {
    const { locks, temporary } = this.#layout;
    return acquireLock({ folder: join(locks, fileNameOf(key)), temporary, what, waitMs }, context);
  }

  #guard<T>(work: () => Promise<T>): Promise<T> {
    return withDiskErrors(this.location, work);
  }
}

/** Numbers start anew for a name that has nothing left. */
function lastGeneration(document: NameDocument, snapshots: readonly ListedSnapshot[]): number {
  return snapshots.length === 0 ? 0 : document.lastGeneration;
}
