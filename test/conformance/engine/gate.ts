import { once } from 'node:events';
import { createConnection, createServer, type Server, type Socket } from 'node:net';

/** How long a moment is waited for. */
const REACHED_MS = 60_000;

/** Requests of Redis, as its protocol writes them. */
export const PAUSE = /\*\d+\r\n\$6\r\nCLIENT\r\n\$5\r\nPAUSE\r\n/i;
export const RESTORE = /\*\d+\r\n\$7\r\nRESTORE\r\n/i;

/**
 * Stands before a Redis and passes everything on, until a certain request comes by: that is passed on as well, and from
 * then on no answer comes back, until the gate is opened again. So whoever asked is caught in just this moment.
 */
export class Gate implements AsyncDisposable {
  private readonly server: Server;
  private readonly sockets = new Set<Socket>();
  private readonly waiting: (() => void)[] = [];
  private request: RegExp | undefined;
  private closed = false;
  private reachedIt = Promise.withResolvers<void>();

  private constructor(server: Server) {
    this.server = server;
  }

  static async before(port: number): Promise<Gate> {
    const server = createServer();
    const gate = new Gate(server);
    server.on('connection', (client) => gate.connect(client, port));
    server.listen(0, '127.0.0.1');
    await once(server, 'listening');
    return gate;
  }

  get port(): number {
    const address = this.server.address();
    if (typeof address !== 'object' || address === null) throw new Error('the gate is not listening');
    return address.port;
  }

  /** It closes behind the next request like this. */
  arm(request: RegExp): void {
    this.open();
    this.reachedIt = Promise.withResolvers<void>();
    this.request = request;
  }

  /** @throws Error when no such request came within a minute */
  async reached(): Promise<void> {
    let timer: NodeJS.Timeout | undefined;
    const late = new Promise<never>((_resolve, reject) => {
      timer = setTimeout(() => reject(new Error('no such request came')), REACHED_MS);
    });
    await Promise.race([this.reachedIt.promise, late]).finally(() => clearTimeout(timer));
  }

  open(): void {
    this.request = undefined;
    this.closed = false;
    for (const send of this.waiting.splice(0)) send();
  }

  private connect(client: Socket, port: number): void {
    const upstream = createConnection({ port, host: '127.0.0.1' });
    for (const [socket, other] of [
      [client, upstream],
      [upstream, client],
    ] as const) {
      this.sockets.add(socket);
      socket.on('error', () => other.destroy());
      socket.on('close', () => {
        this.sockets.delete(socket);
        other.destroy();
      });
    }
    client.on('data', (chunk: Buffer) => {
      if (this.request?.test(chunk.toString('latin1'))) {
        this.request = undefined;
        this.closed = true;
        this.reachedIt.resolve();
      }
      upstream.write(chunk);
    });
    upstream.on('data', (chunk: Buffer) => {
      const send = () => client.writable && client.write(chunk);
      if (this.closed) this.waiting.push(send);
      else send();
    });
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const socket of this.sockets) socket.destroy();
    this.server.close();
    await once(this.server, 'close');
  }
}
