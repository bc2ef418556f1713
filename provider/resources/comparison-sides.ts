import {
  type Comparable,
  type ComparisonResult,
  comparableMembers,
  comparableSnapshot,
  compare,
} from '../coordinator/compare.ts';
import type { Context } from '../core/context.ts';
import { StasisError } from '../core/errors.ts';
import { formatReference } from '../core/reference.ts';
import type { Values } from '../core/resource.ts';
import type { Store } from '../core/store.ts';
import { resolveReference } from './lookup.ts';
import { resolveMembers } from './members.ts';
import { probeProblems, probesOf as questionsOf } from './probes.ts';
import { comparedOutputs, probesOf } from './restore-outputs.ts';
import type { Services } from './services.ts';

/** What is compared: a snapshot by its exact reference, or `running`. */
export interface Side {
  readonly name: string;
  readonly comparable: Comparable;
}

/** @throws StasisError `snapshot.none`, `snapshot.no-generation`, `store.damaged` */
export async function snapshotSide(
  { drivers }: Services,
  store: Store,
  text: string,
  context: Context,
): Promise<Side> {
  const { name, digest } = await resolveReference(store, text);
  return {
    name: formatReference({ name, digest }),
    comparable: comparableSnapshot(await store.open(name, digest, context), drivers),
  };
}

/**
 * Members that run, as a resource's inputs name them, and what else they are asked, as a Snapshot's inputs do.
 * @throws StasisError what is wrong with the members or the probes, `members.none`
 */
export function runningSide(services: Services, inputs: Values, context: Context): Side {
  const { members, problems } = resolveMembers(services, inputs.members);
  const [problem] = [...problems, ...probeProblems(services, inputs)];
  if (problem) throw problem;
  if (members.length === 0)
    throw new StasisError('members.none', 'There is no member to compare with.', { at: ['members'] });
  return { name: 'running', comparable: comparableMembers(members, context, questionsOf(inputs)) };
}

/** A difference is `missing` when only the left one has the object. @throws StasisError `compare.nothing` */
export function compareSides(left: Side, right: Side, context: Context): Promise<ComparisonResult> {
  return compare(left.comparable, right.comparable, context);
}

/** Outputs as a Restore names them. */
export function sidesOutputs(left: Side, right: Side, result: ComparisonResult): Values {
  return {
    ...{ left: left.name, right: right.name },
    ...comparedOutputs(result),
    probeResults: probesOf(result),
  };
}
