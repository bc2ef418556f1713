import type { Driver } from '../../../provider/core/driver.ts';
import type { Host } from '../../../provider/core/host.ts';

/** The driver as it is on the host of each of its members: the suite knows of no other than this machine. */
export function boundTo<Spec>(driver: Driver<Spec>, hostOf: (spec: Spec) => Host): Driver {
  const bound: Driver<Spec> = {
    ...driver,
    plan: (spec, _, context) => driver.plan(spec, hostOf(spec), context),
    prepare: (spec, _, context) => driver.prepare(spec, hostOf(spec), context),
    planRestore: (spec, _, from, context) => driver.planRestore(spec, hostOf(spec), from, context),
    restore: (spec, _, from, blobs, options, context) =>
      driver.restore(spec, hostOf(spec), from, blobs, options, context),
    observe: (spec, _, context) => driver.observe(spec, hostOf(spec), context),
    undo: (spec, _, entry, context) => driver.undo(spec, hostOf(spec), entry, context),
  };
  // The specs that the suite hands on are those of the adapter that bound it.
  return bound as Driver;
}
