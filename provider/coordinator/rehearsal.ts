import type { Context } from '../core/context.ts';
import type { Answers } from '../core/probe.ts';
import { within } from '../core/wait.ts';
import { memberVerdict } from './compare.ts';
import { allSettledOrThrow } from './concurrently.ts';
import { atMember } from './member.ts';
import { leaveForLater } from './released-probes.ts';
import type { Loaded } from './restore.ts';
import type { RestoreRequest } from './restore-plan.ts';
import {
  answeredProbesOf,
  askBoth,
  liveAnswers,
  patient,
  probesOf,
  storedAnswers,
  withProbes,
} from './restored-probes.ts';

const START_MS = 60_000;

/**
 * Asks the members that answer only while they run: all that can are let run, cut off from everybody else, once they
 * have been compared, and answer for what they have become within that moment. Without such a question nobody runs.
 */
export async function rehearse(
  request: Pick<RestoreRequest, 'snapshot' | 'egress'>,
  loaded: readonly Loaded[],
  context: Context,
): Promise<readonly Loaded[]> {
  const { snapshot } = request;
  const able = loaded.filter(({ held }) => held.rehearse !== undefined);
  const isAsked = ({ member }: Loaded): boolean => answeredProbesOf(snapshot, member.name).length > 0;
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
    askOne(request, one, patient(answers[able.indexOf(one)]!), isApart(one, loaded), { ...context, signal }),
  );
  return loaded.map((one) => asked.find(({ member }) => member === one.member) ?? one);
}

/** Whether there are members that it will reach after the release only. */
function isApart({ member: { host } }: Loaded, loaded: readonly Loaded[]): boolean {
  return loaded.some(({ held, member }) => held.rehearse === undefined || member.host.name !== host.name);
}

async function askOne(
  request: Pick<RestoreRequest, 'snapshot' | 'egress'>,
  { member, held, verdict }: Loaded,
  answers: Answers,
  apart: boolean,
  context: Context,
): Promise<Loaded> {
  const { snapshot } = request;
  const questions = Object.fromEntries(probesOf(snapshot, member.name));
  const running = liveAnswers(answers, '', context);
  const asked = await askBoth(member.name, questions, storedAnswers(snapshot), running, context);
  const { probes, names } = apart ? leaveForLater(request, asked) : { probes: asked, names: [] };
  const { fidelity } = snapshot.manifest.members[member.name]!;
  const compared = memberVerdict(member.name, withProbes(verdict, probes), fidelity);
  const unanswered = names.length > 0 ? { names, compared: verdict } : undefined;
  return { member, held, verdict: { ...verdict, ...compared, probes }, unanswered };
}
