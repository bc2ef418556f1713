import { once } from 'node:events';
import { connect, type Socket } from 'node:net';
import { StasisError } from '../../../core/errors.ts';
import { within } from '../../../core/wait.ts';
import { Portions } from '../portions.ts';
import { handshake, type NbdExport } from './handshake.ts';

/** Numbers of the protocol: https://github.com/NetworkBlockDevice/nbd/blob/master/doc/proto.md, "Transmission phase". */
const REQUEST_MAGIC = 0x25609513;
const SIMPLE_REPLY_MAGIC = 0x67446698;
const STRUCTURED_REPLY_MAGIC = 0x668e33ef;
const READ = 0;
const WRITE = 1;
const DISCONNECT = 2;
const FLUSH = 3;
const BLOCK_STATUS = 7;
const REPLY_DONE = 1;
const OFFSET_DATA = 1;
const OFFSET_HOLE = 2;
const STATUS = 5;
const ERROR_BIT = 0x8000;

/** Every server takes requests of this size, and 32 MiB at most. */
const REQUEST_BYTES = 1024 * 1024;
/** So many requests are under way at once, so that a link's latency is not paid for each. */
const DEPTH = 8;
/** A server that does not answer a request within this is gone. */
const ANSWER_MS = 60_000;
const END_MS = 1_000;
/** What one request for marks may cover. */
const STATUS_BYTES = 1024 * 1024 * 1024;

export interface Range {
  readonly offset: number;
  readonly length: number;
}

/** Part of an export: its bytes, or undefined where it reads as zeros. */
export interface Piece extends Range {
  readonly data: Uint8Array | undefined;
}

interface Waiting {
  readonly pieces: Piece[];
  readonly extents: { length: number; flags: number }[];
  readonly done: PromiseWithResolvers<Waiting>;
  error: number;
}

/** One connection to one export of an NBD server, with structured replies: holes are told and not sent. */
export class NbdClient implements AsyncDisposable {
  readonly export: NbdExport;
  private readonly socket: Socket;
  private readonly incoming: Portions;
  private readonly waiting = new Map<bigint, Waiting>();
  private next = 1n;
  private failure: StasisError | undefined;

  private constructor(socket: Socket, incoming: Portions, exported: NbdExport) {
    this.socket = socket;
    this.incoming = incoming;
    this.export = exported;
    void this.listen();
  }

  /**
   * @param context a metadata context, such as `qemu:dirty-bitmap:NAME`, that `marked` is to ask for
   * @throws StasisError `vm.disk-unreadable`
   */
  static async open(
    path: string,
    name: string,
    context: string | undefined,
    signal: AbortSignal,
  ): Promise<NbdClient> {
    const socket = connect({ path });
    socket.on('error', () => {});
    const incoming = new Portions(socket);
    try {
      const exported = await within(ANSWER_MS, 'opening an export', signal, () =>
        handshake(socket, incoming, name, context),
      );
      return new NbdClient(socket, incoming, exported);
    } catch (error) {
      socket.destroy();
      throw error;
    }
  }

  /** The ranges' content in order, piece by piece. */
  async *read(ranges: Iterable<Range>, signal: AbortSignal): AsyncGenerator<Piece> {
    const running: Promise<Waiting>[] = [];
    const settled = async function* (left: number): AsyncGenerator<Piece> {
      while (running.length > left) yield* inOrder((await running.shift()!).pieces);
    };
    for (const { offset, length } of ranges)
      for (let at = offset; at < offset + length; at += REQUEST_BYTES) {
        running.push(this.ask(READ, at, Math.min(REQUEST_BYTES, offset + length - at), signal));
        running.at(-1)!.catch(() => {});
        yield* settled(DEPTH - 1);
      }
    yield* settled(0);
  }

  /** Ranges that the context given at the opening marks with any of these bits, in order, and none twice. */
  async *marked(bits: number, signal: AbortSignal): AsyncGenerator<Range> {
    for (let at = 0; at < this.export.sizeBytes; ) {
      const length = Math.min(STATUS_BYTES, this.export.sizeBytes - at);
      const { extents } = await this.ask(BLOCK_STATUS, at, length, signal);
      const end = at + length;
      if (extents.length === 0) throw this.broken('it told nothing of a range');
      for (const extent of extents) {
        const within = Math.min(extent.length, end - at);
        if (within > 0 && (extent.flags & bits) !== 0) yield { offset: at, length: within };
        at += within;
      }
    }
  }

  async write(offset: number, content: Uint8Array, signal: AbortSignal): Promise<void> {
    for (let at = 0; at < content.length; at += REQUEST_BYTES) {
      const part = content.subarray(at, at + REQUEST_BYTES);
      await this.ask(WRITE, offset + at, part.length, signal, part);
    }
  }

