import { StasisError } from '../../core/errors.ts';
import type { Calls } from './calls.ts';

/** What is held must run again, and the process be gone, before the host kills it 2 s after Shutdown. */
const SETTLE_MS = 1_500;
/** Shutdown's answer has to leave before we do; each command of the engine waits for this several times. */
const ANSWER_MS = 1;
/** And so do those of calls that were aborted. */
const LAST_ANSWERS_MS = 20;
/** Should the host die after the handshake and before it opened its stream, only our parent's change tells. */
const PARENT_POLL_MS = 500;

/** How the process ends: what runs is aborted and waited for first, so that nothing stays frozen. */
export class Lifecycle {
  private readonly calls: Calls;
  private readonly exit: (status: number) => void;
  private ending: Promise<void> | undefined;
  private openStreams = 0;

  constructor(calls: Calls, exit: (status: number) => void) {
    this.calls = calls;
    this.exit = exit;
  }

  /** Aborts all work, waits until it has let go, then exits. Later calls join the first. */
  end(why: string, status = 0): Promise<void> {
    this.ending ??= this.settleAndExit(why, status);
    return this.ending;
  }

  /** The host ends us in order; with nothing running that takes a moment. */
  shutDown(): void {
    setTimeout(() => this.end('the engine is ending'), ANSWER_MS);
  }

  /** The host holds a stream open as long as it lives. */
  hostStreamOpened(): void {
    this.openStreams += 1;
  }

  /**
   * Its stream broke: the host is dead or ending. A process that hosts attach to outlives them; it only stops what
   * nobody waits for any more.
   */
  hostStreamClosed(reattachable: boolean): void {
    this.openStreams -= 1;
    if (this.openStreams > 0) return;
    if (reattachable) this.calls.abort(hostGone());
    else void this.end('the engine is gone');
  }

  /** Ends when our parent is no longer this one. */
  watchParent(parent: number): void {
    const timer = setInterval(() => {
      if (process.ppid !== parent) void this.end('the engine is gone');
    }, PARENT_POLL_MS);
    timer.unref();
  }

  private async settleAndExit(why: string, status: number): Promise<void> {
    this.calls.close(new StasisError('cancelled', `The work was stopped: ${why}.`));
    if (this.calls.idle) return this.exit(status);
    await this.calls.settled(SETTLE_MS);
    setTimeout(() => this.exit(status), LAST_ANSWERS_MS);
  }
}

function hostGone(): StasisError {
  return new StasisError('cancelled', 'The work was stopped: the engine is gone.');
}
