import { createServer, type ServerResponse } from 'node:http';
import { readBank, readBooks } from './ledgers.ts';
import { connectMemory } from './memory-ledger.ts';
import { openLedgers, runWorkers } from './workers.ts';

/**
 * The bank as a service on a machine of its own, bundled into one file: its workers move money between the stores of
 * BANK_STORES, of which `memory:` is this process's own memory. It answers on BANK_PORT of its loopback:
 *   /report  how far it is, as ServiceReport
 *   /books   what it has in memory, as StoreBooks
 *   /books/N what the store of that place has, as StoreBooks
 *   /all     what all stores have, read one after another, as a list of StoreBooks
 *   /rest    the same as /report, once every worker has finished its move and none begins another
 * A worker whose store is gone ends for good: nothing is ever tried again, as that would hide what was lost.
 */
export interface ServiceReport {
  readonly moves: number;
  /** The first errors of workers: what they said. */
  readonly errors: readonly string[];
  readonly working: boolean;
  readonly pid: number;
}

const urls: readonly string[] = JSON.parse(process.env.BANK_STORES ?? '[]');
const resting = new AbortController();
const seen: { moves: number; errors: string[]; working: boolean } = { moves: 0, errors: [], working: true };

async function work(): Promise<void> {
  await openLedgers(urls);
  await runWorkers({
    urls,
    restMs: Number(process.env.BANK_REST_MS ?? 1),
    signal: resting.signal,
    moved: () => {
      seen.moves += 1;
    },
  });
}

const done = work()
  .catch((error: unknown) => {
    seen.errors.push(error instanceof Error ? error.message : String(error));
  })
  .finally(() => {
    seen.working = false;
  });

// What a client library says of a connection that was reset comes between the worker's own calls.
process.on('uncaughtException', (error) => seen.errors.push(error.message));

const report = (): ServiceReport => ({ ...seen, pid: process.pid });

createServer((request, response: ServerResponse) => {
  response.setHeader('connection', 'close');
  void answer(request.url ?? '').then(
    (body) => response.end(JSON.stringify(body)),
    (error: unknown) => response.writeHead(500).end(String(error)),
  );
}).listen(Number(process.env.BANK_PORT ?? 7070), '127.0.0.1');

async function answer(path: string): Promise<unknown> {
  if (path === '/books') return connectMemory().read();
  const [, store] = /^\/books\/(\d+)$/.exec(path) ?? [];
  if (store !== undefined) return readBooks(urls[Number(store)]!);
  if (path === '/all') return readBank(urls);
  if (path === '/rest') {
    resting.abort();
    await done;
  }
  return report();
}
