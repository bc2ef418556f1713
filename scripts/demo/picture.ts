import { join } from 'node:path';
import { makeServices } from '../../provider/composition/services.ts';
import { startClock } from '../../provider/core/clock.ts';
import { parseReference } from '../../provider/core/reference.ts';
import type { SealedSnapshot } from '../../provider/core/store.ts';
import { openStore } from '../../provider/resources/stores.ts';

/** The snapshot as it lies in the demo's store, whoever wrote it: the picture is drawn from it alone. */
export async function readSnapshot(
  folder: string,
  reference: string,
  signal: AbortSignal,
): Promise<SealedSnapshot> {
  const context = {
    signal,
    clock: startClock(),
    logger: { log: () => undefined },
    progress: () => undefined,
  };
  const store = await openStore(makeServices('demo'), {}, { path: join(folder, 'work/snapshots') }, context);
  const { name, digest } = parseReference(reference);
  if (digest === undefined) throw new Error(`${reference} names no digest`);
  return store.open(name, digest, context);
}
