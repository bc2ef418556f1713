import { Crc64 } from './crc64.ts';
import { Cursor, NEED_MORE } from './cursor.ts';
import { malformed } from './malformed.ts';
import { moduleName, skipModule, skipValue } from './skip.ts';
import type { Product } from './types.ts';

/** One thing of an RDB, in the order of the file. Buffers are views that stay valid as long as they are kept. */
export type RdbRecord =
  | { readonly kind: 'header'; readonly product: Product; readonly version: number }
  | { readonly kind: 'aux'; readonly name: string; readonly value: string }
  | { readonly kind: 'function'; readonly code: Buffer }
  | { readonly kind: 'module-aux'; readonly module: string }
  | RdbKey
  | { readonly kind: 'end'; readonly checked: boolean };

export interface RdbKey {
  readonly kind: 'key';
  readonly db: number;
  readonly key: Buffer;
  /** See RDB_TYPE. */
  readonly type: number;
  /** Unix milliseconds; undefined when it does not expire. */
  readonly expireAtMs: number | undefined;
  /** Seconds since the last use, or the frequency of use, where the server's eviction policy keeps one. */
  readonly idleSeconds: number | undefined;
  readonly frequency: number | undefined;
  /** The value's bytes as they are in the file. */
  readonly payload: Buffer;
}

const OPCODE = {
  slotImport: 243,
  slotInfo: 244,
  function: 245,
  functionBeforeRelease: 246,
  moduleAux: 247,
  idle: 248,
  frequency: 249,
  aux: 250,
  resize: 251,
  expireMs: 252,
  expireSeconds: 253,
  selectDb: 254,
  end: 255,
} as const;

/** Oldest and newest RDB versions that this reader knows: Redis 6.2 to 8.2, and Valkey's own numbers from 80. */
export const OLDEST_VERSION = 9;
export const NEWEST_VERSION: Readonly<Record<Product, number>> = { redis: 12, valkey: 80 };

/**
 * Reads an RDB as it comes, chunk by chunk. Keeps no more than the value that it is in the middle of: memory is
 * bounded by about twice the largest value. The checksum at the end is compared; a server with `rdbchecksum no`
 * writes zeros, and then nothing is compared.
 */
export class RdbReader {
  private chunks: Buffer[] = [];
  private pending = 0;
  private needed = 0;
  private readonly crc = new Crc64();
  private db = 0;
  private started = false;
  private done = false;

  /** What is complete with this chunk. @throws StasisError `redis.rdb-malformed`, `redis.rdb-newer` */
  push(chunk: Uint8Array): RdbRecord[] {
    if (chunk.length === 0) return [];
    if (this.done) throw malformed('bytes follow its end');
    this.chunks.push(Buffer.from(chunk.buffer, chunk.byteOffset, chunk.byteLength));
    this.pending += chunk.length;
    return this.pending < this.needed ? [] : this.readPending();
  }

  /** What is left when no more comes. @throws StasisError when the end is not in it */
  finish(): RdbRecord[] {
    const records = this.pending > 0 ? this.readPending() : [];
    if (!this.done) throw malformed('it ends too early');
    return records;
  }

  private readPending(): RdbRecord[] {
    const bytes = this.chunks.length === 1 ? this.chunks[0]! : Buffer.concat(this.chunks, this.pending);
    const records: RdbRecord[] = [];
    const rest = bytes.subarray(this.readAll(new Cursor(bytes), records));
    this.chunks = rest.length > 0 ? [rest] : [];
    this.pending = rest.length;
    // Twice what did not suffice: an item that spans many chunks is started again a logarithmic number of times.
    this.needed = rest.length * 2;
    return records;
  }

  /** Reads items as far as they are complete; returns where the first incomplete one starts. */
  private readAll(cursor: Cursor, records: RdbRecord[]): number {
    let complete = 0;
    try {
      while (!this.done && !cursor.ended) {
        const start = cursor.at;
        const record = this.started ? this.readItem(cursor) : this.readHeader(cursor);
        if (record?.kind !== 'end') this.crc.update(cursor.bytes.subarray(start, cursor.at));
        if (record) records.push(record);
        complete = cursor.at;
      }
    } catch (thrown) {
      if (thrown !== NEED_MORE) throw thrown;
      return complete;
    }
    if (this.done && !cursor.ended) throw malformed('bytes follow its end');
    return complete;
  }

  private readHeader(cursor: Cursor): RdbRecord {
    const text = cursor.take(9).toString('latin1');
    const found = /^(?:(REDIS)(\d{4})|(VALKEY)(\d{3}))$/.exec(text);
    if (!found) throw malformed('it does not start as an RDB does');
    const product = found[1] ? 'redis' : 'valkey';
    const version = Number(found[2] ?? found[4]);
    if (version < OLDEST_VERSION) throw malformed(`its version ${version} is too old`);
    this.started = true;
    return { kind: 'header', product, version };
  }

  private readItem(cursor: Cursor): RdbRecord | undefined {
    let expireAtMs: number | undefined;
    let idleSeconds: number | undefined;
    let frequency: number | undefined;
    for (;;) {
      const opcode = cursor.byte();
      switch (opcode) {
        case OPCODE.expireMs:
          expireAtMs = cursor.milliseconds();
          break;
        case OPCODE.expireSeconds:
          expireAtMs = cursor.bytes.readInt32LE(cursor.skip(4)) * 1000;
          break;
        case OPCODE.idle:
          idleSeconds = cursor.length();
          break;
        case OPCODE.frequency:
          frequency = cursor.byte();
          break;
        default: {
          if (opcode >= OPCODE.slotImport) return this.readOther(cursor, opcode);
          const key = cursor.string();
          const start = cursor.at;
          skipValue(cursor, opcode);
          const payload = cursor.bytes.subarray(start, cursor.at);
          return { kind: 'key', db: this.db, key, type: opcode, expireAtMs, idleSeconds, frequency, payload };
        }
      }
    }
  }

  private readOther(cursor: Cursor, opcode: number): RdbRecord | undefined {
    switch (opcode) {
      case OPCODE.selectDb:
        this.db = cursor.length();
        return undefined;
      case OPCODE.resize:
        cursor.length();
        cursor.length();
        return undefined;
      case OPCODE.slotInfo:
        for (let field = 0; field < 3; field += 1) cursor.length();
        return undefined;
      case OPCODE.aux:
        return {
          kind: 'aux',
          name: cursor.string().toString('latin1'),
          value: cursor.string().toString('latin1'),
        };
      case OPCODE.function:
        return { kind: 'function', code: cursor.string() };
      case OPCODE.moduleAux: {
        const module = moduleName(cursor.wide());
        cursor.length();
        cursor.length();
        skipModule(cursor);
        return { kind: 'module-aux', module };
      }
      case OPCODE.end:
        return this.readEnd(cursor);
    }
    throw malformed(`item ${opcode} is not known`);
  }

  private readEnd(cursor: Cursor): RdbRecord {
    const footer = cursor.take(8);
    const zero = footer.every((byte) => byte === 0);
    if (!zero && !this.crc.update(Buffer.of(OPCODE.end)).digest().equals(footer))
      throw malformed('its checksum does not match');
    this.done = true;
    return { kind: 'end', checked: !zero };
  }
}

/** All records of a stored RDB, some at a time. */
export async function* readRdb(source: AsyncIterable<Uint8Array>): AsyncGenerator<readonly RdbRecord[]> {
  const reader = new RdbReader();
  for await (const chunk of source) {
    const records = reader.push(chunk);
    if (records.length > 0) yield records;
  }
  const records = reader.finish();
  if (records.length > 0) yield records;
}
