import { putJson } from '../core/blobs.ts';
import type { Context } from '../core/context.ts';
import { throwIfAborted, toStasisError } from '../core/errors.ts';
import type { Pace, Sample, SampleRecord } from '../core/sample.ts';
import type { Draft } from '../core/store.ts';
import type { Member } from './member.ts';
import { Turn } from './turn.ts';

/** One sample as it was answered before the cut, or why it was not. */
export interface AskedSample {
  readonly sample: Sample;
  readonly before?: Pace;
  readonly error?: { readonly code: string; readonly message: string };
}

/**
 * Asks the requests of the user's of what runs, all samples at once and each for its duration. It is done before
 * anything else of a capture touches the members: then nobody is held, nothing of ours reads from them yet, and what
 * they have in their caches is what the cut is going to show. What fails is told, and fails no capture.
 */
export async function askSamples(
  samples: readonly Sample[],
  members: readonly Member[],
  context: Context,
): Promise<readonly AskedSample[]> {
  const asked = await Promise.all(
    samples.map(async (sample) => {
      const member = members.find(({ name }) => name === sample.member)!;
      context.progress({ step: 'sample', member: member.name, message: sample.name });
      try {
        return { sample, before: await paceBefore(sample, member, context) };
      } catch (thrown) {
        const { code, message } = toStasisError(thrown, 'sample.failed');
        return { sample, error: { code, message } };
      }
    }),
  );
  throwIfAborted(context.signal);
  for (const { sample, error } of asked)
    if (error !== undefined)
      context.progress({
        ...{ step: 'sample', severity: 'warning', member: sample.member },
        message: `The sample "${sample.name}" could not be measured: ${error.message}`,
      });
  return asked;
}

async function paceBefore(
  { questions, durationMs }: Sample,
  { driver, spec, host }: Member,
  context: Context,
): Promise<Pace> {
  const answers = await driver.ask?.(spec, host, context);
  await using turn = await Turn.open(answers, questions, context);
  return await turn.pace((_requests, elapsedMs) => elapsedMs >= durationMs);
}

/** What is kept of them: only those requests that were asked, as there is nothing to compare others with. */
export async function recordSamples(
  asked: readonly AskedSample[],
  draft: Draft,
): Promise<Record<string, SampleRecord>> {
  const records = asked.map(async ({ sample, before, error }): Promise<[string, SampleRecord]> => {
    const { name, member, questions, durationMs } = sample;
    const common = { member, kind: questions[0]!.kind, durationMs };
    if (before === undefined) return [name, { ...common, error: error! }];
    const requests = questions.slice(0, before.requests);
    const stored = await putJson(draft.blobs(member), requests);
    return [name, { ...common, before, requests: { ...stored, count: requests.length } }];
  });
  return Object.fromEntries(await Promise.all(records));
}
