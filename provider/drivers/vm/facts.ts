import { StasisError } from '../../core/errors.ts';
import type { Host } from '../../core/host.ts';
import { runParts } from '../../runtime/machine.ts';
import type { Machine } from './content.ts';
import { UNDER_WAY } from './memory/save.ts';
import type { Monitor } from './monitor/monitor.ts';

/** A disk that has a medium. */
export interface Disk {
  /** The drive's id, or where the device is plugged. */
  readonly name: string;
  /** Of the block node at its root. */
  readonly node: string;
  /** Its file here, where it has one. */
  readonly path: string;
  readonly format: string;
  readonly sizeBytes: number;
  /** What it takes here. */
  readonly usedBytes: number;
  readonly readOnly: boolean;
  readonly backed: boolean;
  readonly internalSnapshots: number;
  readonly bitmaps: readonly Bitmap[];
}

export interface Bitmap {
  readonly name: string;
  readonly recording: boolean;
  readonly busy: boolean;
}

/** The mark of a fence: an object of QEMU's own that does nothing, and that ends with it. */
export const FENCE = 'stasis-fence';

export interface VmFacts {
  readonly machine: Machine;
  readonly state: string;
  /** Stopped by a fence: whoever else stops it leaves it so. */
  readonly fenced: boolean;
  /** Of the virtual processors, as the host numbers them. */
  readonly threads: readonly number[];
  readonly disks: readonly Disk[];
  /** Why QEMU itself could not move it. */
  readonly blockers: readonly string[];
  /** QOM types of what was plugged in: `vfio-pci`, `virtio-blk-pci`. */
  readonly devices: readonly string[];
  /** What of QEMU's migration, exports and jobs is in use by others. */
  readonly busy: readonly string[];
  readonly capabilities: ReadonlyMap<string, boolean>;
  readonly process: ProcessFacts | undefined;
}

export interface ProcessFacts {
  readonly pid: number;
  readonly uid: number;
  readonly argv: readonly string[];
  readonly cwd: string;
  /** Whether it may write-protect its memory (userfaultfd), which saving memory in the background takes. */
  readonly protects: boolean;
}

interface BlockInfo {
  readonly device: string;
  readonly qdev?: string;
  readonly inserted?: {
    readonly 'node-name': string;
    readonly ro: boolean;
    readonly drv: string;
    readonly file: string;
    readonly backing_file_depth: number;
    readonly image: {
      readonly 'virtual-size': number;
      readonly 'actual-size'?: number;
      readonly filename: string;
      readonly snapshots?: readonly unknown[];
    };
    readonly 'dirty-bitmaps'?: readonly Bitmap[];
  };
}

/** Asks QEMU, and looks at its process. Reads only. */
export async function readFacts(monitor: Monitor, host: Host, signal: AbortSignal): Promise<VmFacts> {
  const ask = <T>(command: string, args?: Record<string, unknown>): Promise<T> =>
    monitor.execute<T>(command, args, signal);
  const [
    version,
    { status },
    cpus,
    blocks,
    migration,
    capabilities,
    exports,
    jobs,
    memory,
    kvm,
    type,
    fenced,
  ] = await Promise.all([
    ask<{ qemu: { major: number; minor: number; micro: number } }>('query-version'),
    ask<{ status: string }>('query-status'),
    ask<{ 'thread-id': number; 'qom-type': string }[]>('query-cpus-fast'),
    ask<BlockInfo[]>('query-block'),
    ask<{ status?: string; 'blocked-reasons'?: string[] }>('query-migrate'),
    ask<{ capability: string; state: boolean }[]>('query-migrate-capabilities'),
    ask<unknown[]>('query-block-exports'),
    ask<{ id: string }[]>('query-jobs'),
    ask<{ 'base-memory': number }>('query-memory-size-summary'),
    ask<{ enabled: boolean }>('query-kvm'),
    ask<string>('qom-get', { path: '/machine', property: 'type' }),
    isFenced(monitor, signal),
  ]);
  const threads = cpus.map((cpu) => cpu['thread-id']);
  const process = await readProcess(threads[0] ?? 0, host, signal);
  const { major, minor, micro } = version.qemu;
  return {
    machine: {
      type: type.replace(/-machine$/, ''),
      cpuType: cpus[0]?.['qom-type'] ?? '',
      cpus: cpus.length,
      memoryBytes: memory['base-memory'],
      accelerator: kvm.enabled ? 'kvm' : 'tcg',
      version: `${major}.${minor}.${micro}`,
    },
    state: status,
    fenced,
    threads,
    disks: blocks.flatMap(diskOf),
    blockers: migration['blocked-reasons'] ?? [],
    devices: await pluggedTypes(monitor, signal),
    busy: [
      ...([...UNDER_WAY, 'postcopy-active'].includes(migration.status ?? '')
        ? ['a migration is running']
        : []),
      ...(exports.length > 0 ? ['disks are exported'] : []),
      ...jobs.map(({ id }) => `the job "${id}" is running`),
    ],
    capabilities: new Map(capabilities.map(({ capability, state }) => [capability, state])),
    process,
  };
}

