import { z } from 'zod';
import type { Context } from '../core/context.ts';
import { StasisError } from '../core/errors.ts';
import { hasUnknown, UNKNOWN, type Unknown } from '../core/resource.ts';
import type { Store, StoreType } from '../core/store.ts';
import type { Defaults, Services } from './services.ts';

/** One object with the fields of every kind of store; which kind it is follows from the fields that are set. */
export function storeSchema(types: readonly StoreType[]): z.ZodObject {
  const fields: Record<string, z.ZodType> = {};
  for (const { spec } of types)
    if (spec instanceof z.ZodObject)
      for (const [name, field] of Object.entries(spec.shape)) fields[name] = (field as z.ZodType).optional();
  return z.strictObject(fields).describe('Where snapshots live.').meta({ typeName: 'Store' });
}

/**
 * The kind of store and its spec, of a resource's own `store` or of the provider's default.
 * @throws StasisError `store.none`, `store.ambiguous`
 */
function chooseStore(
  services: Services,
  defaults: Defaults,
  store: unknown,
): { type: StoreType; spec: unknown } {
  const given = store ?? defaults.store;
  if (given === undefined || given === null)
    throw new StasisError('store.none', 'No store is named.', {
      hint: 'Set store = { path = "./snapshots" } here or in the provider\'s configuration.',
      at: ['store'],
    });
  const fits = services.storeTypes
    .map((type) => ({ type, parsed: z.safeParse(type.spec, given) }))
    .filter(({ parsed }) => parsed.success);
  const [fit] = fits;
  if (fit === undefined || fits.length > 1)
    throw new StasisError('store.ambiguous', 'These attributes do not name one store.', {
      hint: services.storeTypes.map(({ name, summary }) => `${name}: ${summary}`).join(' '),
      at: ['store'],
    });
  return { type: fit.type, spec: fit.parsed.data };
}

export async function openStore(
  services: Services,
  defaults: Defaults,
  store: unknown,
  context: Context,
): Promise<Store> {
  const { type, spec } = chooseStore(services, defaults, store);
  return atStore(() => type.open(spec, context));
}

/** Where the store is, without opening it; `UNKNOWN` while its attributes are. */
export async function locateStore(
  services: Services,
  defaults: Defaults,
  store: unknown,
): Promise<string | Unknown> {
  if (hasUnknown(store ?? defaults.store)) return UNKNOWN;
  const { type, spec } = chooseStore(services, defaults, store);
  return atStore(() => type.locate(spec));
}

/** What a store says is wrong with it, at the user's attribute. */
export async function atStore<T>(work: () => Promise<T>): Promise<T> {
  try {
    return await work();
  } catch (error) {
    throw error instanceof StasisError ? error.within('store') : error;
  }
}

/** A resource's id names its store and its name: `/srv/snapshots#shop`. */
export function formatId(location: string, name: string): string {
  return `${location}#${name}`;
}

/** The last `#` separates; without one it is a name in the default store. */
export function parseId(id: string): { readonly location?: string; readonly name: string } {
  const at = id.lastIndexOf('#');
  return at < 0 ? { name: id } : { location: id.slice(0, at), name: id.slice(at + 1) };
}
