import { serveWorkload } from '../workload/child.ts';
import { openLedgers, runWorkers } from './workers.ts';

/** The bank's process: eight workers that move money between the stores of BANK_STORES, a JSON list of URLs. */
const urls: readonly string[] = JSON.parse(process.env.BANK_STORES ?? '[]');
const restMs = Number(process.env.BANK_REST_MS ?? 1);
let moves = 0;

await serveWorkload({
  open: () => openLedgers(urls),
  work: (signal) =>
    runWorkers({
      urls,
      restMs,
      signal,
      moved: () => {
        moves += 1;
      },
    }),
  report: () => ({ moves }),
});
