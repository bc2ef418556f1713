import { StasisError } from '../../core/errors.ts';
import type { Host } from '../../core/host.ts';
import type { Machine } from './content.ts';
import { Monitor } from './monitor/monitor.ts';

/** Until its greeting, on a busy machine. */
const START_MS = 20_000;

/** What a QEMU can be. */
export interface Probed {
  readonly version: string;
  readonly machines: ReadonlySet<string>;
  /** By QOM type: what of it the host's processor lacks. */
  readonly processors: ReadonlyMap<string, readonly string[]>;
}

interface Version {
  readonly qemu: { readonly major: number; readonly minor: number; readonly micro: number };
}

/**
 * Starts a QEMU without a machine, asks it, and ends it once it has answered: told to quit before, it drops what was
 * not read yet. Undefined where there is none that starts.
 * @throws StasisError `vm.qemu-silent` where one starts and does not answer in time
 */
export async function probe(
  program: string,
  accelerator: Machine['accelerator'],
  host: Host,
  signal: AbortSignal,
): Promise<Probed | undefined> {
  if ((await host.which(program)) === undefined) return undefined;
  const argv = [
    ...[program, '-machine', `none,accel=${accelerator === 'kvm' ? 'kvm' : 'tcg'}`],
    ...['-nodefaults', '-display', 'none', '-qmp', 'stdio'],
  ];
  try {
    await using monitor = await Monitor.open(host, argv, signal, START_MS);
    const { qemu } = await monitor.execute<Version>('query-version', undefined, signal);
    const machines = await monitor.execute<NamedMachine[]>('query-machines', undefined, signal);
    const processors = await monitor.execute<Processor[]>('query-cpu-definitions', undefined, signal);
    await monitor.execute('quit', undefined, signal);
    return probed(qemu, machines, processors);
  } catch (error) {
    if (!(error instanceof StasisError)) throw error;
    if (error.code === 'vm.unreachable') return undefined;
    throw SILENT.has(error.code) ? silent(program, host, error) : error;
  }
}

interface NamedMachine {
  readonly name: string;
  readonly alias?: string;
}

interface Processor {
  readonly typename: string;
  readonly 'unavailable-features'?: readonly string[];
}

function probed(
  { major, minor, micro }: Version['qemu'],
  machines: readonly NamedMachine[],
  processors: readonly Processor[],
): Probed {
  return {
    version: `${major}.${minor}.${micro}`,
    machines: new Set(machines.flatMap(({ name, alias }) => (alias ? [name, alias] : [name]))),
    processors: new Map(
      processors.map((definition) => [definition.typename, definition['unavailable-features'] ?? []]),
    ),
  };
}

/** What a conversation ends in with a program that started and does not answer. */
const SILENT: ReadonlySet<string> = new Set(['timeout', 'vm.monitor-busy', 'vm.monitor-lost']);

function silent(program: string, host: Host, cause: StasisError): StasisError {
  return new StasisError(
    'vm.qemu-silent',
    `${program} on ${host.name} starts, and does not say what machines it has.`,
    { hint: `Start ${program} -machine none -nodefaults -qmp stdio there, and look what it does.`, cause },
  );
}
