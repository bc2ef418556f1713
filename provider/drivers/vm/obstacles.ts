import { StasisError } from '../../core/errors.ts';
import type { Host } from '../../core/host.ts';
import type { OutsideItem } from '../../core/manifest.ts';
import { formatBytes } from '../../core/units.ts';
import type { FileSystems } from './agent/freeze.ts';
import { type VmFacts, versionNumber } from './facts.ts';
import type { MachineFacts, Made } from './plan.ts';
import { scratchOf, type VmSpec, withMemory } from './spec.ts';

/** Saves memory into a file by itself, and lets a guest go on whose background snapshot fails. */
const OLDEST_QEMU = '8.2.0';
/** What memory takes in a file besides its pages, and what the disks' scratch files may grow at least. */
const ROOM_FACTOR = 1.1;
const ROOM_BYTES = 256 * 1024 * 1024;

/** What belongs to the host, or is shared with strangers: its state is not in QEMU. */
const FOREIGN: readonly (readonly [pattern: RegExp, what: string])[] = [
  [/^vfio|^iommufd/, 'a device of the host that is passed through'],
  [/^usb-host$|^usb-redir$/, 'a USB device of the host'],
  [/^ivshmem/, 'memory that is shared with others'],
  [/^vhost-(user|scsi|vsock)/, 'a device that another process serves'],
  [/^virtio-9p|^vhost-user-fs|^virtio-fs/, 'a folder of the host'],
  [/^tpm-/, 'a TPM, whose state another process keeps'],
];

/** What the host lacks, whatever the VM. */
export function toolProblems(spec: VmSpec, machine: MachineFacts, host: Host): StasisError[] {
  const has = (program: string): boolean => (machine.get(program) ?? '').trim() !== '';
  const problems: StasisError[] = [];
  const missing = (code: string, message: string, hint: string): void => {
    problems.push(new StasisError(`vm.${code}`, message, { hint }));
  };
  if (spec.qmp !== undefined && !['socat', 'ncat', 'nc'].some(has))
    missing(
      'no-socat',
      `Nothing on ${host.name} can speak to a Unix socket.`,
      'Install socat: apt-get install socat.',
    );
  if (spec.domain !== undefined && !has('virsh'))
    missing('no-virsh', `There is no virsh on ${host.name}.`, 'apt-get install libvirt-clients.');
  if (!has('qemu-img'))
    missing('no-qemu-img', `There is no qemu-img on ${host.name}.`, 'apt-get install qemu-utils.');
  return problems;
}

/** Why this VM cannot be captured. */
export function obstaclesOf(
  spec: VmSpec,
  facts: VmFacts,
  made: Made,
  machine: MachineFacts,
  host: Host,
): StasisError[] {
  const at = [spec.qmp === undefined ? 'domain' : 'qmp'];
  const problems: StasisError[] = [];
  const refuse = (code: string, message: string, hint: string, where = at): void => {
    problems.push(new StasisError(`vm.${code}`, message, { hint, at: where }));
  };
  if (facts.process === undefined)
    refuse(
      'processors-not-seen',
      `The threads of the VM's processors are not seen on ${host.name}.`,
      'Name the host on which QEMU runs, and log in as a user who sees its processes: nothing else shows that it stood still.',
    );
  else if (Number(machine.get('uid')) !== 0 && Number(machine.get('uid')) !== facts.process.uid)
    refuse(
      'not-root',
      `Commands on ${host.name} run neither as root nor as who QEMU runs as.`,
      'Log in as either.',
    );
  if (facts.state !== 'running' && !(facts.fenced && facts.state === 'paused'))
    refuse(
      'not-running',
      `The VM is ${facts.state}.`,
      'Let it run, or end it and capture its disks as files.',
    );
  if (facts.busy.length > 0)
    refuse(
      'busy',
      `QEMU is busy: ${facts.busy.join(', ')}.`,
      'Wait for its end; a backup or another capture may be under way.',
    );
  for (const [pattern, what] of FOREIGN) {
    const found = facts.devices.find((type) => pattern.test(type));
    if (found)
      refuse(
        'foreign-device',
        `The VM has ${what} (${found}).`,
        'Its state is not in the VM: capture without it.',
      );
  }
  problems.push(...diskProblems(facts, made, at), ...roomProblems(spec, facts, machine, host));
  if (withMemory(spec)) problems.push(...memoryProblems(facts, at));
  return problems;
}

