import { hash } from 'node:crypto';
import type { Digest } from '../../core/digest.ts';
import type { Chunking } from '../../core/store.ts';
import { UNIT_BYTES } from './chunking.ts';
import type { UnitPart } from './jobs.ts';
import type { WorkerPool } from './pool.ts';
import type { Unit, UnitHolder } from './units.ts';

/** A multiple of every page size, so that what a stream sends off starts on a page. */
const CARRY_BYTES = 64 * 1024;

/** What is known of one unit: its extents, in threes of length, frame and offset, and its segments' tags. */
export interface StreamPart {
  readonly extents: Int32Array;
  readonly tags?: Uint8Array;
}

export type ChunkUnit = (unit: Unit, sizeBytes: number, chunking: Chunking) => Promise<StreamPart>;

let nextStream = 1;

/** One blob on its way in. Write, then end; abandon it when its source fails. */
export class BlobStream implements UnitHolder {
  unit: Unit | undefined;
  filledBytes = 0;
  readonly #pool: WorkerPool;
  readonly #chunk: ChunkUnit;
  readonly #chunking: Chunking;
  readonly #stream = nextStream++;
  /** SHA-256 goes from start to end, so one worker does all of it; the chunks go to whoever is free. */
  readonly #digester: number;
  /** What is no unit's worth yet: small blobs need no unit while they wait for their source. */
  #carry: Buffer[] = [];
  #carryBytes = 0;
  readonly #parts: Promise<StreamPart>[] = [];
  #digest: Promise<string | undefined> = Promise.resolve(undefined);
  #sizeBytes = 0;
  #failure: unknown;

  constructor(pool: WorkerPool, chunking: Chunking, chunk: ChunkUnit) {
    this.#pool = pool;
    this.#chunking = chunking;
    this.#chunk = chunk;
    this.#digester = pool.leastBusy();
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
      if (this.filledBytes === UNIT_BYTES) this.#send(UNIT_BYTES, false);
    }
    this.#pool.units.relieve();
  }

  async end(): Promise<{ digest: Digest; sizeBytes: number; parts: readonly StreamPart[] }> {
    const sizeBytes = this.#sizeBytes;
    if (sizeBytes === 0) return { digest: `sha256:${hash('sha256', '', 'hex')}`, sizeBytes, parts: [] };
    if (this.unit === undefined && this.#carryBytes > 0) await this.#takeUnit();
    if (this.unit !== undefined) this.#send(this.filledBytes, true);
    else this.#digestNext(undefined, true);
    const parts = await Promise.all(this.#parts);
    return { digest: `sha256:${await this.#digest}`, sizeBytes, parts };
  }

  abandon(): void {
    const { unit } = this;
    if (unit !== undefined) this.#giveBack(unit);
    this.#failure ??= new Error('the blob was abandoned');
    if (!this.#pool.broken) this.#pool.notify({ kind: 'end-stream', stream: this.#stream });
  }

  surrender(): void {
    const { unit } = this;
    if (unit === undefined) return;
    const whole = this.filledBytes - (this.filledBytes % CARRY_BYTES);
    this.#carryOn(unit.bytes.subarray(whole, this.filledBytes));
    if (whole > 0) this.#send(whole, false);
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

  #send(sizeBytes: number, last: boolean): void {
    const unit = this.unit!;
    this.unit = undefined;
    this.filledBytes = 0;
    this.#pool.units.sent(this);
    const part = this.#chunk(unit, sizeBytes, this.#chunking);
    const digest = this.#digestNext({ memory: unit.memory, sizeBytes }, last);
    this.#parts.push(part);
    void Promise.allSettled([part, digest]).then(([chunked, digested]) => {
      this.#pool.units.release(unit);
      if (chunked.status === 'rejected') this.#failure ??= chunked.reason;
      if (digested.status === 'rejected') this.#failure ??= digested.reason;
    });
  }

  #digestNext(unit: UnitPart | undefined, last: boolean): Promise<string | undefined> {
    const job = { kind: 'digest', stream: this.#stream, unit, last } as const;
    const digest = this.#pool.run(job, { worker: this.#digester }).then((answer) => answer.digest);
    // Whoever waits for the end sees a failure; until then it is nobody's unhandled rejection.
    digest.catch(() => {});
    this.#digest = digest;
    return digest;
  }
}
