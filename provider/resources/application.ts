import { z } from 'zod';
import type { ComponentDefinition, Register, ResourceDefinition, Values } from '../core/resource.ts';
import { APPLICATION_EXAMPLES } from './examples.ts';
import { RESTORE_OUTPUTS } from './restore-outputs.ts';
import { SNAPSHOT_OUTPUTS } from './snapshot-outputs.ts';

const KEPT = SNAPSHOT_OUTPUTS.pick({
  reference: true,
  generation: true,
  cutAt: true,
  sharp: true,
  blurMs: true,
  pauseMs: true,
  sizeBytes: true,
});

const RESTORED = RESTORE_OUTPUTS.pick({ verdict: true, differences: true, safetyReference: true }).partial();

/**
 * An application whose members and policy are declared once. A snapshot is taken before each change of its release,
 * and with `restoreTo` it is brought back to life elsewhere. Its inputs are those of the two resources.
 */
export function applicationDefinition(
  snapshot: ResourceDefinition,
  restore: ResourceDefinition,
): ComponentDefinition {
  const restoreTo = restore.inputs.omit({ snapshot: true, store: true }).meta({ typeName: 'RestoreTo' });
  return {
    name: 'Application',
    summary:
      'An application, its members and its policy declared once: a snapshot is taken before each change of its release, and restoreTo brings the newest one back to life elsewhere.',
    inputs: snapshot.inputs.omit({ triggers: true }).extend({
      release: z
        .string()
        .describe(
          'The release that the application is to run. Before another one is rolled out, the application is captured as it is.',
        ),
      restoreTo: restoreTo
        .optional()
        .describe(
          'Where to bring the application back to life: a target for every member. It is restored once; a change of the triggers in it restores the snapshot that is then the newest.',
        ),
    }),
    outputs: KEPT.extend({
      release: z
        .string()
        .describe(
          'The release, known once the snapshot before it is sealed: what rolls it out takes it from here, and so waits.',
        ),
      ...RESTORED.shape,
    }),
    examples: APPLICATION_EXAMPLES,
    build,
  };
}

async function build(name: string, inputs: Values, register: Register): Promise<Values> {
  const { release, restoreTo, ...policy } = inputs;
  const taken = await register('Snapshot', name, { ...policy, triggers: { release } });
  const kept = { ...pick(KEPT, taken), release };
  if (restoreTo === undefined || restoreTo === null) return kept;
  const restored = await register('Restore', name, {
    ...(restoreTo as Values),
    ...(policy.store === undefined ? {} : { store: policy.store }),
    snapshot: taken.reference,
  });
  return { ...kept, ...pick(RESTORED, restored) };
}

function pick(outputs: z.ZodObject, values: Values): Values {
  return Object.fromEntries(Object.keys(outputs.shape).map((key) => [key, values[key]]));
}
