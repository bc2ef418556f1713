import { StasisError } from '../core/errors.ts';
import type { FingerprintEntry } from '../core/fingerprint.ts';
import { digestOf } from '../core/fingerprint-digest.ts';
import type { Host } from '../core/host.ts';
import type { BlobDescriptor, Blobs } from '../core/store.ts';
import { feed, runParts, runScript } from './machine.ts';

/** A declared folder as it was at the cut, beside it. */
export interface TreeCopy {
  /** As the processes know it. */
  readonly path: string;
  /** As the host reaches it. */
  readonly from: string;
  readonly copy: string;
}

const COPY_MS = 600_000;

/** A snapshot where the folder is a btrfs subvolume (its root has inode 256); else a copy that shares what it can. */
const KEEP = `
if [ "$(stat -f -c %T -- "$1")" = btrfs ] && [ "$(stat -c %i -- "$1")" = 256 ] &&
  btrfs subvolume snapshot -r "$1" "$2" > /dev/null 2>&1; then exit 0; fi
cp -a --reflink=auto -- "$1" "$2"
`;
const DROP = `
[ -e "$1" ] || exit 0
btrfs subvolume delete "$1" > /dev/null 2>&1 || rm -rf -- "$1"
`;

/** What captures that died have kept beside these: PATH… A capture lives as long as its folder in memory does. */
const DROP_STALE = `
for path in "$@"; do
  for copy in "$path".stasis-*; do
    [ -e "$copy" ] || continue
    owner=\${copy##*.stasis-} owner=\${owner%-*}
    if [ -e "/run/stasis/$owner" ] || [ -e "/dev/shm/stasis/$owner" ]; then continue; fi
    btrfs subvolume delete "$copy" > /dev/null 2>&1 || rm -rf -- "$copy"
  done
done
`;

/** A copy stays where its capture is killed; by its name the next one knows that nobody wants it any more. */
export function dropStale(paths: readonly string[], host: Host, signal: AbortSignal): Promise<string> {
  return runScript(host, DROP_STALE, paths.map(bare), { signal, timeoutMs: COPY_MS });
}

/** Where the copy of a folder lies: beside it, under a name that no other capture and no other round of it uses. */
export function besideOf(path: string, memoryFolder: string, round: number): string {
  return `${bare(path)}.stasis-${memoryFolder.slice(memoryFolder.lastIndexOf('/') + 1)}-${round}`;
}

function bare(path: string): string {
  return path.replace(/\/+$/, '');
}

export function keepTree(tree: TreeCopy, host: Host, signal: AbortSignal): Promise<string> {
  return runScript(host, KEEP, [tree.from, tree.copy], { signal, timeoutMs: COPY_MS });
}

export function dropTree(tree: TreeCopy, host: Host, signal: AbortSignal): Promise<string> {
  return runScript(host, DROP, [tree.copy], { signal, timeoutMs: COPY_MS });
}

const PACK = ['tar', '--create', '--sort=name', '--numeric-owner', '--xattrs', '--acls', '--sparse'];
const UNPACK = ['tar', '--extract', '--numeric-owner', '--xattrs', '--acls', '--same-permissions'];

export async function copyTree(
  tree: TreeCopy,
  blobs: Blobs,
  host: Host,
  signal: AbortSignal,
): Promise<BlobDescriptor> {
  const spawned = await host.spawn([...PACK, '--directory', tree.copy, '.'], { signal });
  const descriptor = await blobs.put(spawned.stdout, { chunking: 'content' });
  const { status, stderr } = await spawned.ended;
  if (status === 0) return descriptor;
  throw new StasisError('runtime.files-unreadable', `${tree.path} cannot be read: ${stderr.trim()}.`, {
    at: ['files'],
  });
}

export async function loadTree(
  folder: string,
  content: AsyncIterable<Uint8Array>,
  host: Host,
  signal: AbortSignal,
): Promise<void> {
  await runScript(host, 'mkdir -p -- "$1"', [folder], { signal });
  await feed(host, [...UNPACK, '--directory', folder], content, signal);
}

const LOOK = `
cd -- "$1" || exit 1
part entries; find . -printf '%y|%#m|%U|%G|%T@|%l|%P\\0'
part contents; find . -type f -print0 | xargs -0 -r sha256sum -z --
`;

/** Every entry of a folder, looked at on its host: not by what the copy read of it. */
export async function fingerprintTree(
  path: string,
  folder: string,
  host: Host,
  signal: AbortSignal,
): Promise<FingerprintEntry[]> {
  const parts = await runParts(host, LOOK, [folder], signal);
  const records = (name: string): string[] =>
    (parts.get(name) ?? '').split('\0').filter((line) => line.trim() !== '');
  const contents = new Map(
    records('contents').map((line) => [line.slice(66).replace(/^\.\//, ''), line.slice(0, 64)]),
  );
  return records('entries').map((record) => {
    const [kind = '', mode = '', uid = '', gid = '', time = '', link = '', ...rest] = record.split('|');
    const name = rest.join('|');
    return {
      object: `file${path}/${name}`,
      digest: digestOf(kind, mode, uid, gid, kind === 'd' ? '' : time, link, contents.get(name)),
      facts: { kind, mode },
    };
  });
}
