import { StasisError } from '../core/errors.ts';
import { sleep } from '../core/wait.ts';
import type { Freezer } from './freezer.ts';

/** How soon a process ends that a killed criu has left in the middle of its own code. */
const ENDS_MS = 100;

/**
 * After a dump that failed with this error: what is to be said, which is another thing where a process has ended by it.
 * A criu that is killed while it has code of its own in a process lets that run on in the middle of it, and nobody can
 * be there before the kernel. Thaws, as the cut is lost; what ends, ends as soon as it runs.
 */
export async function afterDump(
  error: unknown,
  freezer: Freezer,
  before: readonly number[],
): Promise<unknown> {
  if (!(error instanceof StasisError && error.code === 'runtime.dump-failed')) return error;
  try {
    await freezer.thaw();
    await sleep(ENDS_MS);
    const { pids } = await freezer.read();
    const gone = before.filter((pid) => !pids.includes(pid));
    return gone.length === 0 ? error : lostTree(error, gone.length, before.length);
  } catch {
    return error;
  }
}

function lostTree(cause: StasisError, gone: number, all: number): StasisError {
  return new StasisError(
    'runtime.tree-lost',
    `${gone} of ${all} processes ended while they were dumped. ${cause.message}`,
    { hint: 'Start the service anew. A criu that dumps must not be killed.', cause },
  );
}
