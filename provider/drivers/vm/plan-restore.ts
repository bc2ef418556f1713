import type { Context } from '../../core/context.ts';
import type { RestoreOptions, RestorePlan } from '../../core/driver.ts';
import { StasisError } from '../../core/errors.ts';
import type { Host } from '../../core/host.ts';
import type { MemberCapture } from '../../core/manifest.ts';
import { formatBytes } from '../../core/units.ts';
import { runParts } from '../../runtime/machine.ts';
import { readContent, type VmContent } from './content.ts';
import { versionNumber } from './facts.ts';
import { accessOf } from './monitor/access.ts';
import { toolProblems } from './obstacles.ts';
import { recordOf } from './place.ts';
import { readMachine } from './plan.ts';
import { probe } from './probe.ts';
import { endpointOf, folderOf, type VmSpec } from './spec.ts';

/** What a disk takes besides its content, and a VM besides its disks. */
const ROOM_FACTOR = 1.05;

/** What is at the target: WORDS... RECORD FOLDER BRIDGE... A socket's file alone is no VM. */
const LOOK = `
record=$1 folder=$2; shift 2
part alive; alive && echo yes
part record; cat -- "$record" 2> /dev/null
while [ ! -d "$folder" ]; do folder=$(dirname -- "$folder"); done
part room; df -Pk -- "$folder" | tail -n 1
part place; cat /proc/sys/kernel/random/boot_id; readlink /proc/self/ns/pid
part kvm; [ -w /dev/kvm ] && echo yes
for bridge; do part bridge $bridge; [ -d "/sys/class/net/$bridge" ] && echo yes; done
`;

export interface Target {
  readonly problems: readonly StasisError[];
  readonly empty: boolean;
  readonly restoredBy: string | undefined;
  readonly identity: string;
}

export async function planRestore(
  spec: VmSpec,
  host: Host,
  from: MemberCapture,
  context: Context,
): Promise<RestorePlan> {
  const content = readContent(from);
  const { problems, empty, restoredBy, identity } = await lookAtTarget(spec, host, content, context.signal);
  return {
    ...{ problems, empty, identities: [identity], sizeBytes: neededBytes(content) },
    ...(restoredBy === undefined ? {} : { restoredBy }),
  };
}

/** @throws StasisError what the plan says, and `vm.target-running` */
export async function insistOnTarget(
  spec: VmSpec,
  host: Host,
  content: VmContent,
  options: RestoreOptions,
  signal: AbortSignal,
): Promise<Target> {
  const target = await lookAtTarget(spec, host, content, signal);
  if (target.problems[0]) throw target.problems[0];
  if (!target.empty && !options.overwrite)
    throw new StasisError('vm.target-running', `There is a VM at ${endpointOf(spec)}.`, {
      hint: 'Restore to another place, or set overwrite to replace that VM.',
      at: [spec.qmp === undefined ? 'domain' : 'qmp'],
    });
  return target;
}

async function lookAtTarget(
  spec: VmSpec,
  host: Host,
  content: VmContent,
  signal: AbortSignal,
): Promise<Target> {
  const wrongKind = otherKind(spec, content);
  if (wrongKind)
    return { problems: [wrongKind], empty: true, restoredBy: undefined, identity: endpointOf(spec) };
  const machine = await readMachine(spec, host, signal);
  const { functions, words } = accessOf(spec);
  const args = [...words, recordOf(spec), folderOf(spec), ...content.bridges];
  const seen = await runParts(host, `${functions}\n${LOOK}`, args, signal);
  const text = (name: string): string => (seen.get(name) ?? '').trim();
  const missing = toolProblems(spec, machine, host);
  const problems =
    missing.length > 0
      ? missing
      : [...roomProblems(spec, content, text('room'), host), ...bridgeProblems(content, seen, host)];
  if (missing.length === 0)
    problems.push(...(await machineProblems(spec, content, text('kvm'), host, signal)));
  const alive = text('alive') !== '';
  const remembered = alive ? /"restoreId":"([^"]*)"/.exec(text('record'))?.[1] : undefined;
  return {
    problems,
    empty: !alive,
    restoredBy: remembered,
    identity: `vm:${text('place').replaceAll('\n', '/')}/${endpointOf(spec)}`,
  };
}

