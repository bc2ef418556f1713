import type { Context } from '../../core/context.ts';
import type { FenceControl } from '../../core/controls.ts';
import type { RestoreOptions } from '../../core/driver.ts';
import { StasisError } from '../../core/errors.ts';
import type { Host } from '../../core/host.ts';
import { type FencedGroups, liftGroups, raiseGroups, readStopped } from '../../runtime/fence.ts';
import { leaveGroup, ownGroup } from './group.ts';
import { inspect } from './plan.ts';
import type { ProcessSpec } from './spec.ts';

/** The tree is frozen in a group of its own, and every capture leaves it so until the fence is lifted. */
export const fence: FenceControl<ProcessSpec> = {
  obstacles: async (spec, at, { signal }) =>
    (await inspect(spec, at, signal)).problems.filter(({ severity }) => severity === 'error'),
  raise,
  readStopped: async (spec, at, { signal, clock }) => {
    const { group } = await fencedGroup(spec, at, signal);
    return readStopped([group], at, clock);
  },
};

async function raise(
  spec: ProcessSpec,
  at: Host,
  journal: RestoreOptions['journal'],
  { signal }: Context,
): Promise<void> {
  // Being moved into a group of its own is no change that would have to be undone; the next capture would use it.
  const found = await fencedGroup(spec, at, signal);
  await journal({ fencedGroups: [found] } satisfies FencedGroups);
  await raiseGroups([found.group], at, signal);
}

async function fencedGroup(spec: ProcessSpec, at: Host, signal: AbortSignal) {
  const { facts, surroundings, problems } = await inspect(spec, at, signal);
  if (facts === undefined || surroundings.groups === undefined)
    throw problems[0] ?? new StasisError('process.not-running', 'There is nothing to be fenced.');
  const { folder, home } = await ownGroup(spec, facts, surroundings.groups, at, signal);
  return { group: folder, ...(home !== undefined && { home }) };
}

/** Idempotent: what has ended is fine. Lets it run first, and then where it was. */
export async function lift({ fencedGroups }: FencedGroups, at: Host, { signal }: Context): Promise<void> {
  const groups = fencedGroups.map(({ group }) => group);
  await liftGroups(groups, at, signal);
  for (const { group, home } of fencedGroups) await leaveGroup({ folder: group, home }, at, signal);
}
