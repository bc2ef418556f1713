import { answerDifference, insistOnShortness, isAsExpected } from '../core/answer.ts';
import { putJson } from '../core/blobs.ts';
import type { Certificate } from '../core/certificate.ts';
import type { Context } from '../core/context.ts';
import { StasisError, throwIfAborted, toStasisError } from '../core/errors.ts';
import {
  type Answer,
  type Answers,
  outcomeOfProbe,
  type Probe,
  type ProbeRecord,
  type ProbeTie,
  probeMessage,
} from '../core/probe.ts';
import type { Draft } from '../core/store.ts';
import { askedWithinHold } from '../core/verification.ts';
import { within } from '../core/wait.ts';
import { allSettledOrThrow } from './concurrently.ts';
import type { CutLimits, Participant } from './member.ts';
import type { Observation } from './ties.ts';

/** One probe that was asked, with its answer or why there is none, on the context's clock. */
export interface Asked {
  readonly probe: Probe;
  readonly askedNs: number;
  readonly answeredNs: number;
  readonly answer?: Answer;
  readonly error?: StasisError;
  /** Of one that was asked on both sides of the cut, whether the two answers are equal; `answer` is the first. */
  readonly sameAfter?: boolean;
}

/** While somebody is held, the probes of a member may take this share of the pause that is allowed. */
const SHARE_OF_PAUSE = 0.25;
/** What is asked beyond a probe's own limit: the end of a command, the answer that the time is over. */
const GRACE_MS = 1_000;

/** Asks the probes of one capture. No probe that fails fails a cut. */
export class Prober {
  private readonly probes: readonly Probe[];
  private readonly context: Context;

  constructor(probes: readonly Probe[], context: Context) {
    this.probes = probes;
    this.context = context;
  }

  /** Whether it is asked at the cut itself, as no mark of it could be. */
  asksLive({ member, session }: Participant): boolean {
    return (
      session.liveAnswers !== undefined &&
      session.markAnswers === undefined &&
      this.probes.some((probe) => probe.member === member.name)
    );
  }

  async prepare(participants: readonly Participant[]): Promise<void> {
    const { signal } = this.context;
    await allSettledOrThrow(
      participants.filter((participant) => this.asksLive(participant)),
      signal,
      async ({ session }, own) => {
        // What keeps it from being asked is told by the question.
        await session.liveAnswers!.prepare?.(own).catch(() => throwIfAborted(signal));
      },
    );
  }

  /** One after the other. `limits` where somebody is held meanwhile. */
  async askLive(
    { member, session }: Participant,
    limits: CutLimits | undefined,
    signal: AbortSignal,
  ): Promise<readonly Asked[]> {
    const { clock } = this.context;
    const untilNs =
      limits === undefined
        ? Number.POSITIVE_INFINITY
        : clock.nowNs() + limits.maxPauseMs * SHARE_OF_PAUSE * 1e6;
    const asked: Asked[] = [];
    for (const probe of this.probes.filter((one) => one.member === member.name)) {
      const leftMs = (untilNs - clock.nowNs()) / 1e6;
      asked.push(await this.ask(session.liveAnswers!, probe, Math.min(probe.timeoutMs, leftMs), signal));
    }
    return asked;
  }

  /** What those answer that do so only while they run: before anybody is held. */
  async askBefore(
    participants: readonly Participant[],
    signal: AbortSignal,
  ): Promise<Map<string, readonly Asked[]>> {
    return this.askRunning(participants, signal, (answers, probe, own) =>
      this.ask(answers, probe, probe.timeoutMs, own),
    );
  }

  /** The same once more, when nobody is held any longer. Nothing has to be asked twice of whom had no answer. */
  async askAfter(
    participants: readonly Participant[],
    before: ReadonlyMap<string, readonly Asked[]>,
    signal: AbortSignal,
  ): Promise<Map<string, readonly Asked[]>> {
    return this.askRunning(participants, signal, async (answers, probe, own, member) => {
      const first = before.get(member)!.find((one) => one.probe === probe)!;
      if (first.answer === undefined) return first;
      const again = await this.ask(answers, probe, probe.timeoutMs, own);
      if (again.answer === undefined) return again;
      const difference = answerDifference(first.answer, again.answer, probe.comparison);
      return { ...first, answeredNs: again.answeredNs, sameAfter: difference === undefined };
    });
  }

  /** Of each member one after the other. */
  private async askRunning(
    participants: readonly Participant[],
    signal: AbortSignal,
    ask: (answers: Answers, probe: Probe, own: AbortSignal, member: string) => Promise<Asked>,
  ): Promise<Map<string, readonly Asked[]>> {
    const all = await allSettledOrThrow(
      participants.filter(({ session }) => session.aroundAnswers !== undefined),
      signal,
      async ({ member: { name }, session }, own) => {
        const asked: Asked[] = [];
        for (const probe of this.probes.filter((one) => one.member === name))
          asked.push(await ask(session.aroundAnswers!, probe, own, name));
        return [name, asked] as const;
      },
    );
    return new Map(all.filter(([, asked]) => asked.length > 0));
  }