/** A command line makes no domain, and a domain no command line. */
function otherKind(spec: VmSpec, { made }: VmContent): StasisError | undefined {
  const wanted = 'argv' in made ? 'qmp' : 'domain';
  if ((spec.qmp === undefined ? 'domain' : 'qmp') === wanted) return undefined;
  return new StasisError('vm.other-kind', `The VM was captured by ${wanted}, and is restored by it.`, {
    hint: `Name the target by ${wanted}.`,
    at: [wanted === 'qmp' ? 'domain' : 'qmp'],
  });
}

/** Whether this host's QEMU can be the machine that was captured: its kind, its processor, its accelerator. */
async function machineProblems(
  spec: VmSpec,
  content: VmContent,
  kvm: string,
  host: Host,
  signal: AbortSignal,
): Promise<StasisError[]> {
  const { machine, made } = content;
  const at = [spec.qmp === undefined ? 'domain' : 'qmp'];
  const refuse = (code: string, message: string, hint: string): StasisError =>
    new StasisError(`vm.${code}`, message, { hint, at });
  if (machine.accelerator === 'kvm' && kvm === '')
    return [
      refuse(
        'no-kvm',
        `There is no KVM on ${host.name}, and the VM ran with it.`,
        'Restore on a host with /dev/kvm.',
      ),
    ];
  const program = 'argv' in made ? (made.argv[0] ?? '') : emulatorOf(made.xml);
  const found = await probe(program, machine.accelerator, host, signal);
  if (found === undefined)
    return [refuse('no-qemu', `There is no ${program} on ${host.name} that starts.`, 'Install QEMU there.')];
  const problems: StasisError[] = [];
  if (versionNumber(found.version) < versionNumber(machine.version) && content.memory)
    problems.push(
      refuse(
        'older-qemu',
        `QEMU on ${host.name} is ${found.version}, and the VM ran on ${machine.version}.`,
        'Memory goes to the same version or a newer one. Install it there, or capture with memory set to false.',
      ),
    );
  if (!found.machines.has(machine.type))
    problems.push(
      refuse(
        'no-machine',
        `QEMU ${found.version} on ${host.name} has no machine ${machine.type}.`,
        'Install a QEMU that has it.',
      ),
    );
  const lacking = found.processors.get(machine.cpuType);
  if (lacking === undefined || lacking.length > 0)
    problems.push(
      refuse(
        'other-processor',
        lacking === undefined
          ? `QEMU on ${host.name} has no processor ${machine.cpuType}.`
          : `The processor of ${host.name} lacks what the VM uses: ${lacking.join(', ')}.`,
        'Start the VM with a processor that both hosts have, such as -cpu x86-64-v2.',
      ),
    );
  return problems;
}

function emulatorOf(xml: string): string {
  return /<emulator>([^<]+)</.exec(xml)?.[1]?.split('/').at(-1) ?? 'qemu-system-x86_64';
}

function roomProblems(spec: VmSpec, content: VmContent, room: string, host: Host): StasisError[] {
  const freeBytes = Number(room.split(/\s+/)[3] ?? 0) * 1024;
  const needed = neededBytes(content);
  if (freeBytes >= needed) return [];
  return [
    new StasisError(
      'vm.no-room',
      `${folderOf(spec)} on ${host.name} has ${formatBytes(freeBytes)} of room, and the VM takes ${formatBytes(needed)}.`,
      { hint: 'Name a roomier folder.', at: ['folder'] },
    ),
  ];
}

/** Disks take what they hold, and the memory is there twice for a moment. */
function neededBytes({ disks, memory }: VmContent): number {
  const disk = disks.reduce((sum, { map }) => sum + map.sizeBytes, 0);
  return ROOM_FACTOR * (disk + 2 * (memory?.pages.sizeBytes ?? 0));
}

function bridgeProblems(
  { bridges }: VmContent,
  seen: ReadonlyMap<string, string>,
  host: Host,
): StasisError[] {
  return bridges
    .filter((name) => (seen.get(`bridge ${name}`) ?? '').trim() === '')
    .map(
      (name) =>
        new StasisError('vm.no-bridge', `There is no network device "${name}" on ${host.name}.`, {
          hint: 'The VM is plugged into it: make one of that name there.',
        }),
    );
}