function memoryProblems(facts: VmFacts, at: string[]): StasisError[] {
  const { machine, process, blockers } = facts;
  const disksOnly = 'Set memory to false to capture the disks alone.';
  const problems = blockers.map(
    (why) =>
      new StasisError('vm.not-migratable', `QEMU cannot save this VM's memory: ${why.replace(/\.$/, '')}.`, {
        hint: disksOnly,
        at,
      }),
  );
  if (versionNumber(machine.version) < versionNumber(OLDEST_QEMU))
    problems.push(
      new StasisError(
        'vm.qemu-too-old',
        `QEMU ${machine.version} cannot save memory beside a running VM safely.`,
        {
          hint: `It takes QEMU ${OLDEST_QEMU} or newer. ${disksOnly}`,
          at,
        },
      ),
    );
  if (process && !process.protects)
    problems.push(
      new StasisError(
        'vm.memory-not-protectable',
        'QEMU has no right to protect its memory while it is saved.',
        {
          hint: `Allow it with: sysctl vm.unprivileged_userfaultfd=1. ${disksOnly}`,
          at,
        },
      ),
    );
  if (
    process?.argv.some((argument) => /memory-backend/.test(argument) && /share["=:]*(on|true)/.test(argument))
  )
    problems.push(
      new StasisError('vm.shared-memory', "The VM's memory is shared with other processes.", {
        hint: `They may write to it while the VM stands still: start it without share=on. ${disksOnly}`,
        at,
      }),
    );
  return problems;
}

const FORMATS = ['qcow2', 'raw'];

/** A disk of which a restored VM would not get a copy of its own would be written by two VMs. */
function diskProblems({ disks }: VmFacts, made: Made, at: string[]): StasisError[] {
  const odd = disks.filter(({ format }) => !FORMATS.includes(format));
  const lost = disks.filter(({ path }) => !made.disks.has(path) && !(made.files?.has(path) ?? false));
  return [
    ...odd.map(
      ({ name, format }) =>
        new StasisError('vm.disk-format', `The disk "${name}" is of the format ${format}.`, {
          hint: 'Disks of the formats qcow2 and raw can be captured.',
          at,
        }),
    ),
    ...lost.map(
      ({ name, path }) =>
        new StasisError(
          'vm.disk-not-portable',
          `The disk "${name}" (${path}) cannot be given to a restored VM.`,
          {
            hint: 'Disks in files and on block devices of the host can be captured: name it so on the command line.',
            at,
          },
        ),
    ),
  ];
}

function roomProblems(spec: VmSpec, facts: VmFacts, machine: MachineFacts, host: Host): StasisError[] {
  const scratch = scratchOf(spec);
  const at = ['scratch'];
  if ((machine.get('writable') ?? '').trim() !== 'yes')
    return [
      new StasisError('vm.no-scratch', `${scratch} on ${host.name} is no folder that can be written to.`, {
        at,
      }),
    ];
  const freeBytes = Number((machine.get('room') ?? '').trim().split(/\s+/)[3] ?? 0) * 1024;
  const memoryBytes = withMemory(spec) ? facts.machine.memoryBytes * ROOM_FACTOR : 0;
  const neededBytes = memoryBytes + ROOM_BYTES;
  if (freeBytes >= neededBytes) return [];
  return [
    new StasisError(
      'vm.no-room',
      `${scratch} on ${host.name} has ${formatBytes(freeBytes)} of room, and a capture may take ${formatBytes(neededBytes)}.`,
      { hint: 'Name a roomier folder with scratch.', at },
    ),
  ];
}

const ON_DISKS: Readonly<Record<FileSystems, string>> = {
  'as-after-a-power-cut': 'the disks are as after a power cut at that instant',
  'none-to-freeze':
    "the disks are as after a power cut at that instant, as the guest's agent found no file system to freeze",
  frozen: "the guest's file systems, which its agent had frozen, are whole on the disks",
};

/** What a restored VM will miss. */
export function outsideOf(spec: VmSpec, { disks }: VmFacts, fileSystems: FileSystems): OutsideItem[] {
  const items: OutsideItem[] = [];
  if (!withMemory(spec))
    items.push({ code: 'vm.memory', message: `memory and devices: ${ON_DISKS[fileSystems]}` });
  const backed = disks.filter((disk) => disk.backed);
  if (backed.length > 0)
    items.push({
      code: 'vm.backing-chain',
      message: `backing files: ${backed.map(({ name }) => name).join(', ')} come back as one file each`,
    });
  const snapshots = disks.reduce((sum, disk) => sum + disk.internalSnapshots, 0);
  if (snapshots > 0)
    items.push({ code: 'vm.internal-snapshots', message: `${snapshots} snapshots within qcow2 files` });
  items.push({ code: 'vm.peers', message: 'what the other ends of its network connections know' });
  return items;
}
