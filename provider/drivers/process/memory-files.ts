import { StasisError } from '../../core/errors.ts';
import type { Host } from '../../core/host.ts';
import type { OpenFile, ProcessFacts, TreeFacts } from '../../runtime/facts.ts';
import { runParts } from '../../runtime/machine.ts';
import { isWithin } from '../../runtime/paths.ts';
import type { Surroundings } from '../../runtime/surroundings.ts';
import type { ProcessSpec } from './spec.ts';

/**
 * What the tree has by name in file systems that are memory: POSIX shared memory in /dev/shm, files and Unix sockets in
 * /run. CRIU refers to such files by their names only, and no other host has them; so they are captured with the tree,
 * and a restored tree gets folders of its own for them.
 */
export interface MemoryFiles {
  /** Absolute, sorted: those that hold such a file, or a Unix socket that the tree has bound. */
  readonly folders: readonly string[];
  readonly files: readonly string[];
}

export interface NamedFiles {
  readonly memory: MemoryFiles;
  readonly memoryBytes: number;
  readonly problems: readonly StasisError[];
}

/**
 * ROOT FOLDER...: the file system of each, and where it really is. Links are followed here, as the tree sees them: one to
 * an absolute path (/var/run) leads out of ROOT otherwise.
 */
const LOOK = `
root=$1; shift
resolve() {
  rest=$1 at= n=0
  while [ -n "$rest" ]; do
    rest=\${rest#/} piece=\${rest%%/*}
    case $rest in */*) rest=/\${rest#*/} ;; *) rest= ;; esac
    if [ -L "$root$at/$piece" ] && [ $n -lt 40 ]; then
      n=$((n + 1)) link=$(readlink -- "$root$at/$piece")
      case $link in /*) at= rest=$link$rest ;; *) rest=/$link$rest ;; esac
    else
      case $piece in '' | .) ;; ..) at=\${at%/*} ;; *) at=$at/$piece ;; esac
    fi
  done
}
part folders
for folder in "$@"; do
  resolve "$folder"
  printf '%s\\t%s\\t%s\\n' "$(stat -f -c %T -- "$root$at")" "$at" "$folder"
done 2>/dev/null
`;
const SIZES = `root=$1; shift; cd "$root/" && part sizes && stat -c '%s' -- "$@" 2>/dev/null`;

/** How commands on the host reach what the tree sees under a path: through /proc where it has mounts of its own. */
export function rootOf({ pid, namespaces }: ProcessFacts, surroundings: Surroundings): string {
  return namespaces.mnt === surroundings.namespaces.mnt ? '' : `/proc/${pid}/root`;
}

export async function findNamedFiles(
  facts: TreeFacts,
  surroundings: Surroundings,
  spec: ProcessSpec,
  host: Host,
  signal: AbortSignal,
): Promise<NamedFiles> {
  const root = rootOf(facts.processes[0]!, surroundings);
  const undeclared = (path: string): boolean => !isWithin(path, spec.files);
  const files = unique(facts.processes.flatMap(namesOf)).filter(undeclared);
  const bound = facts.boundPaths.filter(undeclared);
  const folders = unique([...files, ...bound].map(folderOf));
  const parts = await runParts(host, LOOK, [root, ...folders], signal);
  const inMemory = new Map(
    (parts.get('folders') ?? '').split('\n').flatMap((line) => {
      const [type, real = '', folder = ''] = line.split('\t');
      return type === 'tmpfs' ? [[folder, real] as const] : [];
    }),
  );
  const kept = files.filter((path) => inMemory.has(folderOf(path)));
  const sizes =
    kept.length === 0 ? undefined : await runParts(host, SIZES, [root, ...kept.map(relative)], signal);
  const lasting = bound.filter((path) => !inMemory.has(folderOf(path)));
  return {
    memory: {
      files: kept,
      folders: unique([...kept, ...bound].flatMap((path) => inMemory.get(folderOf(path)) ?? [])),
    },
    memoryBytes: (sizes?.get('sizes') ?? '').split('\n').reduce((sum, size) => sum + Number(size), 0),
    problems: lasting.length === 0 ? [] : [socketOutside(lasting)],
  };
}

/** A restored tree binds its sockets anew. In a folder that it shares it would take the name from whoever has it. */
function socketOutside(paths: readonly string[]): StasisError {
  return new StasisError(
    'process.socket-outside',
    `The processes have a Unix socket in a folder that is neither in memory nor in files: ${paths.slice(0, 3).join(', ')}.`,
    { hint: 'Add its folder to files, or have the socket below /run.', at: ['files'] },
  );
}

/** What CRIU would refer to by name alone, and find missing elsewhere. */
function namesOf({ open, mappings }: ProcessFacts): string[] {
  const lasting = (path: string): boolean => path.startsWith('/') && !path.endsWith(' (deleted)');
  const isFile = ({ type }: OpenFile): boolean => type.startsWith('regular') || type === 'fifo';
  const targets = open.filter((file) => isFile(file) && !file.target.startsWith('/memfd:'));
  return [...targets.map(({ target }) => target), ...mappings.map(({ path }) => path)].filter(lasting);
}

export function folderOf(path: string): string {
  return path.slice(0, path.lastIndexOf('/')) || '/';
}

export function relative(path: string): string {
  return `.${path}`;
}

function unique(values: readonly string[]): string[] {
  return [...new Set(values)].sort();
}
