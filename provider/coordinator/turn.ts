import type { Clock } from '../core/context.ts';
import { StasisError } from '../core/errors.ts';
import type { Answers, AskingSession, AskOptions, Question } from '../core/probe.ts';
import { type CacheHits, hitsBetween, type Pace, paceOf } from '../core/sample.ts';
import { nsToMs } from '../core/units.ts';
import { within } from '../core/wait.ts';

/** The code of what will not become better by waiting. */
export const UNANSWERED = 'sample.unanswered';

/** One request that takes longer than this has failed. */
const REQUEST_MS = 5_000;
const OPEN_MS = 30_000;
/** Of questions that are no work: enough for the least to be the line's own, and no more time than this on a slow line. */
const IDLE = 50;
const FEWEST_IDLE = 3;
const IDLE_MS = 500;

/** Asks requests in turn, one after another on one connection, and keeps how long each takes. */
export class Turn implements AsyncDisposable {
  private readonly session: AskingSession;
  private readonly questions: readonly Question[];
  private readonly clock: Clock;
  private readonly signal: AbortSignal;
  private lineMs: number | undefined;
  private next = 0;

  private constructor(
    session: AskingSession,
    questions: readonly Question[],
    clock: Clock,
    signal: AbortSignal,
  ) {
    this.session = session;
    this.questions = questions;
    this.clock = clock;
    this.signal = signal;
  }

  /** @throws StasisError `sample.unanswered`, or why the member cannot be reached */
  static async open(
    answers: Pick<Answers, 'open'> | undefined,
    questions: readonly Question[],
    clock: Clock,
    signal: AbortSignal,
  ): Promise<Turn> {
    if (answers?.open === undefined)
      throw new StasisError(UNANSWERED, 'What is restored in this way cannot be asked as it is now.');
    const session = await within(OPEN_MS, 'connecting', signal, (inner) =>
      answers.open!(questions[0]!, inner),
    );
    return new Turn(session, questions, clock, signal);
  }

  /** One request at least. @param isEnough of so many requests, in so many milliseconds */
  async pace(isEnough: (requests: number, elapsedMs: number) => boolean): Promise<Pace> {
    const timesMs: number[] = [];
    const earlier = await this.hits();
    const startNs = this.clock.nowNs();
    do timesMs.push(await this.askNext());
    while (!isEnough(timesMs.length, nsToMs(this.clock.nowNs() - startNs)));
    const hits = hitsBetween(earlier, await this.hits());
    // Only now: whoever waits for the first answer is not to wait for that.
    const pace = paceOf(timesMs, this.lineMs ?? (await this.leastIdleMs()), hits);
    this.lineMs = pace.lineMs;
    return pace;
  }

  [Symbol.asyncDispose](): PromiseLike<void> {
    return this.session[Symbol.asyncDispose]();
  }

  private async leastIdleMs(): Promise<number> {
    const startNs = this.clock.nowNs();
    let least = Number.POSITIVE_INFINITY;
    for (let count = 0; count < IDLE; count += 1) {
      if (count >= FEWEST_IDLE && nsToMs(this.clock.nowNs() - startNs) > IDLE_MS) break;
      least = Math.min(least, await this.timed((options) => this.session.idle(options)));
    }
    return least;
  }

  private async askNext(): Promise<number> {
    const question = this.questions[this.next % this.questions.length]!;
    this.next += 1;
    const { session } = this;
    if (session.ready) await this.bounded((options) => session.ready!(question, options));
    return this.timed((options) => session.ask(question, options));
  }

  private async timed(work: (options: AskOptions) => Promise<void>): Promise<number> {
    const startNs = this.clock.nowNs();
    await this.bounded(work);
    return nsToMs(this.clock.nowNs() - startNs);
  }

  private bounded(work: (options: AskOptions) => Promise<void>): Promise<void> {
    return within(REQUEST_MS, 'the answer', this.signal, (signal) => work({ signal, timeoutMs: REQUEST_MS }));
  }

  private hits(): Promise<CacheHits | undefined> {
    const { session } = this;
    if (session.hits === undefined) return Promise.resolve(undefined);
    return within(REQUEST_MS, 'the answer', this.signal, (signal) => session.hits!(signal));
  }
}
