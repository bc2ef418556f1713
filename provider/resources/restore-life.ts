import { hash } from 'node:crypto';
import type { Context } from '../core/context.ts';
import { StasisError } from '../core/errors.ts';
import { formatReference, parseReference } from '../core/reference.ts';
import type { ResourceState, Values } from '../core/resource.ts';
import { openAt } from './lookup.ts';
import { identityOf, storedMembers } from './members.ts';
import { lostWorkOutputs } from './restore-outputs.ts';
import type { Services } from './services.ts';
import { parseId } from './stores.ts';

/** The pin by which a restore keeps its snapshot from being removed. */
export function pinOf(id: string): string {
  return `restore:${parseId(id).name}`;
}

/** The same for the same snapshot, targets and triggers: a retry after lost state finds what it has filled already. */
export function restoreIdOf(services: Services, digest: string, inputs: Values): string {
  const identity = identityOf(services, storedMembers(services, inputs.members));
  const triggers = Object.entries((inputs.triggers as Values | undefined) ?? {}).sort(([a], [b]) =>
    a < b ? -1 : 1,
  );
  const members = Object.entries(identity).sort(([a], [b]) => (a < b ? -1 : 1));
  return hash('sha256', JSON.stringify([digest, members, triggers]), 'hex').slice(0, 32);
}

/** A restore ran once; what is looked at again is whether its snapshot is still there. No member is contacted. */
export async function readRestore(
  services: Services,
  prior: ResourceState,
  context: Context,
): Promise<{ state: ResourceState; problems: readonly StasisError[] }> {
  const store = await openAt(services, {}, parseId(prior.id).location, context);
  const reference = parseReference(String(prior.outputs.reference));
  const record = await store.name(reference.name);
  const kept = record?.generations.some((entry) => entry.digest === reference.digest) === true;
  const problem = new StasisError(
    'restore.snapshot-lost',
    `The snapshot ${formatReference(reference)} that was restored is no longer in its store.`,
    {
      hint: 'The restored application is not touched by that; it only cannot be compared or restored from there again.',
      severity: 'warning',
    },
  );
  return { state: prior, problems: kept ? [] : [problem] };
}

/** A Restore's id is STORE#RESTORE-ID; the store remembers by its pin which snapshot that was. */
export async function importRestore(
  services: Services,
  id: string,
  context: Context,
): Promise<ResourceState> {
  const { location } = parseId(id);
  const store = await openAt(services, {}, location, context);
  for (const [name, record] of await store.names('')) {
    const pin = record.pins.find(({ by }) => by === pinOf(id));
    if (pin === undefined) continue;
    const reference = formatReference({ name, digest: pin.digest });
    const outputs = {
      reference,
      verdict: 'unverified',
      differences: [],
      restoreMs: 0,
      probeResults: {},
      results: {},
      warmth: {},
      ...lostWorkOutputs({}),
      safetyReference: '',
    };
    return { id, stored: { snapshot: reference }, outputs };
  }
  throw new StasisError('restore.none', `The store knows no restore "${id}".`, {
    hint: 'The id is the store, "#" and the restore\'s id, as in the resource\'s id output.',
  });
}

/** Never touches the target's data: only lets the snapshot go. */
export async function removeRestore(
  services: Services,
  prior: ResourceState,
  context: Context,
): Promise<readonly StasisError[]> {
  const store = await openAt(services, {}, parseId(prior.id).location, context);
  await store.unpin(parseReference(String(prior.outputs.reference)).name, pinOf(prior.id));
  return [];
}
