import { throwIfAborted } from '../../core/errors.ts';
import type { BlobDescriptor, Blobs } from '../../core/store.ts';
import type { Care, TreeAccess } from './access.ts';
import { type Attribute, type AttributeTools, isCaptured, readAttributes } from './attributes.ts';
import { type Entry, inodeOf, isSparse, signatureOf } from './entry.ts';
import { Changed } from './reading.ts';
import { absolute } from './scan.ts';

/** Where a file's content lies in the store. */
export interface Place {
  readonly blob: BlobDescriptor;
  readonly offset: number;
}

/** All that a look at an entry does not show: content and extended attributes, true of it while it was as `entry`. */
export interface Body {
  readonly entry: Entry;
  readonly attributes: readonly Attribute[];
  /** Absent where there is no content. */
  readonly content?: Place | Buffer;
}

export interface AttributesNow {
  readonly attributes: readonly Attribute[];
  /** Whether the entry is still as it was, so that they are those of then. */
  readonly isUnchanged: boolean;
}

export interface Reading {
  /** Bodies by inode. */
  readonly bodies: ReadonlyMap<string, Body>;
  /** What was gone or, read exactly, no longer as it was. */
  readonly lost: readonly Entry[];
}

/** Files up to this size share blobs, so that the store is not asked once a tiny file. */
const SMALL_BYTES = 256 * 1024;
/** What goes into one shared blob, roughly. */
const GROUP_BYTES = 16 * 1024 * 1024;
/** Blobs written at the same time: the store compresses one while the next is read. */
const PUTS_AT_ONCE = 3;

/** Reads bodies of a tree's entries, into the store or into memory. */
export class BodyReader {
  private readonly root: Buffer;
  private readonly access: TreeAccess;
  private readonly tools: AttributeTools | undefined;
  /** Attributes that are not captured, by name, for the coverage. */
  readonly skippedAttributes = new Set<string>();

  constructor(root: Buffer, access: TreeAccess, tools: AttributeTools | undefined) {
    this.root = root;
    this.access = access;
    this.tools = tools;
  }

  /**
   * What is in files, read at once and in their order, while each is as an earlier look has shown it; undefined where
   * it no longer is. The caller bounds how much it asks for.
   */
  async *readNow(entries: readonly Entry[], signal: AbortSignal): AsyncGenerator<Buffer | undefined> {
    if (entries.length === 0) return;
    for await (const whole of this.access.wholes(this.root, entries, 'exact', signal)) yield whole?.data;
  }

  /** Attributes of entries by inode, as they are now; those that are gone are not in it. */
  async attributesNow(
    entries: readonly Entry[],
    signal: AbortSignal,
  ): Promise<ReadonlyMap<string, AttributesNow>> {
    const attributesOf = await this.readAttributes(entries, signal);
    const now = new Map<string, AttributesNow>();
    const looks = await this.access.look(this.root, entries, signal);
    for (const [index, entry] of entries.entries()) {
      const seen = looks[index];
      if (seen === undefined || inodeOf(seen) !== inodeOf(entry)) continue;
      const isUnchanged = signatureOf(seen) === signatureOf(entry);
      now.set(inodeOf(entry), { attributes: attributesOf(entry), isUnchanged });
    }
    return now;
  }

  /** Into the store: small files together, large ones each on its own. `inMemory` has content that was read before. */
  async intoBlobs(
    entries: readonly Entry[],
    blobs: Blobs,
    care: Care,
    signal: AbortSignal,
    inMemory: ReadonlyMap<string, Body> = new Map(),
  ): Promise<Reading> {
    const remembered = entries.filter((entry) => inMemory.has(inodeOf(entry)));
    const work = await this.start(
      entries.filter((entry) => !inMemory.has(inodeOf(entry))),
      care,
      signal,
    );
    const small = [...remembered, ...work.files.filter((entry) => entry.sizeBytes <= SMALL_BYTES)];
    const tasks = groupsOf(small).map((group) => () => this.putGroup(group, blobs, care, work, inMemory));
    for (const entry of work.files)
      if (entry.sizeBytes > SMALL_BYTES) tasks.push(() => this.putLarge(entry, blobs, care, work));
    await runBounded(tasks, PUTS_AT_ONCE, signal);
    return work;
  }

  /** Attributes of all, then what has no content: a look at it after its attributes were read shows that they fit. */
  private async start(entries: readonly Entry[], care: Care, signal: AbortSignal): Promise<Work> {
    const work = new Work(signal, await this.readAttributes(entries, signal));
    work.files.push(...entries.filter(({ sizeBytes }) => sizeBytes > 0));
    const empty = entries.filter(({ sizeBytes }) => sizeBytes === 0);
    const looks = await this.access.look(this.root, empty, signal);
    for (const [index, entry] of empty.entries()) {
      const now = looks[index];
      if (now === undefined || (care === 'exact' && signatureOf(now) !== signatureOf(entry)))
        work.lost.push(entry);
      else work.keep({ ...now, sizeBytes: 0 });
    }
    return work;
  }

