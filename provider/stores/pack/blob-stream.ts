import { type BlobDigest, BlobDigester, SEGMENT_BYTES } from '../../core/blob-digest.ts';
import type { Chunking } from '../../core/store.ts';
import { pageBytes, UNIT_BYTES } from './chunking.ts';
import type { WorkerPool } from './pool.ts';
import { MAX_KEPT_BYTES } from './unchanged.ts';
import type { Unit, UnitHolder } from './units.ts';

/** A segment, so that what a stream sends off starts with one. */
const CARRY_BYTES = SEGMENT_BYTES;

/** What is known of one unit: its extents, in threes of length, frame and offset, and the SHA-256 of its segments. */
export interface StreamPart {
  readonly extents: Int32Array;
  readonly segments: Uint8Array;
}

/** What is known of a whole blob. */
export interface StreamedBlob {
  readonly digest: BlobDigest;
  readonly sizeBytes: number;
  /** Of each unit. */
  readonly extents: readonly Int32Array[];
  /** Of paged content that is not too large: the SHA-256 of each segment. */
  readonly segments: Uint8Array | undefined;
}

export type ChunkUnit = (unit: Unit, sizeBytes: number, chunking: Chunking) => Promise<StreamPart>;

/** One blob on its way in. Write, then end; abandon it when its source fails. */
export class BlobStream implements UnitHolder {
  unit: Unit | undefined;
  filledBytes = 0;
  readonly #pool: WorkerPool;
  readonly #chunk: ChunkUnit;
  readonly #chunking: Chunking;
  /** What is no unit's worth yet: small blobs need no unit while they wait for their source. */
  #carry: Buffer[] = [];
  #carryBytes = 0;
  readonly #extents: Promise<Int32Array>[] = [];
  readonly #digester = new BlobDigester();
  /** What the digester has taken, in order; undefined once nobody wants to keep it. */
  #segments: Uint8Array[] | undefined;
  #segmentsBytes = 0;
  #digested: Promise<void> = Promise.resolve();
  #sizeBytes = 0;
  #failure: unknown;

  constructor(pool: WorkerPool, chunking: Chunking, chunk: ChunkUnit) {
    this.#pool = pool;
    this.#chunking = chunking;
    this.#chunk = chunk;
    if (pageBytes(chunking) !== undefined) this.#segments = [];
  }

  async write(piece: Uint8Array): Promise<void> {
    this.#sizeBytes += piece.length;
    for (let at = 0; at < piece.length; ) {
      if (this.#failure !== undefined) throw this.#failure;
      if (this.unit === undefined) {
        if (this.#carryBytes + piece.length - at <= CARRY_BYTES) {
          this.#carryOn(piece.subarray(at));
          return;
        }
        await this.#takeUnit();
      }
      const part = piece.subarray(at, at + UNIT_BYTES - this.filledBytes);
      this.#fill(part);
      at += part.length;
      if (this.filledBytes === UNIT_BYTES) this.#send(UNIT_BYTES);
    }
    this.#pool.units.relieve();
  }

  async end(): Promise<StreamedBlob> {
    if (this.unit === undefined && this.#carryBytes > 0) await this.#takeUnit();
    if (this.unit !== undefined) this.#send(this.filledBytes);
    const extents = await Promise.all(this.#extents);
    await this.#digested;
    const segments = this.#segments && Buffer.concat(this.#segments);
    return { digest: this.#digester.digest(), sizeBytes: this.#sizeBytes, extents, segments };
  }

  abandon(): void {
    const { unit } = this;
    if (unit !== undefined) this.#giveBack(unit);
    this.#failure ??= new Error('the blob was abandoned');
  }

  surrender(): void {
    const { unit } = this;
    if (unit === undefined) return;
    const whole = this.filledBytes - (this.filledBytes % CARRY_BYTES);
    this.#carryOn(unit.bytes.subarray(whole, this.filledBytes));
    if (whole > 0) this.#send(whole);
    else this.#giveBack(unit);
  }

  async #takeUnit(): Promise<void> {
    await this.#pool.units.take(this);
    const carried = this.#carry;
    this.#carry = [];
    this.#carryBytes = 0;
    for (const part of carried) this.#fill(part);
  }

  /** Copies, as the source may use its buffer again. */
  #carryOn(part: Uint8Array): void {
    if (part.length === 0) return;
    this.#carry.push(Buffer.from(part));
    this.#carryBytes += part.length;
  }

  #fill(part: Uint8Array): void {
    this.unit!.bytes.set(part, this.filledBytes);
    this.filledBytes += part.length;
  }

  #giveBack(unit: Unit): void {
    this.unit = undefined;
    this.filledBytes = 0;
    this.#pool.units.sent(this);
    this.#pool.units.release(unit);
  }

  #send(sizeBytes: number): void {
    const unit = this.unit!;
    this.unit = undefined;
    this.filledBytes = 0;
    this.#pool.units.sent(this);
    const part = this.#chunk(unit, sizeBytes, this.#chunking);
    this.#extents.push(part.then(({ extents }) => extents));
    const before = this.#digested;
    this.#digested = part.then(async ({ segments }) => {
      await before;
      this.#digest(segments, sizeBytes);
    });
    // Whoever waits for the end sees a failure; until then it is nobody's unhandled rejection.
    this.#extents.at(-1)!.catch(() => {});
    this.#digested.catch(() => {});
    part
      .catch((error: unknown) => {
        this.#failure ??= error;
      })
      .finally(() => this.#pool.units.release(unit));
  }

  /** Units end in any order; the digest takes them in that of the content. */
  #digest(segments: Uint8Array, sizeBytes: number): void {
    this.#digester.addHashes(segments, sizeBytes);
    this.#segmentsBytes += segments.length;
    if (this.#segmentsBytes > MAX_KEPT_BYTES) this.#segments = undefined;
    this.#segments?.push(segments);
  }
}
