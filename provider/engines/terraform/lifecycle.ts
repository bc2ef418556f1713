import { StasisError } from '../../core/errors.ts';
import type { Calls } from '../calls.ts';
import { Ending } from '../ending.ts';

/** What is held must run again, and the process be gone, before the host kills it 2 s after Shutdown. */
const SETTLE_MS = 1_500;
/** Shutdown's answer has to leave before we do; each command of the engine waits for this several times. */
const ANSWER_MS = 1;
/** Should the host die after the handshake and before it opened its stream, only our parent's change tells. */
const PARENT_POLL_MS = 500;

/** How the process ends: what runs is aborted and waited for first, so that nothing stays frozen. */
export class Lifecycle extends Ending {
  private openStreams = 0;

  constructor(calls: Calls, exit: (status: number) => void) {
    super(calls, exit, SETTLE_MS);
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
}

function hostGone(): StasisError {
  return new StasisError('cancelled', 'The work was stopped: the engine is gone.');
}
