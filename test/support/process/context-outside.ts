import { startClock } from '../../../provider/core/clock.ts';
import type { Context } from '../../../provider/core/context.ts';

/** A context for a process that is no test: nobody reads what it logs. */
export function testContextOutside(): Context {
  return {
    signal: new AbortController().signal,
    clock: startClock(),
    logger: { log: () => {} },
    progress: () => {},
  };
}
