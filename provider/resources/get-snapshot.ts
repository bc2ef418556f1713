import { z } from 'zod';
import type { Context } from '../core/context.ts';
import { StasisError } from '../core/errors.ts';
import { formatReference, isName } from '../core/reference.ts';
import type { FunctionDefinition, Values } from '../core/resource.ts';
import type { Store } from '../core/store.ts';
import { certificatesOf } from './drill-certificates.ts';
import { GET_SNAPSHOT_EXAMPLES, GET_SNAPSHOTS_EXAMPLES } from './examples.ts';
import { resolveSnapshot } from './lookup.ts';
import type { Defaults, Services } from './services.ts';
import { FOUND_OUTPUTS, foundOutputs, SNAPSHOT_OUTPUTS } from './snapshot-outputs.ts';
import { openStore, storeSchema } from './stores.ts';

/** Looks up one sealed snapshot. */
export function getSnapshotDefinition(services: Services, defaults: Defaults): FunctionDefinition {
  return {
    name: 'getSnapshot',
    dataSource: 'snapshot',
    summary: 'Looks up one sealed snapshot by name, generation or digest.',
    inputs: z.strictObject({
      snapshot: z.string().describe('name for the newest, name:generation, or name@sha256:….'),
      store: storeSchema(services.storeTypes).optional(),
    }),
    outputs: FOUND_OUTPUTS.extend({
      drilledAt: z
        .string()
        .describe('When it was last rehearsed, ISO 8601, as its newest certificate says; empty if never.'),
      drillVerdict: z
        .string()
        .describe(
          'What that found: identical, equivalent, drifted or unverified; empty if never. Whose word it is "stasis verify-drill" tells.',
        ),
    }),
    examples: GET_SNAPSHOT_EXAMPLES,
    async call(inputs: Values, context: Context): Promise<Values> {
      const store = await openStore(services, defaults, inputs.store, context);
      const found = await resolveSnapshot(store, String(inputs.snapshot));
      const [newest] = await certificatesOf(store, found.digest, context);
      return {
        ...foundOutputs(await store.open(found.name, found.digest, context)),
        drilledAt: newest?.facts.finishedAt ?? '',
        drillVerdict: newest?.facts.verdict ?? '',
      };
    },
  };
}

const generation = SNAPSHOT_OUTPUTS.pick({
  reference: true,
  digest: true,
  generation: true,
  cutAt: true,
}).meta({ typeName: 'Generation' });

/** Looks up all sealed snapshots of a name, newest first; none is an error. */
export function getSnapshotsDefinition(services: Services, defaults: Defaults): FunctionDefinition {
  return {
    name: 'getSnapshots',
    dataSource: 'snapshots',
    summary: 'Looks up all sealed snapshots of a name, newest first.',
    inputs: z.strictObject({
      name: z.string().refine(isName, 'This is not a snapshot name').describe('The name.'),
      store: storeSchema(services.storeTypes).optional(),
    }),
    outputs: z.object({
      snapshots: z.array(generation).describe('The sealed snapshots, newest first.'),
    }),
    examples: GET_SNAPSHOTS_EXAMPLES,
    async call(inputs: Values, context: Context): Promise<Values> {
      const store = await openStore(services, defaults, inputs.store, context);
      return { snapshots: await listGenerations(store, String(inputs.name)) };
    },
  };
}

async function listGenerations(store: Store, name: string): Promise<Values[]> {
  const generations = (await store.name(name))?.generations ?? [];
  if (generations.length === 0)
    throw new StasisError('snapshot.none', `The store ${store.location} has no snapshot named "${name}".`, {
      hint: 'Capture one first, or name another store.',
      at: ['name'],
    });
  return generations
    .toSorted((a, b) => b.generation - a.generation)
    .map(({ digest, generation: number, cutAt }) => ({
      reference: formatReference({ name, digest }),
      digest,
      generation: number,
      cutAt,
    }));
}
