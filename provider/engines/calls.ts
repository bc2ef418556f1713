import { setTimeout as delay } from 'node:timers/promises';
import { startClock } from '../core/clock.ts';
import type { Context, Logger, Progress, ProgressEvent } from '../core/context.ts';
import { StasisError } from '../core/errors.ts';

/** Where a call's work tells what is going on: the engine's own log and screen. */
export interface Reporting {
  readonly logger: Logger;
  readonly progress: Progress;
}

/** What a call's work tells beside its result. */
export interface Outcome<T> {
  readonly result: T;
  /** Warnings that were reported as progress, for the user. */
  readonly warnings: readonly StasisError[];
}

/**
 * The calls that are being served, so that all can be aborted together and waited for. Engines run many at once in one
 * process.
 */
export class Calls {
  private readonly running = new Map<AbortController, Promise<unknown>>();
  private closed: StasisError | undefined;

  /** @throws whatever the work throws; the abort's reason once the calls are closed. */
  async run<T>(reporting: Reporting, work: (context: Context) => Promise<T>): Promise<Outcome<T>> {
    if (this.closed !== undefined) throw this.closed;
    const controller = new AbortController();
    const warnings: StasisError[] = [];
    const context = contextOf(controller.signal, reporting, warnings);
    const promise = (async () => work(context))();
    this.running.set(controller, promise);
    try {
      return { result: await promise, warnings };
    } finally {
      this.running.delete(controller);
    }
  }

  get idle(): boolean {
    return this.running.size === 0;
  }

  /** Aborts what runs now. Later calls run: a reattached process serves one command after another. */
  abort(reason: StasisError): void {
    for (const controller of this.running.keys()) controller.abort(reason);
  }

  /** Aborts what runs, and refuses what comes. */
  close(reason: StasisError): void {
    this.closed ??= reason;
    this.abort(reason);
  }

  /** Waits until no call runs, at most `waitMs`; says whether that is so. */
  async settled(waitMs: number): Promise<boolean> {
    const all = Promise.allSettled(this.running.values()).then(() => true);
    return Promise.race([all, delay(waitMs, false)]);
  }
}

function contextOf(signal: AbortSignal, { logger, progress }: Reporting, warnings: StasisError[]): Context {
  return {
    signal,
    clock: startClock(),
    logger,
    progress: (event) => {
      if (event.severity === 'warning') warnings.push(warningOf(event));
      progress(event);
    },
  };
}

function warningOf(event: ProgressEvent): StasisError {
  return new StasisError(`${event.step}.warning`, event.message ?? event.step, {
    severity: 'warning',
    at: event.member === undefined ? [] : ['members', event.member],
  });
}
