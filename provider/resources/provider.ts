import { z } from 'zod';
import type { ProviderDefinition, Values } from '../core/resource.ts';
import { problemsOf } from '../core/schema.ts';
import { applicationDefinition } from './application.ts';
import { comparisonDefinition } from './comparison.ts';
import { drillDefinition } from './drill.ts';
import { getSnapshotDefinition, getSnapshotsDefinition } from './get-snapshot.ts';
import { restoreDefinition } from './restore.ts';
import { type Defaults, type Services, withHosts } from './services.ts';
import { snapshotDefinition } from './snapshot.ts';
import { storeSchema } from './stores.ts';

const HOST_NAME = 'A host name has up to 63 letters, digits, "-" and "_", and starts with a letter or digit';

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
  const hosts = z
    .record(z.string().regex(/^[A-Za-z0-9][A-Za-z0-9_-]{0,62}$/, HOST_NAME), services.hostType.spec)
    .optional()
    .describe(
      'Machines that members are on, by names of your own. A member says `host`; without it, it is seen from here.',
    );
  const configured = configuration.extend({ hosts });
  return {
    version: services.version,
    configuration: configured,
    check: (values) => problemsOf(configured, values),
    catalog: (values) => {
      const defaults = defaultsOf(values);
      const known = withHosts(services, values);
      const snapshot = snapshotDefinition(known, defaults);
      const restore = restoreDefinition(known, defaults);
      return {
        resources: [
          snapshot,
          restore,
          drillDefinition(known, defaults),
          comparisonDefinition(known, defaults),
        ],
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