  async flush(signal: AbortSignal): Promise<void> {
    await this.ask(FLUSH, 0, 0, signal);
  }

  private ask(
    kind: number,
    offset: number,
    length: number,
    signal: AbortSignal,
    content?: Uint8Array,
  ): Promise<Waiting> {
    if (this.failure) return Promise.reject(this.failure);
    const handle = this.next;
    this.next += 1n;
    const waiting = { pieces: [], extents: [], done: Promise.withResolvers<Waiting>(), error: 0 };
    this.waiting.set(handle, waiting);
    waiting.done.promise.catch(() => {});
    this.socket.write(requestOf(kind, handle, offset, length));
    if (content) this.socket.write(content);
    return within(ANSWER_MS, 'an answer of the disk', signal, () => waiting.done.promise);
  }

  private async listen(): Promise<void> {
    try {
      for (;;) await this.answer();
    } catch (error) {
      this.failure =
        error instanceof StasisError ? error : this.broken(error instanceof Error ? error.message : '');
      for (const { done } of this.waiting.values()) done.reject(this.failure);
      this.waiting.clear();
    }
  }

  private async answer(): Promise<void> {
    const magic = (await this.incoming.take(4)).readUInt32BE(0);
    if (magic === SIMPLE_REPLY_MAGIC) {
      const reply = await this.incoming.take(12);
      this.end(reply.readBigUInt64BE(4), reply.readUInt32BE(0));
      return;
    }
    if (magic !== STRUCTURED_REPLY_MAGIC) throw this.broken('it speaks another protocol');
    const head = await this.incoming.take(16);
    const [flags, kind, handle] = [head.readUInt16BE(0), head.readUInt16BE(2), head.readBigUInt64BE(4)];
    const payload = await this.incoming.take(head.readUInt32BE(12));
    const waiting = this.waiting.get(handle);
    if (waiting === undefined) throw this.broken('it answers what nobody asked');
    if ((kind & ERROR_BIT) !== 0) waiting.error = payload.readUInt32BE(0);
    else if (kind === OFFSET_DATA) waiting.pieces.push(dataOf(payload));
    else if (kind === OFFSET_HOLE) waiting.pieces.push(holeOf(payload));
    else if (kind === STATUS) waiting.extents.push(...extentsOf(payload));
    if ((flags & REPLY_DONE) !== 0) this.end(handle, waiting.error);
  }

  private end(handle: bigint, error: number): void {
    const waiting = this.waiting.get(handle);
    if (waiting === undefined) throw this.broken('it answers what nobody asked');
    this.waiting.delete(handle);
    if (error === 0) waiting.done.resolve(waiting);
    else waiting.done.reject(this.broken(`it answers with the error ${error}`));
  }

  private broken(why: string): StasisError {
    return new StasisError(
      'vm.disk-unreadable',
      `The disk cannot be read or written by way of QEMU: ${why}.`,
    );
  }

  async [Symbol.asyncDispose](): Promise<void> {
    if (!this.socket.destroyed) this.socket.end(requestOf(DISCONNECT, 0n, 0, 0));
    const closed = once(this.socket, 'close');
    if (!this.socket.closed)
      await within(END_MS, 'the end of a connection', undefined, () => closed).catch(() => {});
    this.socket.destroy();
  }
}

function requestOf(kind: number, handle: bigint, offset: number, length: number): Buffer {
  const request = Buffer.alloc(28);
  request.writeUInt32BE(REQUEST_MAGIC, 0);
  request.writeUInt16BE(kind, 6);
  request.writeBigUInt64BE(handle, 8);
  request.writeBigUInt64BE(BigInt(offset), 16);
  request.writeUInt32BE(length, 24);
  return request;
}

function dataOf(payload: Buffer): Piece {
  const data = payload.subarray(8);
  return { offset: Number(payload.readBigUInt64BE(0)), length: data.length, data };
}

function holeOf(payload: Buffer): Piece {
  return {
    offset: Number(payload.readBigUInt64BE(0)),
    length: payload.readUInt32BE(8),
    data: undefined,
  };
}

/** After the number of the context: pairs of length and flags. */
function extentsOf(payload: Buffer): { length: number; flags: number }[] {
  const extents: { length: number; flags: number }[] = [];
  for (let at = 4; at + 8 <= payload.length; at += 8)
    extents.push({ length: payload.readUInt32BE(at), flags: payload.readUInt32BE(at + 4) });
  return extents;
}

/** A server may send the pieces of one answer in any order. */
function inOrder(pieces: readonly Piece[]): Piece[] {
  return pieces.toSorted((a, b) => a.offset - b.offset);
}
