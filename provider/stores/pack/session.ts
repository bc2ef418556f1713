import type { BlobDigest } from '../../core/blob-digest.ts';
import type { Digest } from '../../core/digest.ts';
import { StasisError, throwIfAborted } from '../../core/errors.ts';
import type { ByteRange, Chunking } from '../../core/store.ts';
import { abortable } from './abortable.ts';
import { BlobStream, type StreamedBlob, type StreamPart } from './blob-stream.ts';
import { maxChunksOf } from './chunking.ts';
import type { Extents } from './extents.ts';
import { type PackInfo, type PackSink, PackWriter } from './pack-writer.ts';
import { PoolLease } from './pool.ts';
import { type PackReader, readExtents } from './reader.ts';
import { OwnIndex } from './shared-index.ts';
import type { PackToc } from './toc.ts';
import { inFrames, type SegmentedBlob, tabulate } from './unchanged.ts';
import type { Unit } from './units.ts';

/** Frames that wait for the disk. Beyond it, whoever puts content waits. */
const MAX_PENDING_BYTES = 32 * 1024 * 1024;

export interface PutBlob extends StreamedBlob {
  readonly chunking: Chunking;
}

/** Reads packs that were there before the session. */
export type KnownPackReader = (pack: Digest, offset: number, into: Uint8Array) => Promise<void>;

let nextSession = 1;

/**
 * Content on its way into packs: what a draft of any kind of store writes through. One failure fails all of it, as
 * chunks found to be known may lie in a frame that another stream was to write.
 */
export class PackSession {
  readonly #id = nextSession++;
  readonly #lease = new PoolLease();
  readonly #index = new OwnIndex();
  readonly #packs: PackWriter;
  readonly #readKnown: KnownPackReader;
  readonly #signal: AbortSignal;
  #announced = false;
  #running = 0;
  #reserved = 0;
  #growth: Promise<void> | undefined;
  readonly #waitingForIdle: (() => void)[] = [];
  #failure: unknown;
  #ended = false;

  constructor(sink: PackSink, readKnown: KnownPackReader, signal: AbortSignal) {
    this.#packs = new PackWriter(sink);
    this.#readKnown = readKnown;
    this.#signal = signal;
  }

