import type { Context } from '../../core/context.ts';
import type { CapturePlan } from '../../core/driver.ts';
import { StasisError } from '../../core/errors.ts';
import type { Host } from '../../core/host.ts';
import { runParts } from '../../runtime/machine.ts';
import { accessWithAgent } from './agent/access.ts';
import { agentProblems } from './agent/freeze.ts';
import { type PortableArguments, portableArguments } from './arguments.ts';
import { type PortableDomain, portableDomain } from './domain.ts';
import { readFacts, type VmFacts } from './facts.ts';
import { type Access, accessOf, relayOf } from './monitor/access.ts';
import { Monitor } from './monitor/monitor.ts';
import { obstaclesOf, outsideOf, toolProblems } from './obstacles.ts';
import { scratchOf, type VmSpec, withMemory } from './spec.ts';

/** How the machine is made again on another host. */
export type Made =
  | ({ readonly kind: 'arguments' } & PortableArguments)
  | ({ readonly kind: 'domain' } & PortableDomain);

export interface Inspection {
  readonly facts: VmFacts;
  readonly made: Made;
  /** How the guest's agent is spoken to, where it is to freeze file systems. */
  readonly withAgent: Access | undefined;
  readonly problems: readonly StasisError[];
}

/** A stop, the devices' state and protecting the memory, which reads all of it once (QEMU 11.1, TCG, two busy cores). */
const STOP_MS = 60;
const PROTECT_MS_PER_MB = 0.15;
/** A freeze of the guest's file systems, with little in its caches, and a thaw (likewise). */
const FREEZE_MS = 100;

const MACHINE = `
scratch=$1
part uid; id -u
for program in socat ncat nc virsh qemu-img; do part $program; command -v $program; done
part room; df -Pk -- "$scratch" | tail -n 1
part writable; [ -d "$scratch" ] && [ -w "$scratch" ] && echo yes
part place; cat /proc/sys/kernel/random/boot_id; readlink /proc/self/ns/pid
`;

export type MachineFacts = ReadonlyMap<string, string>;

export function readMachine(spec: VmSpec, host: Host, signal: AbortSignal): Promise<MachineFacts> {
  return runParts(host, MACHINE, [scratchOf(spec)], signal);
}

/** All that plan and prepare have to know of a VM that answers. Reads only. */
export async function inspectVm(
  spec: VmSpec,
  monitor: Monitor,
  host: Host,
  signal: AbortSignal,
): Promise<Inspection> {
  const [facts, machine] = await Promise.all([
    readFacts(monitor, host, signal),
    readMachine(spec, host, signal),
  ]);
  const made = await madeOf(spec, facts, host, signal);
  const withAgent = await accessWithAgent(spec, accessOf(spec), host, signal);
  // A guest that does not run does not answer.
  const asks = withAgent !== undefined && facts.state === 'running';
  const problems = [
    ...toolProblems(spec, machine, host),
    ...obstaclesOf(spec, facts, made, machine, host),
    ...made.problems,
    ...(asks ? await agentProblems(spec, withAgent, host, signal) : []),
  ];
  return { facts, made, withAgent, problems };
}

async function madeOf(spec: VmSpec, facts: VmFacts, host: Host, signal: AbortSignal): Promise<Made> {
  const disks = facts.disks.map(({ path }) => path);
  if (spec.domain !== undefined)
    return { kind: 'domain', ...(await portableDomain(spec, disks, host, signal)) };
  const { argv = [], cwd = '/' } = facts.process ?? {};
  return { kind: 'arguments', ...portableArguments(argv, cwd, facts.machine.type, disks) };
}

export async function planCapture(spec: VmSpec, host: Host, context: Context): Promise<CapturePlan> {
  const { signal } = context;
  const nothing = { identities: [], folders: [], sizeBytes: 0, pauseMs: 0, outside: [], system: {} };
  const machine = await readMachine(spec, host, signal);
  const missing = toolProblems(spec, machine, host);
  if (missing.length > 0) return { ...nothing, problems: missing };
  try {
    await using monitor = await Monitor.open(host, relayOf(accessOf(spec), ''), signal);
    const { facts, withAgent, problems } = await inspectVm(spec, monitor, host, signal);
    return {
      ...sizes(spec, facts, withAgent !== undefined),
      problems,
      folders: [],
      outside: outsideOf(spec, facts, withAgent ? 'frozen' : 'as-after-a-power-cut'),
      system: systemOf(facts),
      identities: [identity(machine, facts)],
    };
  } catch (error) {
    if (!(error instanceof StasisError) || error.code === 'cancelled') throw error;
    const at = error.at.length > 0 ? error.at : [spec.qmp === undefined ? 'domain' : 'qmp'];
    const placed = new StasisError(error.code, error.message, { hint: error.hint, at, cause: error });
    return { ...nothing, problems: [placed] };
  }
}

function sizes(
  spec: VmSpec,
  { disks, machine }: VmFacts,
  freezes: boolean,
): { sizeBytes: number; pauseMs: number } {
  const memoryBytes = withMemory(spec) ? machine.memoryBytes : 0;
  return {
    sizeBytes: memoryBytes + disks.reduce((sum, { usedBytes }) => sum + usedBytes, 0),
    pauseMs: STOP_MS + (memoryBytes / 1e6) * PROTECT_MS_PER_MB + (freezes ? FREEZE_MS : 0),
  };
}

export function systemOf({ machine }: VmFacts): Record<string, string> {
  const { version, type, accelerator } = machine;
  return { product: 'QEMU', version, machine: type, accelerator };
}

/** One QEMU is one process of one host, whatever names it. */
function identity(machine: MachineFacts, facts: VmFacts): string {
  return `vm:${(machine.get('place') ?? '').trim().replaceAll('\n', '/')}/${facts.process?.pid ?? 0}`;
}
