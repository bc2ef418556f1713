import { basename } from 'node:path';
import { z } from 'zod';
import type { Context } from '../../core/context.ts';
import type { RestoreOptions, RestorePlan } from '../../core/driver.ts';
import { StasisError } from '../../core/errors.ts';
import type { Host } from '../../core/host.ts';
import type { MemberCapture } from '../../core/manifest.ts';
import { runParts } from '../../runtime/machine.ts';
import { lookForTools, missingTools } from '../../runtime/restore-tools.ts';
import { imagesBytes, type ProcessContent, readContent } from './content.ts';
import { locate } from './locate.ts';
import { placeOf } from './place.ts';
import { LOOK_FOR_PORTS, portProblems } from './ports.ts';
import type { ProcessSpec } from './spec.ts';

/** What a restore takes beyond what a capture does. */
export const RESTORE_TOOLS = ['unshare', 'ip', 'nft', 'ss', 'flock', 'setpriv'] as const;

const TARGET = `
part record; cat -- "$1" 2>/dev/null
shift
${lookForTools(['criu', 'nsenter', 'tar', ...RESTORE_TOOLS])}
${LOOK_FOR_PORTS}
part stats; stat -L -c '%s %f %n' -- "$@" 2>/dev/null
`;

interface Target {
  readonly problems: readonly StasisError[];
  readonly empty: boolean;
  readonly restoredBy: string | undefined;
  readonly identity: string;
}

async function look(
  spec: ProcessSpec,
  host: Host,
  content: ProcessContent,
  signal: AbortSignal,
): Promise<Target> {
  const place = placeOf(spec, '');
  const [{ surroundings, tree }, parts] = await Promise.all([
    locate(spec, host, signal),
    runParts(host, TARGET, [place.record, ...content.needs.map(({ path }) => path)], signal),
  ]);
  const problems: StasisError[] = [];
  if (surroundings.uid !== 0)
    problems.push(
      new StasisError('process.not-root', `Commands on ${host.name} do not run as root.`, {
        hint: 'Restoring processes needs root.',
      }),
    );
  if (surroundings.groups === undefined)
    problems.push(
      new StasisError('process.no-control-groups', `${host.name} has no control groups of version 2.`, {
        hint: 'Mount cgroup2.',
      }),
    );
  problems.push(...missingTools('process', parts, host));
  problems.push(...missingFiles(content, parts.get('stats') ?? '', host));
  const record = tree && recordOf(parts.get('record') ?? '', tree.root);
  const predecessor = { pids: tree?.pids ?? [], group: record?.group };
  problems.push(...portProblems(spec.ports, parts, host, predecessor));
  return {
    problems,
    empty: tree === undefined,
    restoredBy: record?.restoreId,
    identity: `process:${surroundings.bootId}/${surroundings.namespaces.mnt}${place.pidFile}`,
  };
}

/** Programs, libraries and other files that the tree has open are not in the snapshot: they have to be as they were. */
function missingFiles(content: ProcessContent, stats: string, host: Host): StasisError[] {
  const found = new Map(
    stats.split('\n').map((line) => {
      const [size = '', mode = '', ...path] = line.split(' ');
      return [path.join(' '), { sizeBytes: Number(size), mode: Number.parseInt(mode, 16) }];
    }),
  );
  const wrong = content.needs.flatMap(({ path, sizeBytes, mode }) => {
    const has = found.get(path);
    if (has === undefined) return [{ path, how: 'is missing' }];
    if (has.sizeBytes !== (sizeBytes ?? has.sizeBytes))
      return [{ path, how: `is ${has.sizeBytes} bytes and not ${sizeBytes}` }];
    return has.mode === (mode ?? has.mode)
      ? []
      : [{ path, how: `has mode ${octal(has.mode)} and not ${octal(mode!)}` }];
  });
  const [first, ...more] = wrong;
  if (first === undefined) return [];
  const others = more.length > 0 ? `, and ${more.length} more files differ` : '';
  return [
    new StasisError('process.file-differs', `${first.path} ${first.how} on ${host.name}${others}.`, {
      hint: 'The host needs the same programs and libraries, and the logs that are appended to; folders that are written belong into the member’s files.',
      details: { paths: wrong.map(({ path }) => path) },
    }),
  ];
}

function octal(mode: number): string {
  return (mode & 0o7777).toString(8).padStart(4, '0');
}

const recordSchema = z.object({
  restoreId: z.string(),
  pid: z.number(),
  group: z.string().transform((group) => basename(group)),
});

/** What the target remembers of the tree that lives there, where a restore has made it. */
function recordOf(text: string, root: number): z.infer<typeof recordSchema> | undefined {
  try {
    const { data } = recordSchema.safeParse(JSON.parse(text));
    return data?.pid === root ? data : undefined;
  } catch {
    return undefined;
  }
}

export async function planRestore(
  spec: ProcessSpec,
  host: Host,
  from: MemberCapture,
  context: Context,
): Promise<RestorePlan> {
  const content = readContent(from);
  const sizeBytes = content.trees.reduce((sum, tree) => sum + tree.sizeBytes, imagesBytes(content));
  if (spec.pidFile === undefined) {
    const problem = await Promise.resolve()
      .then(() => placeOf(spec, ''))
      .then(
        () => undefined,
        (error: StasisError) => error,
      );
    return { problems: problem ? [problem] : [], identities: [], empty: true, sizeBytes };
  }
  const { problems, empty, restoredBy, identity } = await look(spec, host, content, context.signal);
  return {
    problems,
    identities: [identity],
    empty,
    sizeBytes,
    ...(restoredBy === undefined ? {} : { restoredBy }),
  };
}

/** @throws StasisError what the plan says, and `process.target-running` */
export async function insistOnTarget(
  spec: ProcessSpec,
  host: Host,
  content: ProcessContent,
  options: RestoreOptions,
  signal: AbortSignal,
): Promise<void> {
  const { problems, empty } = await look(spec, host, content, signal);
  if (problems[0]) throw problems[0];
  if (empty) return;
  if (!options.overwrite)
    throw new StasisError('process.target-running', `The process that ${spec.pidFile} names is running.`, {
      hint: 'Restore to another pid file, or set overwrite to end that process.',
      at: ['pidFile'],
    });
}
