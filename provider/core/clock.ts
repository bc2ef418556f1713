import type { Clock } from './context.ts';

/** A clock that starts at zero now, over the kernel's monotonic clock. */
export function startClock(): Clock {
  const originNs = process.hrtime.bigint();
  return {
    nowNs: () => Number(process.hrtime.bigint() - originNs),
    wallMs: () => Date.now(),
  };
}
