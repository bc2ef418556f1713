import { hash } from 'node:crypto';
import { endpointOf, folderOf, type VmSpec } from './spec.ts';

/**
 * Where one restored VM lives on its host. All names follow from the id of the restore and from the target, so that
 * whoever undoes it finds the same.
 */
export interface Place {
  /** Its own: disks, kernel, sockets, logs. It stays for as long as the VM. */
  readonly folder: string;
  /** Where QEMU answers until it is released. */
  readonly socket: string;
  readonly pidFile: string;
  /** The migration stream that it is loaded from. */
  readonly memory: string;
  /** What the target remembers of the restore that filled it. */
  readonly record: string;
}

export function placeOf(spec: VmSpec, restoreId: string): Place {
  const restore = hash('sha256', restoreId, 'hex').slice(0, 10);
  const member = hash('sha256', endpointOf(spec), 'hex').slice(0, 10);
  const folder = `${folderOf(spec)}/${restore}-${member}`;
  return {
    folder,
    // Beside the target's, so that it can take its place by a rename: a socket cannot change its file system.
    socket: `${spec.qmp ?? folder}.${restore}`,
    pidFile: `${folder}/stasis-qemu.pid`,
    memory: `${folder}/stasis-memory`,
    record: recordOf(spec),
  };
}

export function recordOf(spec: VmSpec): string {
  return `${folderOf(spec)}/${hash('sha256', endpointOf(spec), 'hex').slice(0, 10)}.json`;
}
