import type { RedisClientType } from '@redis/client';
import { StasisError, throwIfAborted } from '../../core/errors.ts';
import { within } from '../../core/wait.ts';
import { connectionProblem, replyProblem } from './problems.ts';
import { addressOf, parseTarget, type RedisSpec, readTls } from './spec.ts';

/** What a command answers: blob strings as Buffers, simple strings as text. */
export type Reply = string | number | null | Buffer | readonly Reply[];
export type Command = readonly (string | Buffer)[];

/** A server that does not take a connection within this is out of reach. */
export const CONNECT_MS = 5_000;
/** No answer to an ordinary command takes longer on a server that is well. */
const ANSWER_MS = 30_000;

/** An error that the server answered: `WRONGTYPE`, `NOPERM`, … */
export class ReplyError extends Error {
  /** The first word. */
  get code(): string {
    return this.message.split(' ', 1)[0] ?? '';
  }
}

interface CallOptions {
  readonly timeoutMs?: number;
  readonly signal?: AbortSignal;
}

/**
 * One connection for ordinary commands. It never reconnects by itself: a pause, a selected database and a name belong
 * to the connection. A command whose time is over ends the connection, as its answer could be taken for another's.
 */
export class Connection implements AsyncDisposable {
  private readonly client: RedisClientType;
  private closed = false;

  private constructor(client: RedisClientType) {
    this.client = client;
  }

  /** @throws StasisError `redis.unreachable`, `redis.password`, `redis.tls`, `redis.url` */
  static async open(spec: RedisSpec, signal: AbortSignal): Promise<Connection> {
    throwIfAborted(signal);
    const target = parseTarget(spec);
    const tls = await readTls(spec, target);
    // Loaded when it is used: the plugin's start does not need it.
    const { createClient, RESP_TYPES } = await import('./client-library.ts');
    const socket = {
      ...(await addressOf(spec, target, signal)),
      connectTimeout: CONNECT_MS,
      reconnectStrategy: false,
    } as const;
    const client = createClient({
      socket: tls ? { ...socket, tls: true, ...tls } : socket,
      username: target.username,
      password: target.password,
      RESP: 2,
      disableClientInfo: true,
      maintNotifications: 'disabled',
      // A timer for each command would cost more than the command; the waits are bounded here.
      commandOptions: { timeout: undefined, typeMapping: { [RESP_TYPES.BLOB_STRING]: Buffer } },
    }) as unknown as RedisClientType;
    // What breaks a connection is thrown by the command that waits on it.
    client.on('error', () => undefined);
    try {
      await within(CONNECT_MS + 500, 'connecting', signal, () => client.connect());
    } catch (cause) {
      if (client.isOpen) client.destroy();
      throwIfAborted(signal);
      throw connectionProblem(spec, cause);
    }
    return new Connection(client);
  }

  /** @throws StasisError `redis.refused` and others when the server answers with an error */
  async call(command: Command, options: CallOptions = {}): Promise<Reply> {
    const [reply] = await this.pipeline([command], options);
    if (reply instanceof ReplyError) throw replyProblem(command, reply);
    return reply ?? null;
  }

  /** As `call`, but an error that the server answers is returned. */
  async attempt(command: Command, options: CallOptions = {}): Promise<Reply | ReplyError> {
    const [reply] = await this.pipeline([command], options);
    return reply ?? null;
  }

  /** All in one write; replies in order, each an answer or the server's error. */
  async pipeline(commands: readonly Command[], options: CallOptions = {}): Promise<(Reply | ReplyError)[]> {
    const { ErrorReply } = await import('./client-library.ts');
    const answers = Promise.all(
      commands.map((command) =>
        this.client.sendCommand<Reply>(command).catch((error: unknown) => {
          if (error instanceof ErrorReply) {
            // The server repeats arguments of a command that it does not know; they may be anybody's data.
            return new ReplyError(error.message.replace(/,? with args beginning.*/s, ''));
          }
          throw error;
        }),
      ),
    );
    try {
      const timeoutMs = options.timeoutMs ?? ANSWER_MS;
      return await within(timeoutMs, `answering ${nameOf(commands[0])}`, options.signal, () => answers);
    } catch (cause) {
      answers.catch(() => undefined);
      this.destroy();
      if (options.signal) throwIfAborted(options.signal);
      if (cause instanceof StasisError && cause.code !== 'timeout') throw cause;
      throw new StasisError('redis.connection-lost', `The server did not answer ${nameOf(commands[0])}.`, {
        hint: 'See whether the server runs and can be reached, and apply again.',
        at: ['url'],
        cause,
      });
    }
  }

  get open(): boolean {
    return !this.closed && this.client.isOpen;
  }

  private destroy(): void {
    this.closed = true;
    if (this.client.isOpen) this.client.destroy();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.destroy();
  }
}

/** The command's name without its arguments, which may be anybody's data. */
function nameOf(command: Command | undefined): string {
  return String(command?.[0] ?? 'a command').toUpperCase();
}

export function text(reply: Reply | ReplyError | undefined): string {
  return reply instanceof Buffer ? reply.toString() : typeof reply === 'string' ? reply : String(reply ?? '');
}

export function bytes(reply: Reply | ReplyError | undefined): Buffer {
  return reply instanceof Buffer ? reply : Buffer.from(text(reply));
}

export function list(reply: Reply | ReplyError | undefined): readonly Reply[] {
  return Array.isArray(reply) ? reply : [];
}

/** A reply of names and values by turns. */
export function named(reply: Reply | undefined): Map<string, Reply> {
  return new Map(inPairs(reply).map(([name, value]) => [text(name), value]));
}

export function inPairs(reply: Reply | undefined): [Reply, Reply][] {
  const items = list(reply);
  return Array.from({ length: items.length >> 1 }, (_, index) => [items[2 * index]!, items[2 * index + 1]!]);
}
