import { setTimeout as delay } from 'node:timers/promises';
import { startClock } from '../../core/clock.ts';
import type { Context, LogLevel, ProgressEvent } from '../../core/context.ts';
import { StasisError } from '../../core/errors.ts';
import type { Redact } from '../redaction.ts';
import { hclogLogger, progressToLog } from './log.ts';

/** What a call's work tells beside its result. */
export interface Outcome<T> {
  readonly result: T;
  /** Warnings that were reported as progress, for the user. */
  readonly warnings: readonly StasisError[];
}

/**
 * The calls that are being served, so that all can be aborted together and waited for. Terraform runs up to ten at
 * once in one process.
 */
export class Calls {
  private readonly running = new Map<AbortController, Promise<unknown>>();
  private closed: StasisError | undefined;
  private readonly write: (line: string) => void;
  private readonly level: LogLevel;

  constructor(write: (line: string) => void, level: LogLevel) {
    this.write = write;
    this.level = level;
  }

  /** @throws whatever the work throws; the abort's reason once the calls are closed. */
  async run<T>(redact: Redact, work: (context: Context) => Promise<T>): Promise<Outcome<T>> {
    if (this.closed !== undefined) throw this.closed;
    const controller = new AbortController();
    const warnings: StasisError[] = [];
    const context = this.contextOf(controller.signal, redact, warnings);
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

  private contextOf(signal: AbortSignal, redact: Redact, warnings: StasisError[]): Context {
    const logger = hclogLogger(this.write, this.level, redact);
    const report = progressToLog(logger, () => performance.now());
    const progress = (event: ProgressEvent): void => {
      if (event.severity === 'warning') warnings.push(warningOf(event));
      report(event);
    };
    return { signal, clock: startClock(), logger, progress };
  }
}

function warningOf(event: ProgressEvent): StasisError {
  return new StasisError(`${event.step}.warning`, event.message ?? event.step, {
    severity: 'warning',
    at: event.member === undefined ? [] : ['members', event.member],
  });
}
