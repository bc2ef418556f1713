import { connect as connectTcp, type Socket } from 'node:net';
import { connect as connectTls } from 'node:tls';
import { StasisError } from '../../core/errors.ts';
import { within } from '../../core/wait.ts';
import { CONNECT_MS, ReplyError } from './connection.ts';
import { connectionProblem, replyProblem } from './problems.ts';
import { addressOf, parseTarget, type RedisSpec, readTls } from './spec.ts';
import { Spool } from './spool.ts';

/** While its child writes, the server sends a newline every second; silence for longer than this is a dead server. */
const SILENCE_MS = 60_000;

/**
 * A connection that asks for one SYNC: the server forks, and sends the child's RDB as `$<length>` and that many bytes,
 * after newlines that only keep the connection alive. It says nothing of its capabilities (REPLCONF), so the server
 * forks at once and sends the plain form. Without PSYNC it is not asked for acknowledgements either. What comes is
 * drained into a spool at once: the server must not keep it for us.
 */
export class SyncSocket implements AsyncDisposable {
  private readonly socket: Socket;
  private readonly spool = new Spool();
  private readonly header = Promise.withResolvers<number>();
  private onData: (chunk: Buffer) => void = () => {};
  private buffered: Buffer = Buffer.alloc(0);
  private left = -1;
  /** Why no RDB will come, once that is known. */
  failure: StasisError | undefined;

  private constructor(socket: Socket) {
    this.socket = socket;
    this.header.promise.catch(() => undefined);
    socket.on('data', (chunk) => this.onData(chunk));
    socket.on('error', (cause) => this.fail(lost(cause)));
    socket.on('close', () => this.fail(lost()));
    socket.on('timeout', () => this.fail(lost(new Error(`silent for ${SILENCE_MS / 1000} s`))));
  }

  /** Connects, logs in and takes a name. @throws StasisError as Connection.open does */
  static async open(spec: RedisSpec, name: string, signal: AbortSignal): Promise<SyncSocket> {
    const target = parseTarget(spec);
    const tls = await readTls(spec, target);
    const address = await addressOf(spec, target, signal);
    const socket = tls ? connectTls({ ...address, ...tls }) : connectTcp({ ...address, noDelay: true });
    try {
      const sync = await within(CONNECT_MS, 'connecting', signal, async () => {
        await connected(socket, tls !== undefined);
        const opened = new SyncSocket(socket);
        const { username, password } = target;
        if (password !== undefined)
          await opened.ask(username === undefined ? ['AUTH', password] : ['AUTH', username, password]);
        // The name only helps whoever looks at the server's clients.
        await opened.ask(['CLIENT', 'SETNAME', name]).catch(() => undefined);
        return opened;
      });
      socket.setTimeout(SILENCE_MS);
      return sync;
    } catch (cause) {
      socket.destroy();
      if (signal.aborted) throw cause;
      throw connectionProblem(spec, cause);
    }
  }

  /** Whether SYNC was sent and the RDB can still come. */
  get usable(): boolean {
    return this.failure === undefined;
  }

  /** Sends SYNC. Its answer is the RDB itself; a refusal shows in `failure`. */
  start(): void {
    this.onData = (chunk) => this.receive(chunk);
    this.socket.write(encode(['SYNC']));
  }

  /** The RDB's size, once its child is done. @throws StasisError `redis.sync-refused`, `cut.lost` */
  get sizeBytes(): Promise<number> {
    return this.header.promise;
  }

  /** The RDB. For one reader. @throws StasisError `cut.lost` when it breaks off */
  rdb(): AsyncIterable<Buffer> {
    return this.spool.chunks();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.socket.destroy();
    this.fail(lost());
    await this.spool[Symbol.asyncDispose]();
  }

  private ask(command: readonly string[]): Promise<void> {
    const { promise, resolve, reject } = Promise.withResolvers<void>();
    let answer = '';
    const onClose = (): void => reject(lost());
    this.socket.once('close', onClose);
    this.onData = (chunk) => {
      answer += chunk.toString('latin1');
      if (!answer.endsWith('\r\n')) return;
      this.socket.removeListener('close', onClose);
      if (answer.startsWith('-')) reject(new ReplyError(answer.slice(1, -2)));
      else resolve();
    };
    this.socket.write(encode(command));
    return promise;
  }

  private receive(chunk: Buffer): void {
    if (this.left >= 0) {
      this.store(chunk);
      return;
    }
    this.buffered = this.buffered.length === 0 ? chunk : Buffer.concat([this.buffered, chunk]);
    let start = 0;
    while (this.buffered[start] === 0x0a) start += 1;
    this.buffered = this.buffered.subarray(start);
    const end = this.buffered.indexOf('\r\n');
    if (end < 0) {
      if (this.buffered.length > 4096) this.fail(unexpected());
      return;
    }
    const line = this.buffered.toString('latin1', 0, end);
    if (line.startsWith('-')) this.fail(refused(line.slice(1)));
    else if (/^\$\d+$/.test(line)) {
      this.left = Number(line.slice(1));
      this.header.resolve(this.left);
      this.store(this.buffered.subarray(end + 2));
    } else this.fail(unexpected());
  }

  private store(chunk: Buffer): void {
    // What follows the RDB is the stream of later writes, which are not part of the snapshot.
    const part = chunk.length > this.left ? chunk.subarray(0, this.left) : chunk;
    this.left -= part.length;
    const room = part.length > 0 ? this.spool.write(part) : undefined;
    if (this.left === 0) {
      this.spool.end();
      this.socket.destroy();
    } else if (room) {
      this.socket.pause();
      // While it is our store that is slow, silence says nothing about the server.
      this.socket.setTimeout(0);
      void room.then(() => {
        this.socket.setTimeout(SILENCE_MS);
        this.socket.resume();
      });
    }
  }

  private fail(failure: StasisError): void {
    if (this.left === 0 || this.failure) return;
    this.failure = failure;
    this.header.reject(failure);
    this.spool.end(failure);
    this.socket.destroy();
  }
}

/** An array of bulk strings, as every command is sent. */
function encode(command: readonly string[]): string {
  return `*${command.length}\r\n${command.map((part) => `$${Buffer.byteLength(part)}\r\n${part}\r\n`).join('')}`;
}

function connected(socket: Socket, secure: boolean): Promise<void> {
  const { promise, resolve, reject } = Promise.withResolvers<void>();
  socket.once(secure ? 'secureConnect' : 'connect', resolve);
  socket.once('error', reject);
  return promise.finally(() => socket.removeListener('error', reject));
}

function refused(said: string): StasisError {
  const error = new ReplyError(said);
  if (error.code === 'NOPERM' || error.code === 'LOADING') return replyProblem(['SYNC'], error);
  return new StasisError(
    'redis.sync-refused',
    `The server refuses SYNC: ${said.replace(/,? with args.*/, '').slice(0, 200)}.`,
    {
      hint: 'Managed services often do; capture a server that you run yourself, or a replica that was promoted.',
      at: ['url'],
      cause: error,
    },
  );
}

function unexpected(): StasisError {
  return new StasisError('redis.sync-refused', 'The server answers SYNC with something that is no RDB.', {
    hint: 'A proxy between us and the server does not pass SYNC on: give the URL of the server itself.',
    at: ['url'],
  });
}

function lost(cause?: unknown): StasisError {
  return new StasisError('cut.lost', 'The connection broke before the RDB had come.', {
    hint: 'See the server log: its child may have failed, its disk be full, or client-output-buffer-limit for replicas too low.',
    at: ['url'],
    cause,
  });
}