  /** Makes room at once for as many known chunks, and some new ones. Only before anything is put. */
  expect(knownChunks: number): void {
    const room = Math.ceil(knownChunks * 1.1);
    if (this.#index.mustGrow(room)) this.#index.grow(room);
  }

  /** Chunks of a pack that need not be written again. Only before anything is put. */
  addKnown(info: PackInfo, toc: PackToc): void {
    const count = toc.chunkLengths.length;
    if (this.#index.mustGrow(count)) this.#index.grow(count);
    const hashes = new Int32Array(new Uint8Array(toc.chunkHashes).buffer);
    const numbers: number[] = [];
    let chunk = 0;
    for (const chunks of toc.chunkCounts) {
      const frame = this.#index.nextFrame();
      numbers.push(frame);
      let offset = 0;
      for (const end = chunk + chunks; chunk < end; chunk += 1) {
        const length = toc.chunkLengths[chunk]!;
        this.#index.addAlone(hashes, chunk * 8, frame, offset, length);
        offset += length;
      }
    }
    this.#packs.addKnown(info, toc.frames, numbers);
  }

  /**
   * Looks for what has not changed since these blobs were put, whose extents are in packs by number as `packNumber`
   * gives them. Only before anything is put.
   */
  watchChanges(blobs: readonly SegmentedBlob[]): void {
    this.#announce();
    const memory = tabulate(blobs, this.#packs.locate);
    this.#lease.pool.notify({ kind: 'unchanged', session: this.#id, memory });
  }

  /** The number of a known pack, if it is known. */
  packNumber(digest: Digest): number | undefined {
    const number = this.#packs.packs.findIndex(({ info }) => info?.digest === digest);
    return number < 0 ? undefined : number;
  }

  /**
   * A blob of an earlier snapshot as if it had been put, whose extents are in packs by number as `packNumber` gives
   * them; undefined where some of it lies in a pack that the session does not know.
   */
  adopt(digest: BlobDigest, chunking: Chunking, extents: Extents): PutBlob | undefined {
    const threes = inFrames(extents, this.#packs.locate);
    if (threes === undefined) return undefined;
    const { sizeBytes } = extents;
    return { digest, chunking, sizeBytes, extents: [Int32Array.from(threes)], segments: undefined };
  }

  async put(content: AsyncIterable<Uint8Array>, chunking: Chunking): Promise<PutBlob> {
    this.#check();
    this.#announce();
    const stream = new BlobStream(this.#lease.pool, chunking, (unit, sizeBytes) =>
      this.#chunk(unit, sizeBytes, chunking),
    );
    try {
      for await (const piece of abortable(content, this.#signal)) {
        this.#check();
        await stream.write(piece);
        if (this.#packs.pendingBytes > MAX_PENDING_BYTES) await this.#packs.settle();
      }
      return { ...(await stream.end()), chunking };
    } catch (error) {
      stream.abandon();
      throw this.#failure ?? error;
    }
  }

  /** Content that was put in this session. */
  async *read(blob: PutBlob, range?: ByteRange): AsyncGenerator<Uint8Array> {
    await this.#flush();
    await this.#packs.settle();
    const packs: PackReader = {
      frames: async (pack) => this.#packs.packs[pack]!.frames,
      read: async (number, offset, into) => {
        const pack = this.#packs.packs[number]!;
        if (pack.output === undefined) await this.#readKnown(pack.info!.digest, offset, into);
        else await (await pack.output).read(offset, into);
      },
    };
    yield* readExtents(this.#packs.resolve(blob.extents), range, packs, this.#signal);
  }

  /** Writes all that is left; every pack is durable on return. */
  async finish(): Promise<void> {
    await this.#flush();
    this.#check();
    await this.#packs.finish();
  }

  /** After `finish`: where a blob lies, by the packs' numbers. */
  extentsOf(blob: PutBlob): Extents {
    return this.#packs.resolve(blob.extents);
  }

  /** How many packs it knows and has written. */
  get packCount(): number {
    return this.#packs.packs.length;
  }

  /** After `finish`. `isNew` where this session wrote it. */
  pack(number: number): { readonly info: PackInfo; readonly isNew: boolean } {
    const pack = this.#packs.packs[number]!;
    return { info: pack.info!, isNew: pack.output !== undefined };
  }

  /** Closes every file and lets the workers forget it. */
  async end(): Promise<void> {
    if (this.#ended) return;
    this.#ended = true;
    this.#failure ??= new StasisError('store.draft-ended', 'The draft has ended.');
    await this.#idle();
    await this.#packs.discard();
    if (!this.#lease.pool.broken) this.#lease.pool.notify({ kind: 'end-session', session: this.#id });
    this.#lease[Symbol.dispose]();
  }

  async #flush(): Promise<void> {
    this.#check();
    this.#announce();
    const { pool } = this.#lease;
    const answers = await Promise.all(
      Array.from({ length: pool.size }, (_unused, worker) =>
        pool.run({ kind: 'flush', session: this.#id }, { worker }),
      ),
    );
    for (const { frames } of answers) for (const frame of frames) this.#packs.append(frame);
  }

  async #chunk(unit: Unit, sizeBytes: number, chunking: Chunking): Promise<StreamPart> {
    const room = maxChunksOf(sizeBytes);
    await this.#admit(room);
    try {
      const part = { memory: unit.memory, sizeBytes };
      const answer = await this.#lease.pool.run({ kind: 'chunk', session: this.#id, chunking, unit: part });
      for (const frame of answer.frames) this.#packs.append(frame);
      return { extents: answer.extents, segments: answer.segments };
    } catch (error) {
      this.#failure ??= error;
      throw error;
    } finally {
      this.#running -= 1;
      this.#reserved -= room;
      if (this.#running === 0) for (const resume of this.#waitingForIdle.splice(0)) resume();
    }
  }

  /** Counts one more job in, once the index has room for its chunks. */
  async #admit(room: number): Promise<void> {
    for (;;) {
      if (this.#growth !== undefined) await this.#growth;
      else if (this.#index.mustGrow(this.#reserved + room)) this.#growth = this.#grow(room);
      else break;
    }
    if (this.#failure !== undefined) throw this.#failure;
    this.#running += 1;
    this.#reserved += room;
  }

  /** The table is laid out anew once no worker looks into it. */
  async #grow(room: number): Promise<void> {
    await this.#idle();
    this.#index.grow(this.#reserved + room);
    this.#tellIndex();
    this.#growth = undefined;
  }

  /** No job of ours that uses the index is on its way. */
  async #idle(): Promise<void> {
    while (this.#running > 0) await new Promise<void>((resolve) => this.#waitingForIdle.push(resolve));
  }

  #announce(): void {
    if (!this.#announced) this.#tellIndex();
    this.#announced = true;
  }

  #tellIndex(): void {
    this.#lease.pool.notify({ kind: 'index', session: this.#id, memory: this.#index.memory });
  }

  #check(): void {
    throwIfAborted(this.#signal);
    if (this.#failure !== undefined) throw this.#failure;
  }
}
