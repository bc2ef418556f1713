import type { BlobDigest } from './blob-digest.ts';
import type { Context } from './context.ts';
import type { Digest } from './digest.ts';
import type { Manifest, MemberCapture } from './manifest.ts';

/**
 * How content is cut into chunks before deduplication: aligned pages for memory and disks (4 KiB) and for
 * Postgres files (8 KiB); content-defined, 16 KiB on average, for dumps, logs and files.
 */
export type Chunking = 'pages-4k' | 'pages-8k' | 'content';

/** One piece of content in a snapshot, by the digest of all its bytes (blob-digest.ts). */
export interface BlobDescriptor {
  readonly digest: BlobDigest;
  readonly sizeBytes: number;
}

/** What a driver reads captured content from. A damaged blob throws `store.damaged`, never wrong bytes. */
export interface BlobReader {
  has(digest: BlobDigest): Promise<boolean>;
  get(digest: BlobDigest, range?: ByteRange): AsyncIterable<Uint8Array>;
}

/** What a driver copies into. Never a Store. */
export interface Blobs extends BlobReader {
  /** Streams content in; memory is bounded whatever its size. Several puts may run at once. */
  put(content: AsyncIterable<Uint8Array>, options: { readonly chunking: Chunking }): Promise<BlobDescriptor>;
  /**
   * Takes over a blob that the same member has in the name's newest snapshot, or that was put already, without its
   * content; undefined where there is none. Absent where nothing is remembered of earlier snapshots.
   */
  keep?(digest: BlobDigest): Promise<BlobDescriptor | undefined>;
}

export interface ByteRange {
  readonly offset: number;
  readonly length: number;
}

/** One sealed snapshot in a store. */
export interface SealedSnapshot {
  readonly name: string;
  readonly generation: number;
  readonly digest: Digest;
  readonly manifest: Manifest;
}

/** A generation's line in a listing; cheap to get. */
export interface GenerationEntry {
  readonly name: string;
  readonly generation: number;
  readonly digest: Digest;
  /** ISO 8601. */
  readonly cutAt: string;
}

/** What is wrong with stored content. */
export interface StoreFinding {
  /** `other-format` is no damage: another version of Stasis reads it. */
  readonly code: 'missing' | 'wrong-size' | 'damaged' | 'unreadable' | 'other-format';
  /** Of the blob or the snapshot; absent where the file is neither. */
  readonly digest?: Digest;
  /** Members that need it; empty when it concerns all. */
  readonly members: readonly string[];
  readonly message: string;
}

/** A store as a whole. */
export interface StoreVerification {
  /** Those whose manifests could be read. */
  readonly snapshots: readonly SealedSnapshot[];
  /** None: everything in it is whole. */
  readonly findings: readonly StoreFinding[];
}

export interface SealInput {
  /** Everything of the manifest that the store does not fill in itself (`generation`, sizes). */
  readonly manifest: Omit<Manifest, 'generation' | 'storedBytes' | 'newBytes'>;
}

/** A snapshot being written. Nothing of it exists for readers until `seal` returns. */
export interface Draft extends AsyncDisposable {
  /** Where one member's content goes. */
  blobs(member: string): Blobs;
  /**
   * Writes what is left, then the manifest, then points the name at it by compare-and-set: the next generation.
   * @throws StasisError `store.name-taken` when the name's owner or newest generation changed meanwhile.
   */
  seal(input: SealInput): Promise<SealedSnapshot>;
  /** Abandons it, unless sealed: removes what it wrote. */
  [Symbol.asyncDispose](): Promise<void>;
}

/** Who may add to, keep and delete a name's generations. */
export interface NameRecord {
  /** Opaque id of the resource that owns it. */
  readonly owner: string;
  readonly generations: readonly GenerationEntry[];
  /** Generations that must stay: by what, and which digest. */
  readonly pins: readonly Pin[];
}

export interface Pin {
  /** `restore:<id>` or `user:<note>`. */
  readonly by: string;
  readonly digest: Digest;
}

/** A lock that ends with its holder: others see that a dead process holds it, and take it. */
export interface StoreLock extends AsyncDisposable {
  readonly name: string;
}

/** A small JSON document of ours in the store: the journal, a restore's progress. */
export interface StoreRecords {
  read(key: string): Promise<unknown>;
  write(key: string, value: unknown): Promise<void>;
  remove(key: string): Promise<void>;
  list(prefix: string): Promise<readonly string[]>;
}

