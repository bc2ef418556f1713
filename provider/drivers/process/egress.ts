import type { Context } from '../../core/context.ts';
import type { Egress } from '../../core/driver.ts';
import type { Host } from '../../core/host.ts';
import { insistOnFiller } from '../../runtime/filler.ts';
import { runScript } from '../../runtime/machine.ts';
import { placeOf } from './place.ts';
import { SET_EGRESS } from './restore-scripts.ts';
import type { ProcessSpec } from './spec.ts';

/** Members of one restore share a network, so that one that has been set is set for all. */
export async function setProcessEgress(
  spec: ProcessSpec,
  host: Host,
  egress: Egress,
  restoreId: string,
  { signal }: Context,
): Promise<void> {
  const place = placeOf(spec, restoreId);
  await insistOnFiller(place.record, restoreId, host, signal);
  await runScript(host, SET_EGRESS, [place.network, egress], { signal });
}
