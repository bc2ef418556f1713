/**
 * A signal that aborts at the first Ctrl-C (or SIGTERM, or when the terminal goes away), so that what was started is
 * ended in order. Later ones change nothing: the ending is bounded by itself.
 */
export function interruptSignal(): AbortSignal {
  const controller = new AbortController();
  for (const name of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const)
    process.on(name, () => controller.abort(new Interrupted(name)));
  return controller.signal;
}

export class Interrupted extends Error {
  constructor(signal: string) {
    super(`ended by ${signal}`);
    this.name = 'Interrupted';
  }
}

/** Resolves when the signal aborts. */
export function aborted(signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    if (signal.aborted) resolve();
    // A timer keeps the process alive while nothing else does.
    const alive = setInterval(() => undefined, 60_000);
    signal.addEventListener(
      'abort',
      () => {
        clearInterval(alive);
        resolve();
      },
      { once: true },
    );
  });
}
