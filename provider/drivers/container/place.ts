import { hash } from 'node:crypto';
import { type ContainerSpec, endpointOf } from './spec.ts';

const ROOT = '/var/lib/stasis';
const FELLOWS = '/run/stasis/fellows';

/** Where a restore works on its host. All names follow from its id and from the target, so that undoing finds them. */
export interface Place {
  /** What a restore needs while it works; gone afterwards. */
  readonly folder: string;
  /** What the target remembers of the restore that filled it. */
  readonly record: string;
  /** RESTORE/MEMBER, by which the host knows what is blocked. */
  readonly egressKey: string;
  /** FOLDER/RESTORE-MEMBER, where members of a restore name their addresses to one another until they are released. */
  readonly fellows: string;
}

export function placeOf(spec: ContainerSpec, restoreId: string): Place {
  const restore = hash('sha256', restoreId, 'hex').slice(0, 10);
  const member = hash('sha256', endpointOf(spec), 'hex').slice(0, 10);
  return {
    folder: `${ROOT}/container-${restore}-${member}`,
    record: `${ROOT}/containers/${member}.json`,
    egressKey: `${restore}/${member}`,
    fellows: `${FELLOWS}/${restore}-${member}`,
  };
}
