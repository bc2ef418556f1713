import { isDeepStrictEqual } from 'node:util';
import { z } from 'zod';
import { egressProblems, setEgress } from '../coordinator/egress.ts';
import type { Member } from '../coordinator/member.ts';
import { lockTargets } from '../coordinator/restore.ts';
import type { Context } from '../core/context.ts';
import type { Egress } from '../core/controls.ts';
import type { StasisError } from '../core/errors.ts';
import { parseReference } from '../core/reference.ts';
import type { ResourceState, Values } from '../core/resource.ts';
import { storeOf } from './lookup.ts';
import { connectionsOf, resolveMembers, storedMembers } from './members.ts';
import { fencedIdOf } from './restore-fence.ts';
import { restoreIdOf } from './restore-life.ts';
import type { Services } from './services.ts';

export const EGRESS_INPUT = z
  .enum(['open', 'blocked'])
  .optional()
  .describe(
    'Whether what is restored may speak to others than the members of this restore, which "blocked" keeps it from, so that a rehearsal sends no mail and no payments. Changing it blocks or opens what runs, in place, and restores nothing again. open unless said.',
  )
  .meta({ typeName: 'Egress' });

export function egressOf({ egress }: Values): Egress {
  return egress === 'blocked' ? 'blocked' : 'open';
}

/** What a change alone of `egress` cannot do to members that run already. */
export function plannedEgress(
  prior: ResourceState,
  inputs: Values,
  members: readonly Member[],
): StasisError[] {
  return isEgressChanged(prior, inputs) ? egressProblems(members, egressOf(inputs), {}) : [];
}

/** Where it has changed, or how a member is connected, and nothing is restored again: it is put into effect on what runs. */
export async function syncEgress(
  { services }: { readonly services: Services },
  prior: ResourceState,
  inputs: Values,
  context: Context,
): Promise<void> {
  if (!isEgressChanged(prior, inputs) && !areConnectionsChanged(services, prior, inputs)) return;
  const { members, problems } = resolveMembers(services, inputs.members);
  if (problems[0]) throw problems[0];
  const { store } = await storeOf(services, prior, context);
  await using _locks = await lockTargets({ store, members }, context);
  const { name, digest } = parseReference(String(prior.outputs.reference));
  const restoreId = fencedIdOf(name) ?? restoreIdOf(services, digest!, inputs);
  await setEgress(members, egressOf(inputs), restoreId, context);
}

function isEgressChanged(prior: ResourceState, inputs: Values): boolean {
  return egressOf(prior.stored) !== egressOf(inputs);
}

function areConnectionsChanged(services: Services, prior: ResourceState, inputs: Values): boolean {
  const before = connectionsOf(services, prior.stored.members);
  return !isDeepStrictEqual(before, connectionsOf(services, storedMembers(services, inputs.members)));
}