  private async readAttributes(
    entries: readonly Entry[],
    signal: AbortSignal,
  ): Promise<(entry: Entry) => readonly Attribute[]> {
    if (this.tools === undefined) return () => [];
    const paths = entries.map((entry) => absolute(this.root, entry.path));
    const found = await readAttributes(paths, this.access.host, this.tools, signal);
    return (entry) => {
      const all = found.get(absolute(this.root, entry.path).toString('latin1')) ?? [];
      for (const { name } of all) if (!isCaptured(name)) this.skippedAttributes.add(name);
      return all.filter(({ name }) => isCaptured(name));
    };
  }

  private async putGroup(
    group: readonly Entry[],
    blobs: Blobs,
    care: Care,
    work: Work,
    inMemory: ReadonlyMap<string, Body>,
  ): Promise<void> {
    const kept: { entry: Entry; attributes?: readonly Attribute[]; offset: number }[] = [];
    const unread = group.filter((entry) => !inMemory.has(inodeOf(entry)));
    const { root, access } = this;
    async function* content(): AsyncGenerator<Buffer> {
      let offset = 0;
      const keep = (entry: Entry, data: Buffer, attributes?: readonly Attribute[]): Buffer[] => {
        kept.push({ entry, attributes, offset });
        offset += data.length;
        return data.length > 0 ? [data] : [];
      };
      for (const entry of group) {
        const before = inMemory.get(inodeOf(entry));
        if (before) yield* keep(entry, before.content as Buffer, before.attributes);
      }
      let index = 0;
      for await (const whole of access.wholes(root, unread, care, work.signal)) {
        if (whole === undefined) work.lost.push(unread[index]!);
        else yield* keep(whole.entry, whole.data);
        index += 1;
      }
    }
    const blob = await blobs.put(content(), { chunking: 'content' });
    for (const { entry, attributes, offset } of kept) work.keep(entry, { blob, offset }, attributes);
  }

  private async putLarge(entry: Entry, blobs: Blobs, care: Care, work: Work): Promise<void> {
    let after: Entry | undefined;
    const seen = (now: Entry): void => {
      after = now;
    };
    const pieces = this.access.pieces(this.root, entry, care, seen, work.signal);
    // Files with holes are disks and data files, written in place by pages.
    const chunking = isSparse(entry) ? 'pages-4k' : 'content';
    const failures: unknown[] = [];
    try {
      const blob = await blobs.put(noting(pieces, failures, work), { chunking });
      work.keep(after!, { blob, offset: 0 });
    } catch (error) {
      // A store may wrap what its input threw.
      if (!failures.some((failure) => failure instanceof Changed)) throw error;
      work.lost.push(entry);
    }
  }
}

async function* noting(
  pieces: AsyncIterable<Buffer>,
  failures: unknown[],
  work: Work,
): AsyncGenerator<Buffer> {
  try {
    for await (const piece of pieces) {
      work.throwIfAborted();
      yield piece;
    }
  } catch (error) {
    failures.push(error);
    throw error;
  }
}

/** What one reading has so far. */
class Work implements Reading {
  readonly bodies = new Map<string, Body>();
  readonly lost: Entry[] = [];
  /** Entries with content, still to be read. */
  readonly files: Entry[] = [];
  readonly signal: AbortSignal;
  private readonly attributesOf: (entry: Entry) => readonly Attribute[];

  constructor(signal: AbortSignal, attributesOf: (entry: Entry) => readonly Attribute[]) {
    this.signal = signal;
    this.attributesOf = attributesOf;
  }

  keep(entry: Entry, content?: Place | Buffer, attributes = this.attributesOf(entry)): void {
    this.bodies.set(inodeOf(entry), { entry, attributes, content });
  }

  throwIfAborted(): void {
    throwIfAborted(this.signal);
  }
}

function groupsOf(entries: readonly Entry[]): Entry[][] {
  const groups: Entry[][] = [];
  let roomBytes = 0;
  for (const entry of entries) {
    if (roomBytes <= 0) {
      groups.push([]);
      roomBytes = GROUP_BYTES;
    }
    groups.at(-1)!.push(entry);
    roomBytes -= entry.sizeBytes;
  }
  return groups;
}

/** Runs all, so many at once; after an error no new one starts, and the running ones are waited for. */
async function runBounded(
  tasks: readonly (() => Promise<void>)[],
  atOnce: number,
  signal: AbortSignal,
): Promise<void> {
  const left = tasks.values();
  let failed = false;
  const worker = async (): Promise<void> => {
    for (const task of left) {
      if (failed) return;
      throwIfAborted(signal);
      await task().catch((error: unknown) => {
        failed = true;
        throw error;
      });
    }
  };
  const results = await Promise.allSettled(Array.from({ length: atOnce }, worker));
  const fault = results.find((result) => result.status === 'rejected');
  if (fault) throw fault.reason;
}
