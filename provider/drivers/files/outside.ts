import type { OutsideItem } from '../../core/manifest.ts';
import { type Entry, inodeOf } from './entry.ts';
import type { Mappings } from './mappings.ts';
import { nameSome } from './reading.ts';
import type { Scan, SkippedKind } from './scan.ts';

const SKIPPED: Readonly<Record<SkippedKind, string>> = {
  socket: 'sockets, which their servers make anew',
  device: 'devices',
  mount: 'folders that the kernel makes up',
};

/** What is known to be in the tree, or to hang on it, and not in the capture. */
export function outsideOf(
  scan: Scan,
  mappings: Mappings | undefined,
  attributes: { readonly readable: boolean; readonly skipped: ReadonlySet<string> },
): OutsideItem[] {
  const outside: OutsideItem[] = [];
  const add = (code: string, message: string): void => {
    outside.push({ code: `files.${code}`, message });
  };
  for (const kind of Object.keys(SKIPPED) as SkippedKind[]) {
    const paths = scan.skipped.filter((item) => item.kind === kind).map(({ path }) => path);
    if (paths.length > 0) add(kind, `${paths.length} ${SKIPPED[kind]}: ${nameSome(paths)}`);
  }
  const linked = linkedOutside(scan.entries);
  if (linked.length > 0)
    add('hard-link', `${linked.length} files have further names outside of it: ${nameSome(linked)}`);
  if (!attributes.readable)
    add('attributes', 'extended attributes and ACLs, as getfattr (package attr) is missing here');
  if (attributes.skipped.size > 0)
    add(
      'attribute',
      `attributes that the machine itself gives: ${[...attributes.skipped].sort().join(', ')}`,
    );
  if (mappings && mappings.unseenRoot > 0)
    add('unseen-process', `what ${unseen(mappings.unseenRoot)} may write through mappings`);
  return outside;
}

function unseen(count: number): string {
  return count === 1
    ? 'a process of root that must not be looked into'
    : `${count} processes of root that must not be looked into`;
}

function linkedOutside(entries: readonly Entry[]): Buffer[] {
  const names = new Map<string, number>();
  const linked = entries.filter((entry) => entry.kind !== 'directory' && entry.links > 1);
  for (const entry of linked) names.set(inodeOf(entry), (names.get(inodeOf(entry)) ?? 0) + 1);
  return linked.filter((entry) => names.get(inodeOf(entry))! < entry.links).map(({ path }) => path);
}
