import { randomBytes, timingSafeEqual } from 'node:crypto';
import { once } from 'node:events';
import { createServer, type Server, type Socket } from 'node:net';
import { followFailed } from './stop-following.ts';

/** A replica's own commands are short; whoever sends more is none. */
const COMMAND_MAX_BYTES = 64 * 1024;
/** What is written at once: one system call for many small keys. */
const WRITE_BYTES = 256 * 1024;
/** A replica that takes nothing for this long is given up. */
const STALL_MS = 60_000;

export interface StandInOptions {
  /** Where it listens: an address of this machine. */
  readonly address: string;
  /** The only address that is answered. */
  readonly peer: string;
  /** What the peer has to log in with, once. */
  readonly user: string;
  readonly password: string;
  /** What the peer is sent. Read once. */
  readonly rdb: AsyncIterable<Buffer>;
}

/**
 * A master for one replica and one full sync: PING, AUTH, REPLCONF, and PSYNC, which it answers with +FULLRESYNC and
 * the RDB between two marks of 40 bytes (`$EOF:`), as its size is not known before. Whoever comes from elsewhere, does
 * not log in, or comes second is cut off without a byte of data.
 */
export class StandIn implements AsyncDisposable {
  private readonly options: StandInOptions;
  private readonly server: Server;
  private readonly sockets = new Set<Socket>();
  private readonly followed = Promise.withResolvers<void>();
  private readonly sent = Promise.withResolvers<void>();
  private peer: Socket | undefined;
  /** Connections that were cut off. */
  refused = 0;
  /** Whether the peer has gone, whatever it had been sent. */
  broken = false;

  private constructor(options: StandInOptions) {
    this.options = options;
    this.server = createServer({ noDelay: true }, (socket) => this.accept(socket));
    this.followed.promise.catch(() => undefined);
    this.sent.promise.catch(() => undefined);
  }

  static async listen(options: StandInOptions): Promise<StandIn> {
    const standIn = new StandIn(options);
    standIn.server.listen(0, options.address);
    await once(standIn.server, 'listening');
    return standIn;
  }

  get port(): number {
    const address = this.server.address();
    return typeof address === 'object' && address ? address.port : 0;
  }

  /** Fulfilled when the peer has logged in and asked for the data. */
  get asked(): Promise<void> {
    return this.followed.promise;
  }

  /** Fulfilled when the peer has been sent everything. @throws StasisError `redis.follow-failed` */
  get done(): Promise<void> {
    return this.sent.promise;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    const closed = once(this.server, 'close');
    this.server.close();
    for (const socket of this.sockets) socket.destroy();
    const ended = followFailed('it was ended');
    this.followed.reject(ended);
    this.sent.reject(ended);
    await closed;
  }

  private accept(socket: Socket): void {
    this.sockets.add(socket);
    socket.on('error', () => undefined);
    socket.once('close', () => {
      this.sockets.delete(socket);
      if (socket !== this.peer) return;
      this.broken = true;
      this.followed.reject(followFailed('it closed the connection'));
      this.sent.reject(followFailed('it closed the connection'));
    });
    if (plain(socket.remoteAddress) !== plain(this.options.peer) || this.peer) {
      this.refuse(socket);
      return;
    }
    let buffered = Buffer.alloc(0);
    socket.on('data', (chunk: Buffer) => {
      buffered = Buffer.concat([buffered, chunk]);
      for (;;) {
        const read = readCommand(buffered);
        if (read === 'malformed' || buffered.length > COMMAND_MAX_BYTES) {
          this.refuse(socket);
          return;
        }
        if (read === 'incomplete') return;
        buffered = buffered.subarray(read.sizeBytes);
        if (!this.answer(socket, read.words)) return;
      }
    });
  }

