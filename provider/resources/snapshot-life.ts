import type { Context } from '../core/context.ts';
import { parseDuration } from '../core/duration.ts';
import { StasisError, toStasisError } from '../core/errors.ts';
import { parseReference } from '../core/reference.ts';
import type { ResourceState, Values } from '../core/resource.ts';
import type { NameRecord } from '../core/store.ts';
import { drillProblem } from './drill-certificates.ts';
import { openAt, resolveReference, storeOf } from './lookup.ts';
import type { Defaults, Services } from './services.ts';
import { snapshotOutputs } from './snapshot-outputs.ts';
import { formatId, parseId } from './stores.ts';

/** What is lost or damaged is reported and kept in state: dropping it would plan a capture that nobody asked for. */
export async function readSnapshot(
  services: Services,
  prior: ResourceState,
  context: Context,
): Promise<{ state: ResourceState; problems: readonly StasisError[] }> {
  const { store, name: snapshotName } = await storeOf(services, prior, context);
  const digest = parseReference(String(prior.outputs.reference)).digest!;
  const record = await store.name(snapshotName);
  if (!record?.generations.some((entry) => entry.digest === digest))
    return { state: prior, problems: [lost(prior)] };
  const findings = await store.verify(digest, 'presence', context);
  const messages = findings.map(({ message }) => message);
  return {
    state: prior,
    problems: [...(messages.length > 0 ? [damaged(prior, messages)] : []), ...shared(prior, record)],
  };
}

/** Whether it was rehearsed of late, where the user asks for that. Only the store is looked at. */
export async function drillProblems(
  services: Services,
  prior: ResourceState,
  inputs: Values,
  context: Context,
): Promise<StasisError[]> {
  const maxAgeMs = typeof inputs.maxDrillAge === 'string' ? parseDuration(inputs.maxDrillAge) : undefined;
  if (maxAgeMs === undefined) return [];
  try {
    const { store } = await storeOf(services, prior, context);
    const reference = String(prior.outputs.reference);
    const { digest } = parseReference(reference);
    const problem = await drillProblem(store, { reference, digest: digest! }, maxAgeMs, context);
    return problem === undefined ? [] : [problem];
  } catch (error) {
    // That the store cannot be read is told by the refresh.
    const { code, message, hint } = toStasisError(error);
    return [new StasisError(code, message, { hint, at: ['maxDrillAge'], severity: 'warning' })];
  }
}

/**
 * Who else captures under this name: another owner that has taken it over, or another resource of the same project,
 * of which there are generations newer than ours.
 */
function shared(prior: ResourceState, { owner, generations }: NameRecord): StasisError[] {
  const name = String(prior.stored.name);
  if (owner !== prior.outputs.owner)
    return [
      new StasisError('snapshot.taken-over', `The name "${name}" belongs to ${owner || 'nobody'} now.`, {
        hint: 'Import it to take it back, or give this snapshot another name.',
        severity: 'warning',
      }),
    ];
  const newest = Math.max(...generations.map(({ generation }) => generation));
  if (newest <= Number(prior.outputs.generation)) return [];
  return [
    new StasisError(
      'snapshot.newer-generation',
      `The name "${name}" has generation ${newest}, and this resource made ${String(prior.outputs.generation)}.`,
      {
        hint: 'Another resource captures under the same name, or a run ended before its state was saved. Each snapshot in a store needs a name of its own.',
        severity: 'warning',
      },
    ),
  ];
}

const RETAKE =
  'It is never taken again by itself: change triggers (or replace the resource) to capture the application as it is now.';

function lost(prior: ResourceState): StasisError {
  return new StasisError(
    'snapshot.lost',
    `The snapshot ${String(prior.outputs.reference)} is no longer in its store.`,
    {
      hint: RETAKE,
      severity: 'warning',
    },
  );
}

function damaged(prior: ResourceState, messages: readonly string[]): StasisError {
  return new StasisError(
    'snapshot.damaged',
    `The snapshot ${String(prior.outputs.reference)} is damaged in its store: ${messages.slice(0, 3).join('; ')}.`,
    {
      hint: `Mend the store from a copy. ${RETAKE}`,
      severity: 'warning',
    },
  );
}

/**
 * An id is STORE#NAME, or a name in the provider's default store; with :GENERATION or @DIGEST for an older one. Nothing
 * is written: engines import in previews, and to look something up.
 */
export async function importSnapshot(
  services: Services,
  defaults: Defaults,
  id: string,
  context: Context,
): Promise<ResourceState> {
  const { location, name: text } = parseId(id);
  const reference = parseReference(text);
  const store = await openAt(services, defaults, location, context);
  const { digest } = await resolveReference(store, text);
  const snapshot = await store.open(reference.name, digest, context);
  const owner = (await store.name(reference.name))?.owner ?? '';
  return {
    id: formatId(store.location, reference.name),
    stored: { name: reference.name },
    outputs: { ...snapshotOutputs(snapshot), owner },
  };
}

/** Generations stay unless the user said `delete`; pinned ones always do, and those that came after it. */
export async function removeSnapshot(
  services: Services,
  prior: ResourceState,
  context: Context,
): Promise<readonly StasisError[]> {
  if (prior.stored.deletionPolicy !== 'delete') return [];
  const { store, name: snapshotName } = await storeOf(services, prior, context);
  const record = await store.name(snapshotName);
  // What is newer is of whatever took this one's place: it may have been created before this one is removed.
  const generations = (record?.generations ?? [])
    .map(({ generation }) => generation)
    .filter((generation) => generation <= Number(prior.outputs.generation));
  const pins = await store.remove(snapshotName, String(prior.outputs.owner), generations, context);
  return pins.map(
    (pin) =>
      new StasisError('snapshot.pinned', `${snapshotName}@${pin.digest} stays: it is pinned by ${pin.by}.`, {
        hint: 'Remove what pins it first, to have it deleted as well.',
        severity: 'warning',
      }),
  );
}
