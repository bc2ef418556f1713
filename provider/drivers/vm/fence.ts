import { z } from 'zod';
import type { Context } from '../../core/context.ts';
import type { FenceControl } from '../../core/controls.ts';
import type { RestoreOptions } from '../../core/driver.ts';
import { StasisError } from '../../core/errors.ts';
import type { Host } from '../../core/host.ts';
import { FENCE, isFenced } from './facts.ts';
import { accessOf, relayOf } from './monitor/access.ts';
import { Monitor } from './monitor/monitor.ts';
import { inspectVm, planCapture } from './plan.ts';
import { type VmSpec, withMemory } from './spec.ts';

const ALIVE_MS = 20_000;
const entrySchema = z.object({ fencedVm: z.literal(true) });

export function isFenceEntry(entry: unknown): boolean {
  return entrySchema.safeParse(entry).success;
}

/** QEMU stops it, and every capture leaves it so until the fence is lifted: the mark is in QEMU itself. */
export const fence: FenceControl<VmSpec> = {
  obstacles: async (spec, at, context) => {
    const { problems } = await planCapture(spec, at, context);
    const errors = problems.filter(({ severity }) => severity === 'error');
    return withMemory(spec) ? errors : [...errors, withoutMemory()];
  },
  raise,
};

/** The guest is not asked to write down what it has, and its memory would be lost: that is no move without loss. */
function withoutMemory(): StasisError {
  return new StasisError('vm.fence-without-memory', 'A VM without its memory cannot be moved without loss.', {
    hint: 'Capture it with its memory, or shut it down and move its disks as files.',
    at: ['memory'],
  });
}

async function raise(
  spec: VmSpec,
  at: Host,
  journal: RestoreOptions['journal'],
  { signal }: Context,
): Promise<void> {
  await using monitor = await Monitor.open(at, relayOf(accessOf(spec), ''), signal);
  const { facts, problems } = await inspectVm(spec, monitor, at, signal);
  const problem = problems.find(({ severity }) => severity === 'error');
  if (problem) throw problem;
  await journal({ fencedVm: true } satisfies z.infer<typeof entrySchema>);
  if (!facts.fenced) await monitor.execute('object-add', { 'qom-type': 'throttle-group', id: FENCE }, signal);
  await monitor.execute('stop', undefined, signal);
  const { status } = await monitor.execute<{ status: string }>('query-status', undefined, signal);
  if (status !== 'paused')
    throw new StasisError('vm.not-stopped', `QEMU was told to stop the VM, and it is ${status}.`);
}

/** Idempotent: one that has ended is fine. It runs before the mark goes, as whoever comes without it must find it running. */
export async function lift(spec: VmSpec, at: Host, { signal }: Context): Promise<void> {
  if (!(await isThere(spec, at, signal))) return;
  await using monitor = await Monitor.open(at, relayOf(accessOf(spec), ''), signal);
  if (!(await isFenced(monitor, signal))) return;
  await monitor.execute('cont', undefined, signal);
  await monitor.execute('object-del', { id: FENCE }, signal);
}

async function isThere(spec: VmSpec, at: Host, signal: AbortSignal): Promise<boolean> {
  const { functions, words } = accessOf(spec);
  const argv = ['sh', '-c', `${functions}\nalive`, 'stasis-alive', ...words];
  return (await at.run(argv, { signal, timeoutMs: ALIVE_MS })).status === 0;
}
