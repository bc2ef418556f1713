import { type Lab, startLab } from '../../scripts/lab/lab.ts';
import { ensureRoot } from '../../scripts/lab/root.ts';

export type { HostName, Lab, LabHost } from '../../scripts/lab/lab.ts';

/** Whether tests can have real hosts here. */
export interface LabHere {
  /** Why not; undefined where they can. For `testUnless`. */
  readonly reason: string | undefined;
  /** Starts a lab of the caller's own, within seconds. Whoever starts it disposes of it; it goes with this process. */
  start(): Promise<Lab>;
}

let started = 0;

/** Asked once a test file, at its top. Builds what the hosts are made of, should nobody have done so. */
export async function labOrReason(): Promise<LabHere> {
  const root = await ensureRoot();
  return {
    reason: typeof root === 'string' ? undefined : root.reason,
    start(): Promise<Lab> {
      if (typeof root !== 'string') throw new Error(root.reason);
      started += 1;
      return startLab(root, { name: `test-${process.pid}-${started}`, stays: false });
    },
  };
}
