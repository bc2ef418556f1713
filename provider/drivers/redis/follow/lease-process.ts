import { createInterface } from 'node:readline';
import { sleep } from '../../../core/wait.ts';
import { Connection } from '../connection.ts';
import type { LeaseOrder } from './lease.ts';
import { stopFollowing } from './stop-following.ts';

/**
 * A process of its own that ends what we began should we die: a target that follows a stand-in which is gone would
 * stay read-only, and take whatever next listens on that port. It holds the end of a pipe. The first line is the
 * order; every further line says that we live, the last one that all is done. When the pipe ends without that, or
 * nothing comes for as long as the lease, it sends the target REPLICAOF NO ONE and forgets the login.
 */
const RETRY_MS = 200;
/** A target that is out of reach for this long is left to the journal. */
const PATIENCE_MS = 300_000;

const lines = createInterface({ input: process.stdin })[Symbol.asyncIterator]();
const order = JSON.parse((await lines.next()).value as string) as LeaseOrder;
const { promise: silence, resolve: onSilence } = Promise.withResolvers<'silent'>();
let timer = setTimeout(onSilence, order.leaseMs, 'silent');

// Logged in before anything is done: what it would need later is known to work.
let connection = await Connection.open({ url: order.url }, AbortSignal.timeout(order.leaseMs));
process.stdout.write('armed\n');

for (;;) {
  const line = await Promise.race([lines.next(), silence]);
  if (line !== 'silent' && line.value === 'done') break;
  if (line === 'silent' || line.done) {
    await letGo();
    break;
  }
  clearTimeout(timer);
  timer = setTimeout(onSilence, order.leaseMs, 'silent');
}
process.exit(0);

async function letGo(): Promise<void> {
  const signal = AbortSignal.timeout(PATIENCE_MS);
  while (!signal.aborted)
    try {
      if (!connection.open) connection = await Connection.open({ url: order.url }, signal);
      await stopFollowing(connection, order.followed, signal);
      return;
    } catch {
      await sleep(RETRY_MS);
    }
}
