import { StasisError } from '../core/errors.ts';
import type { ResourceState } from '../core/resource.ts';
import type { Store } from '../core/store.ts';
import type { Services } from './services.ts';

/** Imported, and nothing was applied since: what is stored of its inputs is its name, or what the engine filled in. */
function isImported(prior: ResourceState): boolean {
  return prior.imported === true || prior.stored.members === undefined || prior.stored.members === null;
}

/** Whose name it is once this resource is applied: what a state says holds, also where its project has moved. */
export function ownerOf({ owner }: Services, prior: ResourceState | undefined): string {
  if (prior === undefined || isImported(prior)) return owner;
  return (prior.outputs.owner as string | undefined) ?? owner;
}

/**
 * Why a name may not be written, where it is somebody else's. Nobody's is what another tool has copied here; that of
 * whom it was imported from is taken over with the first apply.
 */
export async function ownedByAnother(
  services: Services,
  store: Store,
  name: string,
  prior: ResourceState | undefined,
): Promise<StasisError | undefined> {
  const owner = (await store.name(name))?.owner ?? '';
  const may = ['', ownerOf(services, prior), ...(prior && isImported(prior) ? [prior.outputs.owner] : [])];
  return may.includes(owner) ? undefined : owned(name, owner);
}

/**
 * Work on a name of ours. An import only reads, as engines import in previews too: the first apply after it takes the
 * name over, unless it has gone to yet another owner; when the work fails it is given back.
 *
 * @throws StasisError `store.owned`, and whatever the work throws
 */
export async function asOwner<T>(
  services: Services,
  store: Store,
  name: string,
  prior: ResourceState | undefined,
  work: () => Promise<T>,
): Promise<T> {
  const taken = prior && isImported(prior) ? await takeOver(services, store, name, prior) : undefined;
  try {
    return await work();
  } catch (error) {
    if (taken !== undefined) await store.adopt(name, taken);
    throw error;
  }
}

/** The owner before, where there was another one. */
async function takeOver(
  services: Services,
  store: Store,
  name: string,
  prior: ResourceState,
): Promise<string | undefined> {
  const record = await store.name(name);
  if (record === undefined || record.owner === services.owner) return undefined;
  if (record.owner !== '' && record.owner !== prior.outputs.owner) throw owned(name, record.owner);
  await store.adopt(name, services.owner);
  return record.owner;
}

function owned(name: string, owner: string): StasisError {
  return new StasisError(
    'store.owned',
    `The name "${name}" belongs to another resource in this store (${owner}).`,
    {
      hint: 'Choose another name, or take this one over: import it, or "stasis capture --adopt".',
      at: ['name'],
    },
  );
}
