import { createHash, hash } from 'node:crypto';
import type { Digest } from '../../core/digest.ts';
import { Extents, ZERO_PACK } from './extents.ts';
import { type FrameRecord, ZERO_FRAME } from './frame.ts';
import { free } from './memory.ts';
import { PackFrames } from './pack-frames.ts';
import { encodeToc, type TocFrame } from './toc.ts';
import type { FrameLocator } from './unchanged.ts';

/** A pack has at least this size before the next one is begun. */
const MIN_PACK_BYTES = 64 * 1024 * 1024;
/** Packs grow with what was stored before them: 1 TB makes about 340, which registries still take as layers. */
const PACK_SHARE = 50;
/** Also bounds what very compressible content makes of one pack. */
const MAX_PACK_RAW_BYTES = 16 * 1024 * 1024 * 1024;
const WRITE_BYTES = 1024 * 1024;

export interface Sized {
  readonly digest: Digest;
  readonly sizeBytes: number;
}

/** A pack as a manifest describes it. */
export interface PackInfo extends Sized {
  readonly toc: Sized;
}

/** A file to be, somewhere, that holds one pack. */
export interface PackOutput {
  write(parts: readonly Uint8Array[]): Promise<void>;
  /** Fills `into` with what was written before. */
  read(offset: number, into: Uint8Array): Promise<void>;
  /** Everything was written: it is durable on return. */
  finish(pack: Sized): Promise<void>;
  discard(): Promise<void>;
}

export interface PackSink {
  create(): Promise<PackOutput>;
}

/** A pack of the session: one that was there before, or one that it writes. */
export interface SessionPack {
  readonly frames: PackFrames;
  /** Known once it is finished. */
  readonly info: PackInfo | undefined;
  /** Of one that the session writes. */
  readonly output: Promise<PackOutput> | undefined;
}

interface NewPack {
  readonly frames: PackFrames;
  info: PackInfo | undefined;
  readonly output: Promise<PackOutput>;
  readonly toc: TocFrame[];
}

/** Puts frames into packs, in the order in which they come, and knows in which pack each frame lies. */
export class PackWriter {
  readonly packs: SessionPack[] = [];
  readonly #sink: PackSink;
  readonly #packOf: number[] = [];
  readonly #placeOf: number[] = [];
  /** Of known packs: their frames' numbers in the session. */
  readonly #numbersOf: (readonly number[])[] = [];
  #current: NewPack | undefined;
  #hash = createHash('sha256');
  #storedBytes = 0;
  #parts: Uint8Array[] = [];
  #partBytes = 0;
  #pendingBytes = 0;
  #writes: Promise<void> = Promise.resolve();
  readonly #finishing: Promise<void>[] = [];

  constructor(sink: PackSink) {
    this.#sink = sink;
  }

  /** Bytes handed over and not written yet. */
  get pendingBytes(): number {
    return this.#pendingBytes;
  }

  /** A pack that is there already. `frameNumbers` are its frames' numbers in the session. */
  addKnown(info: PackInfo, frames: PackFrames, frameNumbers: readonly number[]): void {
    this.packs.push({ frames, info, output: undefined });
    this.#numbersOf[this.packs.length - 1] = frameNumbers;
    for (const [place, frame] of frameNumbers.entries()) this.#locate(frame, this.packs.length - 1, place);
  }

