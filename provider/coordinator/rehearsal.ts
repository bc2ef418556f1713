import type { Context } from '../core/context.ts';
import { StasisError, throwIfAborted } from '../core/errors.ts';
import { type Answers, outcomeOfProbe } from '../core/probe.ts';
import { sleep, within } from '../core/wait.ts';
import { memberVerdict } from './compare.ts';
import { allSettledOrThrow } from './concurrently.ts';
import { atMember } from './member.ts';
import type { Loaded } from './restore.ts';
import type { RestoreRequest } from './restore-plan.ts';
import { askBoth, liveAnswers, probesOf, storedAnswers, withProbes } from './restored-probes.ts';

const START_MS = 60_000;
/** How long what has only just begun to run again is left to itself between two questions. */
const PAUSE_MS = 100;

/**
 * Asks the members that answer only while they run: all that can are let run, cut off from everybody else, once they
 * have been compared, and answer for what they have become within that moment. Without such a question nobody runs.
 */
export async function rehearse(
  { snapshot }: Pick<RestoreRequest, 'snapshot'>,
  loaded: readonly Loaded[],
  context: Context,
): Promise<readonly Loaded[]> {
  const able = loaded.filter(({ held }) => held.rehearse !== undefined);
  const isAsked = ({ member }: Loaded): boolean =>
    probesOf(snapshot, member.name).some(([, record]) =>
      ['answered', 'unmet'].includes(outcomeOfProbe(record)),
    );
  if (!able.some(isAsked)) return loaded;
  context.progress({ step: 'rehearse' });
  const answers = await allSettledOrThrow(able, context.signal, async ({ member, held }, signal) => {
    try {
      return await within(START_MS, 'letting it run', signal, () => held.rehearse!());
    } catch (error) {
      throw atMember(member, error);
    }
  });
  const asked = await allSettledOrThrow(able.filter(isAsked), context.signal, (one, signal) =>
    askOne(snapshot, one, patient(answers[able.indexOf(one)]!), { ...context, signal }),
  );
  return loaded.map((one) => asked.find(({ member }) => member === one.member) ?? one);
}

async function askOne(
  snapshot: RestoreRequest['snapshot'],
  { member, held, verdict }: Loaded,
  answers: Answers,
  context: Context,
): Promise<Loaded> {
  const questions = Object.fromEntries(probesOf(snapshot, member.name));
  const running = liveAnswers(answers, '', context);
  const probes = await askBoth(member.name, questions, storedAnswers(snapshot), running, context);
  const { fidelity } = snapshot.manifest.members[member.name]!;
  const compared = memberVerdict(member.name, withProbes(verdict, probes), fidelity);
  return { member, held, verdict: { ...verdict, ...compared, probes } };
}

/**
 * Asks again, within the time that there is, where there was no answer: connections to whoever is no member have been
 * reset a moment ago, and a program may first have to notice. An answer, whatever it says, is one.
 */
function patient(answers: Answers): Answers {
  return {
    async answer(question, { signal, timeoutMs }) {
      const untilMs = performance.now() + timeoutMs;
      for (;;) {
        const leftMs = Math.max(1, Math.floor(untilMs - performance.now()));
        try {
          return await answers.answer(question, { signal, timeoutMs: leftMs });
        } catch (error) {
          throwIfAborted(signal);
          const isFinal = error instanceof StasisError && error.code === 'probe.answer-too-long';
          if (isFinal || performance.now() + PAUSE_MS >= untilMs) throw error;
        }
        await sleep(PAUSE_MS, signal);
      }
    },
  };
}
