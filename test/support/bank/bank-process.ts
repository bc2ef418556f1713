import { setTimeout as sleep } from 'node:timers/promises';
import { amountOf, WORKERS } from './ledger.ts';
import { till } from './till.ts';

/**
 * The bank's traffic, in a process of its own: each worker takes its next operation through the stores, one after
 * another. argv: the rest between two operations of a worker in milliseconds; the stores' URLs come by the environment.
 * It goes on until its parent disconnects, or two minutes without a word from it are over.
 */
const restMs = Number(process.argv[2]);
const tills = (JSON.parse(process.env.BANK_STORES ?? '[]') as string[]).map(till);
const last = tills.length - 1;
let running = true;
let operations = 0;

process.on('message', (message) => {
  if (message === 'count') process.send?.({ operations });
});
process.once('disconnect', () => {
  running = false;
  setTimeout(() => process.exit(1), 5_000).unref();
});

async function work(worker: number, from: number): Promise<void> {
  for (let operation = from + 1; running; operation += 1) {
    const amount = amountOf(worker, operation);
    for (const [index, store] of tills.entries())
      await store.move(worker, operation, index === 0 ? -amount : index === last ? amount : 0);
    operations += 1;
    await sleep(restMs * (0.5 + Math.random()));
  }
}

await Promise.all(tills.map((store) => store.open()));
const { sequence } = await tills[last]!.read();
process.send?.('ready');
await Promise.all(Array.from({ length: WORKERS }, (_, worker) => work(worker, sequence[worker]!)));
await Promise.all(tills.map((store) => store.close()));
process.exit(0);
