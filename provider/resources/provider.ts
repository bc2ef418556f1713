import { z } from 'zod';
import type { ProviderDefinition, Values } from '../core/resource.ts';
import { problemsOf } from '../core/schema.ts';
import { applicationDefinition } from './application.ts';
import { getSnapshotDefinition, getSnapshotsDefinition } from './get-snapshot.ts';
import { restoreDefinition } from './restore.ts';
import type { Defaults, Services } from './services.ts';
import { snapshotDefinition } from './snapshot.ts';
import { storeSchema } from './stores.ts';

/** The provider that every engine serves. */
export function makeProvider(services: Services): ProviderDefinition {
  const configuration = z.strictObject({
    store: storeSchema(services.storeTypes)
      .optional()
      .describe('Where snapshots live, unless a resource says otherwise.'),
    maxPauseMs: z
      .number()
      .int()
      .positive()
      .optional()
      .describe('How long members may be paused, in milliseconds, unless a resource says otherwise.'),
    maxBlurMs: z
      .number()
      .nonnegative()
      .optional()
      .describe('How much blur is accepted, in milliseconds, unless a resource says otherwise.'),
  });
  return {
    version: services.version,
    configuration,
    check: (values) => problemsOf(configuration, values),
    catalog: (values) => {
      const defaults = defaultsOf(values);
      const snapshot = snapshotDefinition(services, defaults);
      const restore = restoreDefinition(services, defaults);
      return {
        resources: [snapshot, restore],
        components: [applicationDefinition(snapshot, restore)],
        functions: [getSnapshotDefinition(services, defaults), getSnapshotsDefinition(services, defaults)],
      };
    },
  };
}

function defaultsOf(values: Values): Defaults {
  return {
    store: (values.store as Defaults['store']) ?? undefined,
    maxPauseMs: typeof values.maxPauseMs === 'number' ? values.maxPauseMs : undefined,
    maxBlurMs: typeof values.maxBlurMs === 'number' ? values.maxBlurMs : undefined,
  };
}
