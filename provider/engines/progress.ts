import type { Progress } from '../core/context.ts';

/** At most this often does progress reach an engine. */
const PROGRESS_INTERVAL_MS = 500;

/** Passes on at most two events a second; warnings and errors always. */
export function thinned(progress: Progress, nowMs: () => number): Progress {
  let lastMs = Number.NEGATIVE_INFINITY;
  return (event) => {
    const now = nowMs();
    if (event.severity === undefined) {
      if (now - lastMs < PROGRESS_INTERVAL_MS) return;
      lastMs = now;
    }
    progress(event);
  };
}