  append(record: FrameRecord): void {
    this.#current ??= this.#begin();
    const pack = this.#current;
    this.#locate(record.frame, this.packs.length - 1, pack.frames.count);
    const { rawBytes, digest, chunkHashes, chunkLengths } = record;
    const storedBytes = record.stored.length;
    pack.frames.add(rawBytes, storedBytes, digest);
    pack.toc.push({ rawBytes, storedBytes, digest, chunkHashes, chunkLengths });
    this.#storedBytes += storedBytes;
    this.#write(pack, record.stored);
    const full = Math.max(MIN_PACK_BYTES, this.#storedBytes / PACK_SHARE);
    if (pack.frames.storedBytes >= full || pack.frames.rawBytes >= MAX_PACK_RAW_BYTES) this.#close(pack);
  }

  /** Everything appended so far is written. @throws what a write threw */
  async settle(): Promise<void> {
    if (this.#current !== undefined) this.#flush(this.#current);
    await this.#writes;
  }

  /** Ends the last pack; all are durable on return. */
  async finish(): Promise<void> {
    if (this.#current !== undefined) this.#close(this.#current);
    await this.#writes;
    await Promise.all(this.#finishing);
  }

  async discard(): Promise<void> {
    await Promise.allSettled([this.#writes, ...this.#finishing]);
    for (const { output } of this.packs) await output?.then((opened) => opened.discard()).catch(() => {});
  }

  /** Where the extents that workers gave lie in packs. Every frame they name has been appended. */
  resolve(parts: readonly Int32Array[]): Extents {
    const extents = new Extents();
    for (const part of parts)
      for (let at = 0; at < part.length; at += 3) {
        const length = part[at]!;
        const frame = part[at + 1]!;
        if (frame === ZERO_FRAME) {
          extents.add(length, ZERO_PACK, 0);
          continue;
        }
        const pack = this.#packOf[frame];
        if (pack === undefined) throw new Error(`frame ${frame} is in no pack`);
        const rawStart = this.packs[pack]!.frames.rawStart(this.#placeOf[frame]!);
        extents.add(length, pack, rawStart + part[at + 2]!);
      }
    return extents;
  }

  /** Where a place in a known pack is, in frames of the session. */
  readonly locate: FrameLocator = (number, rawOffset) => {
    const pack = this.packs[number];
    const place = pack?.frames.at(rawOffset) ?? -1;
    const frame = this.#numbersOf[number]?.[place];
    if (pack === undefined || frame === undefined) return undefined;
    const offset = rawOffset - pack.frames.rawStart(place);
    return { frame, offset, leftBytes: pack.frames.rawLength(place) - offset };
  };

  #locate(frame: number, pack: number, place: number): void {
    this.#packOf[frame] = pack;
    this.#placeOf[frame] = place;
  }

  #begin(): NewPack {
    const output = this.#sink.create();
    // Whoever writes sees the failure; until then it is nobody's unhandled rejection.
    output.catch(() => {});
    const pack: NewPack = { frames: new PackFrames(), info: undefined, output, toc: [] };
    this.packs.push(pack);
    this.#hash = createHash('sha256');
    return pack;
  }

  #write(pack: NewPack, bytes: Uint8Array): void {
    this.#hash.update(bytes);
    this.#parts.push(bytes);
    this.#partBytes += bytes.length;
    this.#pendingBytes += bytes.length;
    if (this.#partBytes >= WRITE_BYTES) this.#flush(pack);
  }

  #flush(pack: NewPack): void {
    const parts = this.#parts;
    const sizeBytes = this.#partBytes;
    if (parts.length === 0) return;
    this.#parts = [];
    this.#partBytes = 0;
    this.#writes = this.#writes.then(async () => {
      await (await pack.output).write(parts);
      this.#pendingBytes -= sizeBytes;
      free(parts);
    });
    this.#writes.catch(() => {});
  }

  #close(pack: NewPack): void {
    this.#current = undefined;
    const toc = encodeToc(pack.toc.splice(0));
    this.#write(pack, toc);
    this.#flush(pack);
    const info: PackInfo = {
      digest: `sha256:${this.#hash.digest('hex')}`,
      sizeBytes: pack.frames.storedBytes + toc.length,
      toc: { digest: `sha256:${hash('sha256', toc, 'hex')}`, sizeBytes: toc.length },
    };
    pack.info = info;
    const written = this.#writes;
    const finished = written.then(async () => (await pack.output).finish(info));
    finished.catch(() => {});
    this.#finishing.push(finished);
  }
}
