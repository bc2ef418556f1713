/**
 * Restores the server of STASIS_TEST_SOURCE into that of STASIS_TEST_TARGET, gets stuck in the middle of the data, says
 * so, and waits to be killed. Prints what it notes in the journal, one line of JSON each, and last `stuck`.
 */
import { memoryBlobs } from './context.ts';
import { capture, restore } from './redis-capture.ts';
import type { RedisServer } from './redis-server.ts';

const STUCK_AFTER_BYTES = 256 * 1024;

const captured = await capture({ url: process.env.STASIS_TEST_SOURCE ?? '' });
const stuck = {
  ...memoryBlobs(),
  async *get(...range: Parameters<typeof captured.blobs.get>): AsyncGenerator<Uint8Array> {
    let sizeBytes = 0;
    for await (const chunk of captured.blobs.get(...range)) {
      yield chunk;
      sizeBytes += chunk.length;
      if (sizeBytes < STUCK_AFTER_BYTES) continue;
      console.log('stuck');
      await new Promise((resolve) => setTimeout(resolve, 60_000));
    }
  },
};
await restore(
  { url: process.env.STASIS_TEST_TARGET ?? '' } as RedisServer,
  { ...captured, blobs: stuck },
  {
    journal: async (entry) => console.log(JSON.stringify(entry)),
  },
);
process.exit(1);
