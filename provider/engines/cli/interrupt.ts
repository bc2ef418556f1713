import { StasisError } from '../../core/errors.ts';

export type InterruptSignal = 'SIGINT' | 'SIGTERM' | 'SIGHUP';

const SIGNALS: readonly InterruptSignal[] = ['SIGINT', 'SIGTERM', 'SIGHUP'];
/**
 * What a second interrupt waits for at most: a thaw that is not answered within 3 s is left to its lease by the
 * coordinator, so nothing that could still be let go is left held.
 */
const SECOND_WAIT_MS = 3_000;

/** What of a process is needed to be interrupted; a test's own emitter will do. */
export interface SignalSource {
  on(signal: InterruptSignal, listener: () => void): unknown;
  off(signal: InterruptSignal, listener: () => void): unknown;
}

/**
 * Interrupts as an AbortSignal. The first one aborts: what is held is thawed, what was begun is undone. The second one
 * stops waiting for the undoing soon, the third one at once; `exit` then ends the process.
 */
export class Interrupts implements Disposable {
  readonly signal: AbortSignal;
  private readonly controller = new AbortController();
  private readonly source: SignalSource;
  private readonly say: (text: string) => void;
  private readonly exit: () => void;
  private readonly listener = (): void => this.interrupt();
  private timer: NodeJS.Timeout | undefined;
  private times = 0;

  constructor(source: SignalSource, say: (text: string) => void, exit: () => void) {
    this.signal = this.controller.signal;
    this.source = source;
    this.say = say;
    this.exit = exit;
    for (const signal of SIGNALS) source.on(signal, this.listener);
  }

  private interrupt(): void {
    this.times += 1;
    if (this.times === 1) {
      this.say('interrupted: letting go what is held, and undoing what was begun');
      this.controller.abort(
        new StasisError('interrupted', 'The work was interrupted; nothing of it remains.'),
      );
    } else if (this.times === 2) {
      this.say(`interrupted again: ending within ${SECOND_WAIT_MS / 1000} s`);
      this.timer = setTimeout(this.exit, SECOND_WAIT_MS);
    } else this.exit();
  }

  [Symbol.dispose](): void {
    clearTimeout(this.timer);
    for (const signal of SIGNALS) this.source.off(signal, this.listener);
  }
}
