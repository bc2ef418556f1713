import type { Logger } from '../core/context.ts';
import { StasisError } from '../core/errors.ts';
import type { Calls } from './calls.ts';

/** The answers of calls that were aborted have to leave before the process does. */
const LAST_ANSWERS_MS = 20;

/** How a plugin's process ends: what runs is aborted and waited for first, so that nothing stays frozen. */
export class Ending {
  protected readonly calls: Calls;
  private readonly exit: (status: number) => void;
  private readonly settleMs: number;
  private ending: Promise<void> | undefined;

  /** @param settleMs how long work may take to let go, before whoever ends us kills us */
  constructor(calls: Calls, exit: (status: number) => void, settleMs: number) {
    this.calls = calls;
    this.exit = exit;
    this.settleMs = settleMs;
  }

  /** Aborts all work, waits until it has let go, then exits. Later calls join the first. */
  end(why: string, status = 0): Promise<void> {
    this.ending ??= this.settleAndExit(why, status);
    return this.ending;
  }

  private async settleAndExit(why: string, status: number): Promise<void> {
    this.calls.close(new StasisError('cancelled', `The work was stopped: ${why}.`));
    if (this.calls.idle) return this.exit(status);
    await this.calls.settled(this.settleMs);
    setTimeout(() => this.exit(status), LAST_ANSWERS_MS);
  }
}

/** A mistake of ours ends the process, but not before what is held was let go. */
export function endOnFaults(ending: Ending, logger: Logger): void {
  const onFault = (fault: unknown): void => {
    logger.log('error', 'stasis met a fault of its own', {
      stack: fault instanceof Error ? fault.stack : String(fault),
    });
    void ending.end('stasis met a fault of its own', 1);
  };
  process.on('uncaughtException', onFault);
  process.on('unhandledRejection', onFault);
}
