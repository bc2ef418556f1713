import { answerDifference, parseAnswer } from '../core/answer.ts';
import { readJson } from '../core/blobs.ts';
import type { Context } from '../core/context.ts';
import type { Held } from '../core/driver.ts';
import { throwIfAborted, toStasisError } from '../core/errors.ts';
import type { Comparison } from '../core/fingerprint.ts';
import { type Answer, outcomeOfProbe, type ProbeRecord, probeMessage } from '../core/probe.ts';
import type { OpenSnapshot } from './compare.ts';
import { askWithin } from './probes.ts';

/** What became of a probe after a restore. */
export interface RestoredProbe {
  readonly member: string;
  /** `unasked` where there is nothing to compare with, or nobody could be asked before the release. */
  readonly outcome: 'equal' | 'different' | 'failed' | 'unasked';
  /** For people; never what an answer was, but for numbers. */
  readonly message: string;
}

export type RestoredProbes = Readonly<Record<string, RestoredProbe>>;

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
  const found: Record<string, RestoredProbe> = {};
  for (const [name, record] of probesOf(snapshot, member)) {
    context.progress({ step: 'probe', member, message: name });
    found[name] = { member, ...(await askOne(snapshot, record, held, context)) };
  }
  return found;
}

async function askOne(
  snapshot: OpenSnapshot,
  record: ProbeRecord,
  held: Held,
  context: Context,
): Promise<Omit<RestoredProbe, 'member'>> {
  const before = outcomeOfProbe(record);
  if (before === 'failed' || before === 'unsteady')
    return { outcome: 'unasked', message: `Nothing to compare with. At the cut: ${probeMessage(record)}` };
  if (held.answers === undefined)
    return {
      outcome: 'unasked',
      message: 'What is restored in this way can be asked after the release only.',
    };
  const captured = parseAnswer(await readJson(snapshot.blobs(record.member), record.answer!.digest));
  let restored: Answer;
  try {
    restored = await askWithin(held.answers, record, record.timeoutMs, context.signal);
  } catch (thrown) {
    throwIfAborted(context.signal);
    return { outcome: 'failed', message: `no answer: ${toStasisError(thrown, 'probe.failed').message}` };
  }
  const difference = answerDifference(captured, restored, record.comparison);
  const already = before === 'unmet' ? ', which was not the expected answer at the cut either' : '';
  if (difference !== undefined) return { outcome: 'different', message: difference };
  return { outcome: 'equal', message: `the same answer as at the cut${already}` };
}

/** Of a member that runs already, and changes all the time. */
export function unaskedProbes(snapshot: OpenSnapshot, member: string): RestoredProbes {
  const message = 'The member has been running since an earlier try of this restore.';
  return Object.fromEntries(
    probesOf(snapshot, member).map(([name]) => [name, { member, outcome: 'unasked', message }]),
  );
}

function probesOf({ manifest }: OpenSnapshot, member: string): [string, ProbeRecord][] {
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
