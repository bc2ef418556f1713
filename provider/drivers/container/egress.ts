import { z } from 'zod';
import type { Context } from '../../core/context.ts';
import type { Egress } from '../../core/controls.ts';
import type { Host } from '../../core/host.ts';
import { insistOnFiller } from '../../runtime/filler.ts';
import { runScript } from '../../runtime/machine.ts';
import { SET_EGRESS } from './egress-scripts.ts';
import { placeOf } from './place.ts';
import type { ContainerSpec } from './spec.ts';

const SET_MS = 45_000;
const recordSchema = z.looseObject({ containers: z.array(z.string()) });

export async function setContainerEgress(
  spec: ContainerSpec,
  host: Host,
  egress: Egress,
  restoreId: string,
  { signal }: Context,
): Promise<void> {
  const place = placeOf(spec, restoreId);
  const record = await insistOnFiller(place.record, restoreId, host, signal);
  const { containers } = recordSchema.parse(record);
  await runScript(host, SET_EGRESS, [egress, place.egressKey, ...containers], { signal, timeoutMs: SET_MS });
}
