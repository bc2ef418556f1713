import { isDeepStrictEqual } from 'node:util';
import { answerChange, answerDifference, parseAnswer } from '../core/answer.ts';
import { readJson } from '../core/blobs.ts';
import type { Context } from '../core/context.ts';
import type { Held } from '../core/driver.ts';
import { StasisError, throwIfAborted, toStasisError } from '../core/errors.ts';
import type { Comparison } from '../core/fingerprint.ts';
import { type Answer, type Answers, outcomeOfProbe, type ProbeRecord, probeMessage } from '../core/probe.ts';
import { sleep } from '../core/wait.ts';
import type { OpenSnapshot } from './compare.ts';
import { askWithin } from './probes.ts';

/** How long what has only just begun to run again is left to itself between two questions. */
const PAUSE_MS = 100;

/** What became of a probe after a restore, or in a comparison. */
export interface RestoredProbe {
  readonly member: string;
  /** `unasked` where there is nothing to compare with, or nobody to ask. */
  readonly outcome: 'equal' | 'different' | 'failed' | 'unasked';
  /** For people; never what an answer was, but for numbers. */
  readonly message: string;
  /** Of two answers that are one number each: by how much the second is larger. */
  readonly change?: number;
}

export type RestoredProbes = Readonly<Record<string, RestoredProbe>>;

/** What is compared of a probe: the question, and when two answers to it count as equal. */
export type AskedProbe = Pick<ProbeRecord, 'question' | 'comparison' | 'timeoutMs'>;

/** One side's answer; or why there is nothing to compare with, or why it has none. */
export type Said =
  | { readonly answer: Answer; readonly note?: string }
  | { readonly outcome: 'unasked' | 'failed'; readonly message: string };

/** One side of a comparison of answers. */
export interface Answering {
  answer(name: string, probe: AskedProbe): Promise<Said>;
}

/**
 * Asks what was asked of a member at the cut again of what is restored and held. Before its fingerprint is read, so
 * that a question which changes something after all shows there.
 */
export async function askRestored(
  snapshot: OpenSnapshot,
  member: string,
  held: Held,
  context: Context,
): Promise<RestoredProbes> {
  const why = 'What is restored in this way can be asked after a release only.';
  const restored = liveAnswers(held.answers, why, context);
  const probes = Object.fromEntries(probesOf(snapshot, member));
  return askBoth(member, probes, storedAnswers(snapshot), restored, context);
}

/** Each question to both, the second one only where the first has an answer. */
export async function askBoth(
  member: string,
  probes: Readonly<Record<string, AskedProbe>>,
  left: Answering,
  right: Answering,
  context: Context,
): Promise<RestoredProbes> {
  const found: Record<string, RestoredProbe> = {};
  for (const [name, probe] of Object.entries(probes)) {
    context.progress({ step: 'probe', member, message: name });
    found[name] = { member, ...(await askOne(name, probe, left, right)) };
  }
  return found;
}

async function askOne(
  name: string,
  probe: AskedProbe,
  left: Answering,
  right: Answering,
): Promise<Omit<RestoredProbe, 'member'>> {
  const one = await left.answer(name, probe);
  if (!('answer' in one)) return one;
  const other = await right.answer(name, probe);
  if (!('answer' in other)) return other;
  const message = answerDifference(one.answer, other.answer, probe.comparison);
  const change = answerChange(one.answer, other.answer, probe.comparison);
  return {
    ...(message === undefined
      ? { outcome: 'equal', message: `the same answer${one.note ?? ''}` }
      : { outcome: 'different', message }),
    ...(change === undefined ? {} : { change }),
  };
}

/** What was answered at the cut, and is kept in the snapshot. */
export function storedAnswers(snapshot: OpenSnapshot): Answering {
  return {
    async answer(name, { question }) {
      const record = snapshot.manifest.probes?.[name];
      if (record === undefined || !isDeepStrictEqual(record.question, question))
        return { outcome: 'unasked', message: 'A snapshot has not been asked this question at its cut.' };
      const outcome = outcomeOfProbe(record);
      if (outcome === 'failed' || outcome === 'unsteady')
        return {
          outcome: 'unasked',
          message: `Nothing to compare with. At the cut: ${probeMessage(record)}`,
        };
      const already = outcome === 'unmet' ? ', which was not the expected answer at the cut either' : '';
      return {
        answer: parseAnswer(await readJson(snapshot.blobs(record.member), record.answer!.digest)),
        note: ` as at the cut${already}`,
      };
    },
  };
}

/** @param why nobody can be asked, where that is so */
export function liveAnswers(answers: Answers | undefined, why: string, context: Context): Answering {
  return {
    async answer(_name, probe) {
      if (answers === undefined) return { outcome: 'unasked', message: why };
      try {
        return { answer: await askWithin(answers, probe, probe.timeoutMs, context.signal) };
      } catch (thrown) {
        throwIfAborted(context.signal);
        const { message } = toStasisError(thrown, 'probe.failed');
        return { outcome: 'failed', message: `no answer: ${message}` };
      }
    },
  };
}

/**
 * Asks again, within the time that there is, where there was no answer: connections to whoever is no member have been
 * reset a moment ago, and a program may first have to notice. An answer, whatever it says, is one.
 */
export function patient(answers: Answers): Answers {
  return {
    async answer(question, { signal, timeoutMs }) {
      const untilMs = performance.now() + timeoutMs;
      let said: unknown;
      for (;;) {
        const leftMs = Math.max(1, Math.floor(untilMs - performance.now()));
        try {
          return await answers.answer(question, { signal, timeoutMs: leftMs });
        } catch (error) {
          throwIfAborted(signal);
          const code = error instanceof StasisError ? error.code : undefined;
          // The last try may have had no time: what was said before tells more.
          if (code !== 'timeout') said = error;
          const isFinal = code === 'probe.answer-too-long';
          if (isFinal || performance.now() + PAUSE_MS >= untilMs) throw said ?? error;
        }
        await sleep(PAUSE_MS, signal);
      }
    },
  };
}

/** Of a member that runs already, and changes all the time. */
export function unaskedProbes(snapshot: OpenSnapshot, member: string): RestoredProbes {
  const message = 'The member has been running since an earlier try of this restore.';
  return Object.fromEntries(
    probesOf(snapshot, member).map(([name]) => [name, { member, outcome: 'unasked', message }]),
  );
}

/** The probes of a member whose answers at the cut are to be had again. */
export function answeredProbesOf(snapshot: OpenSnapshot, member: string): [string, ProbeRecord][] {
  return probesOf(snapshot, member).filter(([, record]) =>
    ['answered', 'unmet'].includes(outcomeOfProbe(record)),
  );
}

export function probesOf({ manifest }: OpenSnapshot, member: string): [string, ProbeRecord][] {
  return Object.entries(manifest.probes ?? {}).filter(([, record]) => record.member === member);
}

/** A probe counts as an object of its member, `probe/NAME`. */
export function withProbes(comparison: Comparison, probes: RestoredProbes): Comparison {
  const all = Object.entries(probes);
  const wrong = all.filter(([, { outcome }]) => outcome === 'different' || outcome === 'failed');
  const differences = wrong.map(
    ([name, { message }]) => ({ object: `probe/${name}`, kind: 'changed', message }) as const,
  );
  return {
    equal: comparison.equal + all.filter(([, { outcome }]) => outcome === 'equal').length,
    differences: [...differences, ...comparison.differences],
    differenceCount: comparison.differenceCount + differences.length,
  };
}