export async function isFenced(monitor: Monitor, signal: AbortSignal): Promise<boolean> {
  const objects = await monitor.execute<{ name: string }[]>('qom-list', { path: '/objects' }, signal);
  return objects.some(({ name }) => name === FENCE);
}

function diskOf(info: BlockInfo): Disk[] {
  const { inserted, device, qdev } = info;
  if (inserted === undefined) return [];
  const { image } = inserted;
  return [
    {
      name: device !== '' ? device : (qdev?.split('/').at(-2) ?? inserted['node-name']),
      node: inserted['node-name'],
      path: inserted.file.startsWith('/') ? inserted.file : image.filename,
      format: inserted.drv,
      sizeBytes: image['virtual-size'],
      usedBytes: image['actual-size'] ?? image['virtual-size'],
      readOnly: inserted.ro,
      backed: inserted.backing_file_depth > 0,
      internalSnapshots: image.snapshots?.length ?? 0,
      bitmaps: inserted['dirty-bitmaps'] ?? [],
    },
  ];
}

const PLUGGED = ['/machine/peripheral', '/machine/peripheral-anon'];

async function pluggedTypes(monitor: Monitor, signal: AbortSignal): Promise<string[]> {
  const lists = await Promise.all(
    PLUGGED.map((path) => monitor.execute<{ type: string }[]>('qom-list', { path }, signal)),
  );
  return lists.flat().flatMap(({ type }) => /^child<(.*)>$/.exec(type)?.[1] ?? []);
}

/** CAP_SYS_PTRACE: whoever has it may use userfaultfd for all that touches its memory. */
const PTRACE_BIT = 19n;

const PROCESS = `
[ -d "/proc/$1" ] || exit 0
while read -r key value rest; do [ "$key" = Tgid: ] && p=$value; done < "/proc/$1/status"
part pid; echo "$p"
part status; grep -E '^(Uid|CapEff):' "/proc/$p/status"
part exe; readlink "/proc/$p/exe"
part cwd; readlink "/proc/$p/cwd"
part faults; cat /proc/sys/vm/unprivileged_userfaultfd 2> /dev/null
part arguments; tr '\\0' '\\n' < "/proc/$p/cmdline"
`;

async function readProcess(
  thread: number,
  host: Host,
  signal: AbortSignal,
): Promise<ProcessFacts | undefined> {
  const parts = await runParts(host, PROCESS, [String(thread)], signal);
  const text = (name: string): string => (parts.get(name) ?? '').trim();
  if (!text('exe').split('/').at(-1)?.includes('qemu') && !text('arguments').includes('qemu'))
    return undefined;
  const capabilities = BigInt(`0x${/CapEff:\s*(\w+)/.exec(text('status'))?.[1] ?? '0'}`);
  return {
    pid: Number(text('pid')),
    uid: Number(/Uid:\s*\d+\s+(\d+)/.exec(text('status'))?.[1] ?? 0),
    argv: (parts.get('arguments') ?? '').replace(/\n+$/, '').split('\n'),
    cwd: text('cwd'),
    protects: ((capabilities >> PTRACE_BIT) & 1n) === 1n || text('faults') === '1',
  };
}

/** Of QEMU, as numbers that compare. */
export function versionNumber(version: string): number {
  const [major = 0, minor = 0, micro = 0] = version.split('.').map(Number);
  return major * 1e6 + minor * 1e3 + micro;
}

export function processOf({ process }: VmFacts): ProcessFacts {
  if (process) return process;
  throw new StasisError('vm.processors-not-seen', 'The process of the VM is not seen on its host.');
}