/**
 * Where snapshots live. Durable on return: what `seal` or `write` returned from survives a power cut.
 * Crash at any point leaves every sealed snapshot readable and nothing half-sealed visible.
 */
export interface Store {
  /** For messages and ids: the folder's real path, or the URL without secrets. */
  readonly location: string;
  /** Problems that would keep a capture from being written: not a folder, read-only, no space for `sizeBytes`. */
  check(sizeBytes: number, context: Context): Promise<readonly import('./errors.ts').StasisError[]>;
  /**
   * Starts a snapshot of `name`. Chunks already in the store are not written again.
   * @throws StasisError `store.owned` when another owner has the name, `store.busy` when a live process writes it.
   */
  begin(name: string, owner: string, context: Context): Promise<Draft>;
  /** Names in it, with owner, sealed generations (newest first) and pins. */
  names(prefix: string): Promise<ReadonlyMap<string, NameRecord>>;
  name(name: string): Promise<NameRecord | undefined>;
  /** Gives a name to another owner: what the first apply after an import does. */
  adopt(name: string, owner: string): Promise<void>;
  pin(name: string, pin: Pin): Promise<void>;
  unpin(name: string, by: string): Promise<void>;
  /** @throws StasisError `store.no-snapshot`, `store.newer-format`, `store.older-format`, `store.damaged` */
  open(
    name: string,
    digest: Digest,
    context: Context,
  ): Promise<SealedSnapshot & { blobs(member: string): BlobReader }>;
  /**
   * Lays something beside a snapshot, which goes where that is copied to with what refers to it, and is removed with it.
   * @returns the digest under which it is found. @throws StasisError `store.no-snapshot`
   */
  attach(name: string, digest: Digest, attachment: Attachment, context: Context): Promise<Digest>;
  /** What of this type is attached to a snapshot, newest first. @throws StasisError `store.damaged` */
  attachments(digest: Digest, artifactType: string): Promise<readonly AttachmentEntry[]>;
  /**
   * `presence` looks whether every blob is there with its size; `content` hashes everything. No finding: it is whole.
   */
  verify(digest: Digest, depth: 'presence' | 'content', context: Context): Promise<readonly StoreFinding[]>;
  /**
   * The same of every snapshot in it, and of all else that it keeps: its lists, names and records. A snapshot in the
   * format of another version is a finding (`other-format`), and the others are looked at all the same.
   */
  verifyAll(depth: 'presence' | 'content', context: Context): Promise<StoreVerification>;
  /** Removes generations of `owner`, never pinned ones (they are returned), and sweeps what nothing needs any more. */
  remove(
    name: string,
    owner: string,
    generations: readonly number[],
    context: Context,
  ): Promise<readonly Pin[]>;
  /** Removes what dead writers left behind. Never touches what a live one writes. */
  sweep(context: Context): Promise<{ readonly removedBytes: number }>;
  /** Waits up to `waitMs`. @throws StasisError `store.busy`, naming the holder. */
  lock(name: string, waitMs: number, context: Context): Promise<StoreLock>;
  readonly records: StoreRecords;
}

/** Something that is said of a sealed snapshot afterwards, and lies beside it: it changes nothing of the snapshot. */
export interface Attachment {
  /** What it is: `application/vnd.stasis.drill.v1`. */
  readonly artifactType: string;
  /** Of the content. */
  readonly mediaType: string;
  readonly content: Uint8Array;
  /** ISO 8601. */
  readonly createdAt: string;
  readonly annotations: Readonly<Record<string, string>>;
}

export interface AttachmentEntry extends Attachment {
  readonly digest: Digest;
}

/** A kind of store, as the registry lists it. */
export interface StoreType<Spec = unknown> {
  readonly name: string;
  readonly summary: string;
  readonly spec: import('zod').ZodType<Spec>;
  /** The same store has the same location, whatever way it was written. No I/O beyond resolving a path. */
  locate(spec: Spec): Promise<string>;
  /** The spec of the store at this location, where it is one of this kind: an id names no more than the location. */
  at(location: string): Spec | undefined;
  open(spec: Spec, context: Context): Promise<Store>;
}

export type { MemberCapture };
