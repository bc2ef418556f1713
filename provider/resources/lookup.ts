import type { Context } from '../core/context.ts';
import { StasisError } from '../core/errors.ts';
import { formatReference, parseReference } from '../core/reference.ts';
import type { ResourceState } from '../core/resource.ts';
import type { GenerationEntry, Store } from '../core/store.ts';
import type { Defaults, Services } from './services.ts';
import { atStore, openStore, parseId } from './stores.ts';

/** The store at a location that an id names; the configured one where it names none. */
export async function openAt(
  services: Services,
  defaults: Defaults,
  location: string | undefined,
  context: Context,
): Promise<Store> {
  if (location === undefined) return openStore(services, defaults, undefined, context);
  for (const type of services.storeTypes) {
    const spec = type.at(location);
    if (spec !== undefined) return type.open(spec, context);
  }
  throw new StasisError(
    'store.unknown-location',
    `"${location}" is no place of a store that this version knows.`,
  );
}

/** The store that a resource's id names: refresh, removal and import need no configuration. */
export async function storeOf(
  services: Services,
  prior: ResourceState,
  context: Context,
): Promise<{ store: Store; name: string }> {
  const { location, name: snapshotName } = parseId(prior.id);
  const store = await openAt(services, {}, location, context);
  return { store, name: snapshotName };
}

/** As `resolveReference`, for what a user wrote as the input `snapshot`. */
export async function resolveSnapshot(store: Store, text: string): Promise<GenerationEntry> {
  try {
    return await resolveReference(store, text);
  } catch (error) {
    throw error instanceof StasisError && error.at.length === 0 ? error.within('snapshot') : error;
  }
}

/** @throws StasisError `snapshot.none`, `snapshot.no-generation` */
export async function resolveReference(store: Store, text: string): Promise<GenerationEntry> {
  const reference = parseReference(text);
  const record = await atStore(() => store.name(reference.name));
  const newestFirst = (record?.generations ?? []).toSorted((a, b) => b.generation - a.generation);
  if (newestFirst.length === 0)
    throw new StasisError(
      'snapshot.none',
      `The store ${store.location} has no snapshot named "${reference.name}".`,
      {
        hint: 'Capture one first, or name another store.',
      },
    );
  const found = newestFirst.find(
    (entry) =>
      (reference.digest === undefined || entry.digest === reference.digest) &&
      (reference.generation === undefined || entry.generation === reference.generation),
  );
  if (found) return found;
  throw new StasisError(
    'snapshot.no-generation',
    `${formatReference(reference)} is not in the store ${store.location}.`,
    {
      hint: `It has the generations ${newestFirst.map(({ generation }) => generation).join(', ')} of "${reference.name}".`,
    },
  );
}
