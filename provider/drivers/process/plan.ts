import type { Context } from '../../core/context.ts';
import type { CapturePlan, Examination } from '../../core/driver.ts';
import { StasisError } from '../../core/errors.ts';
import type { Host } from '../../core/host.ts';
import { copyMsOf, dumpMsOf, memoryBytesOf } from '../../runtime/estimate.ts';
import { readFacts, type TreeFacts } from '../../runtime/facts.ts';
import { runParts } from '../../runtime/machine.ts';
import { examineRestore, lookForTools } from '../../runtime/restore-tools.ts';
import { type Surroundings, surroundingsOn } from '../../runtime/surroundings.ts';
import { locate } from './locate.ts';
import { findNamedFiles, type NamedFiles } from './memory-files.ts';
import { obstaclesOf } from './obstacles.ts';
import { outsideOf, systemOf } from './outside.ts';
import { RESTORE_TOOLS } from './plan-restore.ts';
import type { ProcessSpec } from './spec.ts';

const OLDEST_CRIU = 4;

export interface Inspection {
  readonly surroundings: Surroundings;
  /** Absent where there is no tree. */
  readonly facts: TreeFacts | undefined;
  readonly named: NamedFiles | undefined;
  readonly problems: readonly StasisError[];
  readonly treesMs: number;
  readonly treesBytes: number;
}

const TOOLS = `
part criu; command -v criu
part kind; head -c 2 -- "$(command -v criu)" 2>/dev/null
part version; criu --version
part check; criu check 2>&1; echo "status $?"
part nsenter; command -v nsenter
part tar; command -v tar
`;
const FOLDERS = `
for path in "$@"; do
  part folder $path; [ -d "$path" ] && du -sb -- "$path" | cut -f 1
  part system $path; stat -f -c %T -- "$path" 2>/dev/null
done
`;

/** All that plan and prepare have to know. Reads only. */
export async function inspect(spec: ProcessSpec, host: Host, signal: AbortSignal): Promise<Inspection> {
  const [located, tools, folders] = await Promise.all([
    locate(spec, host, signal),
    runParts(host, TOOLS, [], signal),
    runParts(host, FOLDERS, spec.files ?? [], signal),
  ]);
  const { surroundings, tree } = located;
  const facts = tree && (await readFacts(host, tree.pids, signal));
  const problems = [...machineProblems(surroundings, tools, host), ...folderProblems(spec, folders)];
  if (located.problem) problems.push(located.problem);
  const named = facts?.processes[0] && (await findNamedFiles(facts, surroundings, spec, host, signal));
  if (facts) problems.push(...obstaclesOf(facts, surroundings, tools.get('kind') === '#!'));
  if (named) problems.push(...named.problems);
  const copied = (spec.files ?? []).filter(
    (path) => !['btrfs', 'xfs'].includes(folders.get(`system ${path}`)?.trim() ?? ''),
  );
  const bytes = (paths: readonly string[]): number =>
    paths.reduce((sum, path) => sum + (Number(folders.get(`folder ${path}`)) || 0), 0);
  return {
    ...{ surroundings, facts, named, problems },
    treesMs: copyMsOf(bytes(copied) + (named?.memoryBytes ?? 0)),
    treesBytes: bytes(spec.files ?? []),
  };
}

/** What a machine has and lacks, whatever the tree. */
export async function inspectMachine(host: Host, signal: AbortSignal): Promise<Examination> {
  const [surroundings, tools, restoreTools] = await Promise.all([
    surroundingsOn(host, signal),
    runParts(host, TOOLS, [], signal),
    runParts(host, lookForTools(RESTORE_TOOLS), [], signal),
  ]);
  const where = tools.get('criu')?.trim() ?? '';
  const version = /Version: (\S+)/.exec(tools.get('version') ?? '')?.[1] ?? '';
  const restoring = examineRestore('process', restoreTools, host);
  return {
    found: [...(where === '' ? [] : [{ what: `criu ${version}`.trim(), where }]), ...restoring.found],
    problems: [...machineProblems(surroundings, tools, host), ...restoring.problems],
  };
}

export async function planCapture(spec: ProcessSpec, host: Host, context: Context): Promise<CapturePlan> {
  const { surroundings, facts, named, problems, treesMs, treesBytes } = await inspect(
    spec,
    host,
    context.signal,
  );
  if (facts === undefined || named === undefined)
    return { problems, identities: [], folders: [], sizeBytes: 0, pauseMs: 0, outside: [], system: {} };
  const memoryBytes = memoryBytesOf(facts) + named.memoryBytes;
  return {
    problems,
    identities: facts.processes.map(
      ({ pid }) => `process:${surroundings.bootId}/${surroundings.namespaces.pid}/${pid}`,
    ),
    folders: spec.files ?? [],
    sizeBytes: memoryBytes + treesBytes,
    pauseMs: Math.max(dumpMsOf(facts), treesMs),
    outside: outsideOf(
      facts,
      [...(spec.files ?? []), ...named.memory.files],
      facts.unixPeers.map(({ name }) => name),
    ),
    system: systemOf(facts),
  };
}

/** Debian's packages of the programs. */
const PACKAGES = {
  criu: 'criu, of a release that has 4.2 or newer',
  nsenter: 'util-linux',
  tar: 'tar',
} as const;

function machineProblems(
  surroundings: Surroundings,
  tools: ReadonlyMap<string, string>,
  host: Host,
): StasisError[] {
  const problems: StasisError[] = [];
  const missing = (code: string, message: string, hint: string): void => {
    problems.push(new StasisError(`process.${code}`, message, { hint }));
  };
  if (surroundings.uid !== 0)
    missing(
      'not-root',
      `Commands on ${host.name} do not run as root.`,
      'Freezing and dumping processes needs root.',
    );
  if (surroundings.groups === undefined)
    missing(
      'no-control-groups',
      `${host.name} has no control groups of version 2.`,
      'Mount cgroup2; Linux 5.2 or newer can freeze a group.',
    );
  for (const program of ['criu', 'nsenter', 'tar'] as const)
    if (tools.get(program)?.trim() === '')
      missing(
        `no-${program}`,
        `There is no ${program} on ${host.name}.`,
        `Install it: apt-get install ${PACKAGES[program]}.`,
      );
  if (tools.get('criu')?.trim() === '') return problems;
  const version = /Version: (\d+)(\S*)/.exec(tools.get('version') ?? '');
  if (version && Number(version[1]) < OLDEST_CRIU)
    missing(
      'old-criu',
      `CRIU ${version[1]}${version[2]} on ${host.name} is too old.`,
      'Install CRIU 4.2 or newer.',
    );
  const check = tools.get('check') ?? '';
  if (surroundings.uid === 0 && !check.includes('status 0'))
    missing('criu-check', `CRIU cannot work on ${host.name}: ${reasonOf(check)}.`, 'Run "criu check" there.');
  return problems;
}

function reasonOf(check: string): string {
  return /Error \([^)]*\): (.*)/.exec(check)?.[1]?.replace(/\.$/, '') ?? 'its check fails';
}

function folderProblems(spec: ProcessSpec, folders: ReadonlyMap<string, string>): StasisError[] {
  return (spec.files ?? []).flatMap((path, index) =>
    folders.get(`folder ${path}`)?.trim()
      ? []
      : [
          new StasisError('process.no-folder', `There is no folder ${path}.`, {
            hint: 'Name folders only.',
            at: ['files', String(index)],
          }),
        ],
  );
}
