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
import { comparedOutputs } from './restore-outputs.ts';
import type { Services } from './services.ts';

/**
 * Whether two snapshots show the same state; outputs as a Restore names them. `left` and `right` are references; a
 * difference is `missing` when only the left one has the object.
 *
 * @throws StasisError `snapshot.none`, `snapshot.no-generation`, `compare.nothing`, `store.damaged`
 */
export async function compareSnapshots(
  store: Store,
  left: string,
  right: string,
  context: Context,
): Promise<Values> {
  const one = await openSide(store, left, context);
  const other = await openSide(store, right, context);
  return comparisonOutputs(
    one.reference,
    other.reference,
    await compare(one.comparable, other.comparable, context),
  );
}

/**
 * Whether running members, as a resource's inputs name them, still are what a snapshot shows.
 * @throws StasisError besides those of `compareSnapshots`, what is wrong with the members
 */
export async function compareWithRunning(
  services: Services,
  store: Store,
  reference: string,
  members: unknown,
  context: Context,
): Promise<Values> {
  const resolved = resolveMembers(services, members);
  const [problem] = resolved.problems;
  if (problem) throw problem;
  if (resolved.members.length === 0)
    throw new StasisError('members.none', 'There is no member to compare with.', { at: ['members'] });
  const side = await openSide(store, reference, context);
  const running = comparableMembers(resolved.members, context);
  return comparisonOutputs(side.reference, 'running', await compare(side.comparable, running, context));
}

async function openSide(
  store: Store,
  text: string,
  context: Context,
): Promise<{ readonly reference: string; readonly comparable: Comparable }> {
  const { name, digest } = await resolveReference(store, text);
  return {
    reference: formatReference({ name, digest }),
    comparable: comparableSnapshot(await store.open(name, digest, context)),
  };
}

function comparisonOutputs(left: string, right: string, result: ComparisonResult): Values {
  return { left, right, ...comparedOutputs(result) };
}
