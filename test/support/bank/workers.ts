import { setTimeout as sleep } from 'node:timers/promises';
import { connectLedger, type Ledger } from './ledgers.ts';
import { effectOf, moveOf, WORKERS } from './moves.ts';

export interface Work {
  /** In the order in which their books are checked. */
  readonly urls: readonly string[];
  /** Between two moves of a worker; other work has to go on on the same cores. */
  readonly restMs: number;
  readonly signal: AbortSignal;
  /** Called after each move. */
  readonly moved: () => void;
}

export async function openLedgers(urls: readonly string[]): Promise<void> {
  for (const url of urls) {
    await using ledger = await connectLedger(url);
    await ledger.open();
  }
}

/** The eight workers of a bank: each with a connection to every store, and one move at a time, until the signal. */
export async function runWorkers(work: Work): Promise<void> {
  /** The newest move that each store has acknowledged, by worker. */
  const acknowledged = work.urls.map(() => Array.from({ length: WORKERS }, () => 0));
  const all = Array.from({ length: WORKERS }, (_, worker) => runWorker(worker, work, acknowledged));
  const results = await Promise.allSettled(all);
  const failed = results.find((result) => result.status === 'rejected');
  if (failed) throw failed.reason;
}

async function runWorker(worker: number, work: Work, acknowledged: number[][]): Promise<void> {
  await using connections = new AsyncDisposableStack();
  const ledgers: Ledger[] = [];
  for (const url of work.urls) ledgers.push(connections.use(await connectLedger(url)));
  for (let number = 1; !work.signal.aborted; number += 1) {
    const move = moveOf(worker, number, work.urls.length);
    for (const store of move.order) {
      const seen = acknowledged.map((numbers) => [...numbers]);
      const amount = effectOf(move, store);
      await ledgers[store]!.write({ worker, number, account: move.account, amount, seen });
      acknowledged[store]![worker] = number;
    }
    work.moved();
    await sleep(work.restMs);
  }
}
