import type { OutsideItem } from '../../core/manifest.ts';
import type { OpenFile, TreeFacts } from '../../runtime/facts.ts';
import { listed, peersOf, WAITING, waitingOf } from '../../runtime/outside.ts';
import { isWithin } from '../../runtime/paths.ts';
import { JOURNAL } from '../../runtime/sockets.ts';

/**
 * What is known to be outside of a capture of this tree; `inside` are folders and files that are in it, `unixPeers` what is
 * at the other ends of Unix sockets that lie outside.
 */
export function outsideOf(
  facts: TreeFacts,
  inside: readonly string[],
  unixPeers: readonly string[],
): OutsideItem[] {
  const open = facts.processes.flatMap((process) => process.open);
  const item = (code: string, names: readonly string[], what: string): OutsideItem[] => {
    const unique = [...new Set(names)].sort();
    return unique.length === 0 ? [] : [{ code: `process.${code}`, message: `${what}: ${listed(unique)}` }];
  };
  return [
    ...item(
      'peer',
      peersOf(facts),
      'connections to others, which live on only where they are restored with this member',
    ),
    ...item(
      'unix-peer',
      unixPeers.filter((name) => name !== JOURNAL),
      'connections by Unix sockets to others, which are reset',
    ),
    ...item(
      'journal',
      unixPeers.filter((name) => name === JOURNAL),
      'the journal: what they log goes to the one of the host that they are restored on, or nowhere where it has none',
    ),
    ...item('backlog', waitingOf(facts), WAITING),
    ...item('open-file', writtenOutside(open, inside), 'files that are written and lie outside of files'),
    ...item(
      'pipe',
      halfPipes(open),
      'pipes with the other end in a process that is no part of the tree: nothing comes out of them any more, and what is written into them goes where a log does',
    ),
    ...item(
      'shared-file',
      sharedOutside(facts, inside),
      'files mapped by all who write them, outside of files',
    ),
  ];
}

function writtenOutside(open: readonly OpenFile[], inside: readonly string[]): string[] {
  return open
    .filter(
      ({ type, writable, target }) =>
        type.startsWith('regular') &&
        writable &&
        !target.endsWith(' (deleted)') &&
        !target.startsWith('/memfd:'),
    )
    .map(({ target }) => target)
    .filter((target) => !isWithin(target, inside));
}

/** A pipe of which the tree has one end only. */
function halfPipes(open: readonly OpenFile[]): string[] {
  const pipes = new Map<string, Set<boolean>>();
  for (const { target, writable } of open)
    if (target.startsWith('pipe:')) pipes.set(target, (pipes.get(target) ?? new Set()).add(writable));
  return [...pipes].filter(([, ends]) => ends.size === 1).map(([pipe]) => pipe);
}

function sharedOutside({ processes }: TreeFacts, inside: readonly string[]): string[] {
  return processes
    .flatMap(({ mappings }) => mappings)
    .filter(
      ({ shared, writable, path }) =>
        shared && writable && path.startsWith('/') && !path.endsWith(' (deleted)'),
    )
    .map(({ path }) => path)
    .filter((path) => !isWithin(path, inside));
}

export function systemOf({ processes }: TreeFacts): Record<string, string> {
  return { product: 'processes', command: processes[0]?.command ?? '', processes: String(processes.length) };
}
