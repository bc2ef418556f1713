import type { Host } from '../../core/host.ts';
import type { Machine } from './content.ts';

const PROBE_MS = 20_000;

/** What a QEMU can be. */
export interface Probed {
  readonly version: string;
  readonly machines: ReadonlySet<string>;
  /** By QOM type: what of it the host's processor lacks. */
  readonly processors: ReadonlyMap<string, readonly string[]>;
}

interface Answer {
  readonly QMP?: { readonly version: { readonly qemu: { major: number; minor: number; micro: number } } };
  readonly return?: unknown;
}

const ASK = [
  { execute: 'qmp_capabilities' },
  { execute: 'query-machines' },
  { execute: 'query-cpu-definitions' },
];

/** Starts a QEMU without a machine, asks it, and ends it. Undefined where there is none that starts. */
export async function probe(
  program: string,
  accelerator: Machine['accelerator'],
  host: Host,
  signal: AbortSignal,
): Promise<Probed | undefined> {
  if ((await host.which(program)) === undefined) return undefined;
  const accel = accelerator === 'kvm' ? 'kvm' : 'tcg';
  const argv = [
    program,
    '-machine',
    `none,accel=${accel}`,
    '-nodefaults',
    '-display',
    'none',
    '-qmp',
    'stdio',
  ];
  const lines = [...ASK, { execute: 'quit' }].map((command) => `${JSON.stringify(command)}\n`).join('');
  const input = once(Buffer.from(lines));
  const { stdout } = await host.run(argv, { signal, timeoutMs: PROBE_MS, stdin: input });
  const answers = stdout
    .split('\n')
    .filter((line) => line.trim() !== '')
    .map((line) => JSON.parse(line) as Answer);
  const version = answers[0]?.QMP?.version.qemu;
  const [, machines, processors] = answers.flatMap((answer) => ('return' in answer ? [answer.return] : []));
  if (version === undefined || !Array.isArray(machines) || !Array.isArray(processors)) return undefined;
  return {
    version: `${version.major}.${version.minor}.${version.micro}`,
    machines: new Set(
      (machines as { name: string; alias?: string }[]).flatMap(({ name, alias }) =>
        alias ? [name, alias] : [name],
      ),
    ),
    processors: new Map(
      (processors as { typename: string; 'unavailable-features'?: string[] }[]).map((definition) => [
        definition.typename,
        definition['unavailable-features'] ?? [],
      ]),
    ),
  };
}

async function* once(bytes: Uint8Array): AsyncGenerator<Uint8Array> {
  yield bytes;
}
