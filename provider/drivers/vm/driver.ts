import type { Context } from '../../core/context.ts';
import type { Driver, Examination, Held } from '../../core/driver.ts';
import type { Host } from '../../core/host.ts';
import { networkObstacles } from './egress.ts';
import { examineVm } from './examine.ts';
import { fence, isFenceEntry, lift } from './fence.ts';
import { planCapture } from './plan.ts';
import { planRestore } from './plan-restore.ts';
import { restoreVm, undoVm } from './restore.ts';
import { VmSession } from './session.ts';
import { endpointOf, type VmSpec, vmSpec } from './spec.ts';

/** A virtual machine of QEMU with its memory, devices and disks. See README.md. */
export const vmDriver: Driver<VmSpec> = {
  name: 'vm',
  summary: 'A virtual machine of QEMU with its memory, devices and disks, by QMP socket or libvirt domain.',
  spec: vmSpec,
  traits: { layers: ['compute', 'runtime', 'data'], fidelity: 'identical', copies: 'after-release', rank: 0 },
  endpoint: endpointOf,
  plan: planCapture,
  prepare: VmSession.open,
  planRestore,
  restore: restoreVm,
  observe,
  undo: (spec, at, entry, context) =>
    isFenceEntry(entry) ? lift(spec, at, context) : undoVm(at, entry, context),
  egress: { obstacles: networkObstacles, set: async () => {} },
  fence,
  examine: (at, context): Promise<Examination> => examineVm(at, context.signal),
};

/** How long it may be stopped to be looked at. */
const LEASE_MS = 10_000;

/** As it is at one instant from now: stopped and saved for that, and let go at once. */
async function observe(spec: VmSpec, at: Host, context: Context): Promise<Held> {
  const session = await VmSession.open(spec, at, context);
  try {
    await session.look(LEASE_MS, context.signal);
  } catch (error) {
    await session[Symbol.asyncDispose]();
    throw error;
  }
  return {
    fingerprint: () => session.fingerprintHere(),
    release: async () => {},
    [Symbol.asyncDispose]: () => session[Symbol.asyncDispose](),
  };
}