  /** Whether more of this connection is to be read. */
  private answer(socket: Socket, words: readonly Buffer[]): boolean {
    const name = words[0]?.toString('latin1').toUpperCase() ?? '';
    if (socket !== this.peer) {
      // A replica takes this answer to its first PING for a sign that it has to log in.
      if (name === 'PING') return socket.write('-NOAUTH Authentication required.\r\n') || true;
      if (name !== 'AUTH' || this.peer || !this.knows(words)) {
        this.refuse(socket);
        return false;
      }
      this.peer = socket;
      socket.write('+OK\r\n');
      return true;
    }
    if (name === 'PING') socket.write('+PONG\r\n');
    else if (name === 'PSYNC') void this.send(socket);
    // Acknowledgements of the replication stream have no answer.
    else if (name === 'REPLCONF' && words[1]?.toString('latin1').toUpperCase() !== 'ACK')
      socket.write('+OK\r\n');
    return true;
  }

  private knows(words: readonly Buffer[]): boolean {
    const { user, password } = this.options;
    const [, givenUser, givenPassword] = words;
    if (words.length !== 3 || !givenUser || !givenPassword) return false;
    const wanted = Buffer.from(password);
    return (
      givenUser.equals(Buffer.from(user)) &&
      givenPassword.length === wanted.length &&
      timingSafeEqual(givenPassword, wanted)
    );
  }

  private async send(socket: Socket): Promise<void> {
    this.followed.resolve();
    const history = randomBytes(20).toString('hex');
    const mark = randomBytes(20).toString('hex');
    socket.setTimeout(STALL_MS, () => socket.destroy());
    try {
      socket.write(`+FULLRESYNC ${history} 0\r\n$EOF:${mark}\r\n`);
      let parts: Buffer[] = [];
      let sizeBytes = 0;
      for await (const part of this.options.rdb) {
        parts.push(part);
        sizeBytes += part.length;
        if (sizeBytes < WRITE_BYTES) continue;
        await write(socket, Buffer.concat(parts, sizeBytes));
        parts = [];
        sizeBytes = 0;
      }
      await write(socket, Buffer.concat([...parts, Buffer.from(mark)]));
      // It loads now, and says nothing for as long as that takes.
      socket.setTimeout(0);
      this.sent.resolve();
    } catch (cause) {
      this.sent.reject(followFailed('the data could not be sent', cause));
      socket.destroy();
    }
  }

  private refuse(socket: Socket): void {
    this.refused += 1;
    socket.destroy();
  }
}

async function write(socket: Socket, bytes: Buffer): Promise<void> {
  if (socket.destroyed) throw new Error('the connection is closed');
  if (socket.write(bytes)) return;
  const stop = new AbortController();
  const closed = once(socket, 'close', { signal: stop.signal }).then(() => {
    throw new Error('the connection broke');
  });
  try {
    await Promise.race([once(socket, 'drain', { signal: stop.signal }), closed]);
  } finally {
    closed.catch(() => undefined);
    stop.abort();
  }
}

interface ReadCommand {
  readonly words: readonly Buffer[];
  readonly sizeBytes: number;
}

/** An array of bulk strings; the newlines that a loading replica sends between are passed over. */
function readCommand(bytes: Buffer): ReadCommand | 'incomplete' | 'malformed' {
  let at = 0;
  while (bytes[at] === 0x0a) at += 1;
  const line = (): string | undefined => {
    const end = bytes.indexOf('\r\n', at);
    if (end < 0) return undefined;
    const text = bytes.toString('latin1', at, end);
    at = end + 2;
    return text;
  };
  const head = line();
  if (head === undefined) return 'incomplete';
  if (!/^\*\d{1,3}$/.test(head)) return 'malformed';
  const words: Buffer[] = [];
  for (let left = Number(head.slice(1)); left > 0; left -= 1) {
    const size = line();
    if (size === undefined) return 'incomplete';
    if (!/^\$\d{1,5}$/.test(size)) return 'malformed';
    const end = at + Number(size.slice(1));
    if (bytes.length < end + 2) return 'incomplete';
    words.push(bytes.subarray(at, end));
    at = end + 2;
  }
  return { words, sizeBytes: at };
}

/** An IPv4 address in IPv6's clothes is the same. */
function plain(address: string | undefined): string {
  return (address ?? '').replace(/^::ffff:/i, '');
}
