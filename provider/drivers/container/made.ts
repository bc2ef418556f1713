import { z } from 'zod';
import type { Host } from '../../core/host.ts';
import { runScript } from '../../runtime/machine.ts';
import type { Content } from './content.ts';
import { DROP_EGRESS } from './egress-scripts.ts';
import type { Place } from './place.ts';
import type { Target } from './plan-restore.ts';
import { DROP } from './restore-scripts.ts';
import { type ContainerSpec, nameOf } from './spec.ts';

const DROP_MS = 120_000;

/** What a restore makes on its host, as KIND:NAME, in the order in which it goes again. */
export const journalSchema = z.object({
  record: z.string(),
  /** Absent in what an earlier version has journaled. */
  egressKey: z.string().optional(),
  restoreId: z.string(),
  groups: z.string(),
  made: z.array(z.string()),
});
export type Made = z.infer<typeof journalSchema>;

/** Decided before anything is made; with what overwriting replaces, as that is made anew. */
export function madeBy(
  spec: ContainerSpec,
  content: Content,
  ids: readonly string[],
  target: Target,
  place: Place,
  restoreId: string,
): Made {
  const fresh = <T>(wanted: readonly T[], there: readonly T[]): T[] =>
    wanted.filter((one) => !there.includes(one));
  const networks = fresh(
    content.networks.map(({ name }) => name),
    target.networks,
  );
  const images = fresh(
    content.images.map(({ id }) => id),
    target.images,
  );
  return {
    record: place.record,
    egressKey: place.egressKey,
    restoreId,
    groups: target.groups,
    made: [
      ...ids.map((id) => `container:${id}`),
      ...(content.pod ? [`pod:${nameOf(spec)}`] : []),
      ...content.volumes.map(({ name }) => `volume:${name}`),
      ...networks.map((name) => `network:${name}`),
      ...images.map((id) => `image:${id}`),
      ...[...content.folders.map(({ path }) => path), place.folder, place.fellows].map(
        (path) => `folder:${path}`,
      ),
    ],
  };
}

/** Leaves nothing of a restore that was not released. */
export async function dropMade(
  { groups, made, egressKey }: Pick<Made, 'groups' | 'made' | 'egressKey'>,
  host: Host,
): Promise<void> {
  const { signal } = new AbortController();
  await runScript(host, DROP, [groups, ...made], { signal, timeoutMs: DROP_MS });
  if (egressKey !== undefined) await runScript(host, DROP_EGRESS, [egressKey], { signal });
}