  private async ask(answers: Answers, probe: Probe, limitMs: number, signal: AbortSignal): Promise<Asked> {
    const { clock } = this.context;
    const askedNs = clock.nowNs();
    try {
      const answer = await askWithin(answers, probe, limitMs, signal);
      return { probe, askedNs, answeredNs: clock.nowNs(), answer };
    } catch (thrown) {
      throwIfAborted(signal);
      return { probe, askedNs, answeredNs: clock.nowNs(), error: toStasisError(thrown, 'probe.failed') };
    }
  }

  /**
   * What became of every probe: asked of the marks now, or when the cut was made.
   * @throws StasisError `probe.unanswered`, `probe.unexpected`, `probe.unsteady` of one that is required
   */
  async records(
    participants: readonly Participant[],
    observations: ReadonlyMap<string, Observation>,
    certificate: Certificate,
    draft: Draft,
  ): Promise<Record<string, ProbeRecord>> {
    const { signal } = this.context;
    const records = await allSettledOrThrow(participants, signal, async ({ member, session }, own) => {
      const made: [string, ProbeRecord][] = [];
      const live = observations.get(member.name)?.asked ?? [];
      for (const probe of this.probes.filter((one) => one.member === member.name)) {
        const asked = session.markAnswers
          ? await this.ask(session.markAnswers, probe, probe.timeoutMs, own)
          : live.find((one) => one.probe.name === probe.name);
        const record = await this.recordOf(
          probe,
          asked,
          session.markAnswers !== undefined,
          certificate,
          draft,
        );
        this.tell(probe, record);
        made.push([probe.name, record]);
      }
      return made;
    });
    return Object.fromEntries(records.flat());
  }

  private async recordOf(
    probe: Probe,
    asked: Asked | undefined,
    isOfMark: boolean,
    certificate: Certificate,
    draft: Draft,
  ): Promise<ProbeRecord> {
    const { member, question, comparison, expect, timeoutMs } = probe;
    const answer = asked?.answer;
    const common = { member, question, comparison, timeoutMs, ...(expect === undefined ? {} : { expect }) };
    if (asked === undefined || answer === undefined) {
      const error = asked?.error ?? new StasisError('probe.not-asked', 'The member was not asked.');
      return { ...common, tie: 'none', error: { code: error.code, message: error.message } };
    }
    const stored = await putJson(draft.blobs(member), { rows: answer.rows });
    const times = { askedNs: asked.askedNs, answeredNs: asked.answeredNs };
    return {
      ...common,
      ...(isOfMark ? {} : times),
      tie: isOfMark ? 'mark' : tieOf(member, asked, certificate),
      answer: { ...stored, rows: answer.rows.length },
      ...(expect === undefined ? {} : { asExpected: isAsExpected(answer, expect, comparison) }),
    };
  }

  private tell({ name, required }: Probe, record: ProbeRecord): void {
    const outcome = outcomeOfProbe(record);
    if (outcome === 'answered') return;
    const message = `The probe "${name}" at the cut: ${probeMessage(record)}`;
    if (required)
      throw new StasisError(CODES[outcome], message, {
        hint: 'Mend the application, or leave "required" out to capture it as it is.',
        at: ['probes', name],
      });
    this.context.progress({ step: 'probe', severity: 'warning', message, member: record.member });
  }
}

function tieOf(
  member: string,
  { askedNs, answeredNs, sameAfter }: Asked,
  certificate: Certificate,
): ProbeTie {
  if (sameAfter !== undefined) return sameAfter ? 'around' : 'none';
  return askedWithinHold({ member, askedNs, answeredNs }, certificate) ? 'hold' : 'none';
}

const CODES = { unmet: 'probe.unexpected', unsteady: 'probe.unsteady', failed: 'probe.unanswered' } as const;

/** An answer within its limit, and not too long. @throws StasisError `timeout`, `probe.answer-too-long`, … */
export async function askWithin(
  answers: Answers,
  probe: Pick<Probe, 'question'>,
  limitMs: number,
  signal: AbortSignal,
): Promise<Answer> {
  const timeoutMs = Math.floor(limitMs);
  if (timeoutMs < 1)
    throw new StasisError('probe.no-time', 'The probes before it took all the time that a pause may have.', {
      hint: 'Ask fewer or quicker questions, or allow a longer pause with maxPauseMs.',
    });
  const answer = await within(timeoutMs + GRACE_MS, 'the answer', signal, (inner) =>
    answers.answer(probe.question, { signal: inner, timeoutMs }),
  );
  return insistOnShortness(answer);
}

/** Whether every answer of a try that could be given within a hold of its member was. */
export function isSteady(observations: ReadonlyMap<string, Observation>, certificate: Certificate): boolean {
  return [...observations].every(([member, { asked = [] }]) =>
    asked.every(
      ({ answer, askedNs, answeredNs, sameAfter }) =>
        answer === undefined ||
        sameAfter !== undefined ||
        askedWithinHold({ member, askedNs, answeredNs }, certificate),
    ),
  );
}
