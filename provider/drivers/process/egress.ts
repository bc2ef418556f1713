import type { Context } from '../../core/context.ts';
import type { Egress } from '../../core/controls.ts';
import type { Host } from '../../core/host.ts';
import { insistOnFiller } from '../../runtime/filler.ts';
import { runScript } from '../../runtime/machine.ts';
import { placeOf } from './place.ts';
import { connectionArguments, warnOfSilentPorts } from './ports.ts';
import { SET_EGRESS } from './restore-scripts.ts';
import type { ProcessSpec } from './spec.ts';

/**
 * Members of one restore share a network, so that one that has been blocked or opened is so for all. Which ports lead to
 * a member is its own.
 */
export async function setProcessEgress(
  spec: ProcessSpec,
  host: Host,
  egress: Egress,
  restoreId: string,
  { signal, logger }: Context,
): Promise<void> {
  const place = placeOf(spec, restoreId);
  await insistOnFiller(place.record, restoreId, host, signal);
  const connection = [place.network, egress, place.group, ...connectionArguments(spec)];
  const said = await runScript(host, SET_EGRESS, connection, { signal });
  warnOfSilentPorts(said, place.pidFile, host, logger);
}
