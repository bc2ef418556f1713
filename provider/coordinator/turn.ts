import type { Clock } from '../core/context.ts';
import { StasisError, throwIfAborted } from '../core/errors.ts';
import type { Answers, AskingSession, AskOptions, Question } from '../core/probe.ts';
import { type CacheHits, hitsBetween, type Pace, paceOf } from '../core/sample.ts';
import { nsToMs } from '../core/units.ts';
import { within } from '../core/wait.ts';

/** The code of what will not become better by waiting. */
export const UNANSWERED = 'sample.unanswered';

/** A request that takes longer than this has failed: cold ones may take many times what they took before. */
const REQUEST_MS = 60_000;
/** What is no request of the user's, and no work. */
const OURS_MS = 5_000;
const OPEN_MS = 30_000;
/** Of questions that are no work: enough for the least to be the line's own, and no more time than this on a slow line. */
const IDLE = 50;
const FEWEST_IDLE = 3;
const IDLE_MS = 500;

export interface TurnLimits {
  readonly clock: Clock;
  readonly signal: AbortSignal;
  /** For how long the next request may take; a minute at most. */
  readonly leftMs?: () => number;
}

/** Asks requests in turn, one after another on one connection, and keeps how long each takes. */
export class Turn implements AsyncDisposable {
  private readonly session: AskingSession;
  private readonly questions: readonly Question[];
  private readonly limits: TurnLimits;
  private lineMs: number | undefined;
  private next = 0;

  private constructor(session: AskingSession, questions: readonly Question[], limits: TurnLimits) {
    this.session = session;
    this.questions = questions;
    this.limits = limits;
  }

  /** @throws StasisError `sample.unanswered`, or why the member cannot be reached */
  static async open(
    answers: Pick<Answers, 'open'> | undefined,
    questions: readonly Question[],
    limits: TurnLimits,
  ): Promise<Turn> {
    if (answers?.open === undefined)
      throw new StasisError(UNANSWERED, 'What is restored in this way cannot be asked as it is now.');
    const session = await within(OPEN_MS, 'connecting', limits.signal, (inner) =>
      answers.open!(questions[0]!, inner),
    );
    return new Turn(session, questions, limits);
  }

  /** One request at least. @param isEnough of so many requests, in so many milliseconds */
  async pace(isEnough: (requests: number, elapsedMs: number) => boolean): Promise<Pace> {
    const timesMs: number[] = [];
    const earlier = await this.hits();
    const startNs = this.nowNs();
    do timesMs.push(await this.askNext());
    while (!isEnough(timesMs.length, nsToMs(this.nowNs() - startNs)));
    const hits = hitsBetween(earlier, await this.hits());
    // Only now: whoever waits for the first answer is not to wait for that.
    const pace = paceOf(timesMs, this.lineMs ?? (await this.leastIdleMs()), hits);
    this.lineMs = pace.lineMs;
    return pace;
  }

  [Symbol.asyncDispose](): PromiseLike<void> {
    return this.session[Symbol.asyncDispose]();
  }

  /** 0 where there is nothing that is no work: then nothing is taken for the line's. */
  private async leastIdleMs(): Promise<number> {
    const startNs = this.nowNs();
    let least = Number.POSITIVE_INFINITY;
    try {
      for (let count = 0; count < IDLE; count += 1) {
        if (count >= FEWEST_IDLE && nsToMs(this.nowNs() - startNs) > IDLE_MS) break;
        least = Math.min(least, await this.timed(OURS_MS, (options) => this.session.idle(options)));
      }
    } catch {
      throwIfAborted(this.limits.signal);
      return 0;
    }
    return least;
  }

  private async askNext(): Promise<number> {
    const question = this.questions[this.next % this.questions.length]!;
    this.next += 1;
    const { session } = this;
    const limitMs = Math.max(1, Math.min(REQUEST_MS, Math.ceil(this.limits.leftMs?.() ?? REQUEST_MS)));
    if (session.ready) await this.bounded(limitMs, (options) => session.ready!(question, options));
    return this.timed(limitMs, (options) => session.ask(question, options));
  }

  private async timed(limitMs: number, work: (options: AskOptions) => Promise<void>): Promise<number> {
    const startNs = this.nowNs();
    await this.bounded(limitMs, work);
    return nsToMs(this.nowNs() - startNs);
  }

  private bounded<T>(timeoutMs: number, work: (options: AskOptions) => Promise<T>): Promise<T> {
    return within(timeoutMs, 'the answer', this.limits.signal, (signal) => work({ signal, timeoutMs }));
  }

  /** A server that does not tell keeps nobody from measuring the rest. */
  private async hits(): Promise<CacheHits | undefined> {
    const { session } = this;
    if (session.hits === undefined) return undefined;
    return this.bounded(OURS_MS, ({ signal }) => session.hits!(signal)).catch(() => {
      throwIfAborted(this.limits.signal);
      return undefined;
    });
  }

  private nowNs(): number {
    return this.limits.clock.nowNs();
  }
}
