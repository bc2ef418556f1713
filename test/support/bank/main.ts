import { setTimeout as sleep } from 'node:timers/promises';
import { serveWorkload } from '../workload/child.ts';
import { connectLedger, type Ledger } from './ledgers.ts';
import { effectOf, moveOf, WORKERS } from './moves.ts';

/** The bank's process: eight workers that move money between the stores of BANK_STORES, a JSON list of URLs. */
const urls: readonly string[] = JSON.parse(process.env.BANK_STORES ?? '[]');
/** Between two moves of a worker; other work has to go on on the same cores. */
const restMs = Number(process.env.BANK_REST_MS ?? 1);

/** The newest move that each store has acknowledged, by worker. */
const acknowledged = urls.map(() => Array.from({ length: WORKERS }, () => 0));
let moves = 0;

async function open(): Promise<void> {
  for (const url of urls) {
    await using ledger = await connectLedger(url);
    await ledger.open();
  }
}

async function runWorker(worker: number, signal: AbortSignal): Promise<void> {
  await using connections = new AsyncDisposableStack();
  const ledgers: Ledger[] = [];
  for (const url of urls) ledgers.push(connections.use(await connectLedger(url)));
  for (let number = 1; !signal.aborted; number += 1) {
    const move = moveOf(worker, number, urls.length);
    for (const store of move.order) {
      const seen = acknowledged.map((numbers) => [...numbers]);
      const amount = effectOf(move, store);
      await ledgers[store]!.write({ worker, number, account: move.account, amount, seen });
      acknowledged[store]![worker] = number;
    }
    moves += 1;
    await sleep(restMs);
  }
}

await serveWorkload({
  open,
  work: async (signal) => {
    await Promise.all(Array.from({ length: WORKERS }, (_, worker) => runWorker(worker, signal)));
  },
  report: () => ({ moves }),
});
