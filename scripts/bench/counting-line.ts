import { once } from 'node:events';
import { type AddressInfo, connect, createServer } from 'node:net';

export interface Cost {
  readonly tookMs: number;
  /** What the server sent. */
  readonly readBytes: number;
}

/** A way to a server of this machine that counts what comes back. */
export async function countingLine(
  to: number,
): Promise<{ readonly port: number; cost(work: () => Promise<void>): Promise<Cost> } & AsyncDisposable> {
  let readBytes = 0;
  const listener = createServer((client) => {
    const server = connect(to, '127.0.0.1');
    server.on('data', (chunk) => {
      readBytes += chunk.length;
    });
    client.pipe(server).pipe(client);
    client.on('error', () => server.destroy());
    server.on('error', () => client.destroy());
  });
  listener.listen(0, '127.0.0.1');
  await once(listener, 'listening');
  return {
    port: (listener.address() as AddressInfo).port,
    async cost(work) {
      const [before, startNs] = [readBytes, process.hrtime.bigint()];
      await work();
      return { tookMs: Number(process.hrtime.bigint() - startNs) / 1e6, readBytes: readBytes - before };
    },
    async [Symbol.asyncDispose]() {
      listener.close();
    },
  };
}
