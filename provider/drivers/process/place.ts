import { hash } from 'node:crypto';
import { StasisError } from '../../core/errors.ts';
import { DEFAULT_ROOT, type ProcessSpec } from './spec.ts';

/**
 * Where one restored tree lives on its host. All names follow from the id of the restore and from the target, so that
 * whoever undoes it finds the same; members of one restore share its network.
 */
export interface Place {
  readonly pidFile: string;
  /** What the target remembers of the restore that filled it, beside its pid file. */
  readonly record: string;
  /** A network namespace, by its name in /run/netns. */
  readonly network: string;
  /** Keeps the restored folders, for as long as the tree lives. */
  readonly folder: string;
  /** Of its control group, below the place where version 2 is mounted. */
  readonly group: string;
}

/** @throws StasisError `process.target-needs-pid-file` */
export function placeOf(spec: ProcessSpec, restoreId: string): Place {
  const { pidFile } = spec;
  if (pidFile === undefined)
    throw new StasisError('process.target-needs-pid-file', 'A restored tree is addressed by a pid file.', {
      hint: 'Set pidFile: the number of the restored process is written into it.',
      at: ['pidFile'],
    });
  const restore = hash('sha256', restoreId, 'hex').slice(0, 10);
  const member = hash('sha256', pidFile, 'hex').slice(0, 10);
  return {
    pidFile,
    record: `${pidFile}.stasis`,
    network: `stasis-${restore}`,
    folder: `${spec.root ?? DEFAULT_ROOT}/${restore}-${member}`,
    group: `stasis-restored-${restore}-${member}`,
  };
}
