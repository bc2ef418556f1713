import type { FingerprintEntry } from '../../core/fingerprint.ts';
import { digestOf } from '../../core/fingerprint-digest.ts';
import type { Host } from '../../core/host.ts';
import type { BlobDescriptor, Blobs } from '../../core/store.ts';
import { streamOf } from '../../runtime/machine.ts';
import { fingerprintTree } from '../../runtime/trees.ts';
import type { LookedContainer } from './look.ts';

/**
 * What is gone of an image: in what its layers show together, and not in what they show below the container's changes
 * (marked by -). And what folders of the changes are as they are in the image (marked by =): the kernel copies a folder
 * as soon as anything in it is touched, also by CRIU, which makes files of its own in /tmp for a moment.
 * Read by overlays of our own, read-only, in a mount namespace that ends with the command; so whatever marks what is
 * gone (whiteouts, opaque folders), the kernel reads it.
 *   CHANGES LAYER      LAYER: podman's folder of the container's layer, which names those below it in short
 */
const GONE = `
changes=$1 layer=$2
top=$(mktemp -d) || exit 1
trap 'rmdir "$top"' EXIT
unshare --mount --propagation private sh -c '
mount -t tmpfs tmpfs "$3" && mkdir "$3/now" "$3/image" && cd "$2/.." && lowers=$(cat "$2/lower") || exit 1
mount -t overlay -o "ro,lowerdir=$1:$lowers" overlay "$3/now" || exit 1
case $lowers in *:*) mount -t overlay -o "ro,lowerdir=$lowers" overlay "$3/image" || exit 1; image=$3/image ;; *) image=$lowers/. ;; esac
list() { (cd -- "$1" && find . -mindepth 1 -printf "%P\\\\0" | LC_ALL=C sort -z); }
list "$image" > "$3/before"; list "$3/now" > "$3/after"
LC_ALL=C comm -z -23 "$3/before" "$3/after" | sed -z s/^/-/
folders() { (cd -- "$1" && find . -mindepth 1 -type d -printf "%P|%m|%U|%G\\0" | LC_ALL=C sort -z); }
folders "$image" > "$3/before"; folders "$1" > "$3/after"
LC_ALL=C comm -z -12 "$3/before" "$3/after" | sed -z s/^/=/
' stasis "$changes" "$layer" "$top"
`;

/** Paths within the container, sorted. */
export interface Comparison {
  /** Topmost only. */
  readonly gone: readonly string[];
  /** Folders that are no change. */
  readonly same: readonly string[];
}

export async function compareWithImage(
  changes: string,
  looked: Pick<LookedContainer, 'upper'>,
  host: Host,
  signal: AbortSignal,
): Promise<Comparison> {
  const layer = looked.upper.slice(0, looked.upper.lastIndexOf('/'));
  const chunks: Uint8Array[] = [];
  for await (const chunk of streamOf(host, ['sh', '-c', GONE, 'stasis', changes, layer], signal))
    chunks.push(chunk);
  const marked = Buffer.concat(chunks).toString('utf8').split('\0');
  const paths = marked.filter((one) => one.startsWith('-')).map((one) => one.slice(1));
  const gone = new Set(paths);
  return {
    gone: paths.filter((path) => !parentsOf(path).some((parent) => gone.has(parent))),
    // Behind the path stand mode and owners.
    same: marked.filter((one) => one.startsWith('=')).map((one) => one.slice(1).replace(/(\|[^|]*){3}$/, '')),
  };
}

function parentsOf(path: string): string[] {
  const steps = path.split('/').slice(0, -1);
  return steps.map((_, index) => steps.slice(0, index + 1).join('/'));
}

/** All that was added or changed, without what marks that something is gone, and without sockets: CRIU binds them anew. */
const PACK = `
cd -- "$1" && find . ! -type c ! -type s -print0 |
  tar --create --no-recursion --null --verbatim-files-from --files-from=- --numeric-owner --xattrs --acls --sparse \\
    --xattrs-exclude='trusted.overlay.*' --file=-
`;

export function copyChanges(
  changes: string,
  blobs: Blobs,
  host: Host,
  signal: AbortSignal,
): Promise<BlobDescriptor> {
  return blobs.put(streamOf(host, ['sh', '-c', PACK, 'stasis', changes], signal), { chunking: 'content' });
}

/** What podman itself makes in each container, so that something can be mounted there. */
const PODMANS_OWN = ['etc/hosts', 'etc/hostname', 'etc/resolv.conf', 'run/.containerenv', 'run/secrets'];
const SKIPPED_KINDS = new Set(['c', 's']);
/** What CRIU makes in a root for a moment, to look below mounts (criu/mount.c); a copy that is made meanwhile has it. */
const CRIUS_OWN = /^tmp\/cr-tmpfs\.[A-Za-z0-9]{6}$/;

/**
 * Every file that the container has changed of its image, and what of it is gone. Where something is mounted, the
 * image's file below it is no state of the container.
 */
export async function fingerprintChanges(
  name: string,
  changes: string,
  looked: Pick<LookedContainer, 'upper' | 'container'>,
  host: Host,
  signal: AbortSignal,
): Promise<FingerprintEntry[]> {
  const top = `/${name}/root`;
  const mounted = (looked.container.Mounts ?? []).map(({ Destination }) => Destination.slice(1));
  const [files, { gone, same }] = await Promise.all([
    fingerprintTree(top, changes, host, signal),
    compareWithImage(changes, looked, host, signal),
  ]);
  const left = new Set([...PODMANS_OWN, ...mounted, ...same].map((path) => `file${top}/${path}`));
  const changed = files.filter(
    ({ object, facts }) =>
      !left.has(object) &&
      !SKIPPED_KINDS.has(String(facts?.kind)) &&
      !CRIUS_OWN.test(object.slice(`file${top}/`.length)),
  );
  return [
    ...changed,
    ...gone.map((path) => ({ object: `gone${top}/${path}`, digest: digestOf('gone'), facts: {} })),
  ];
}
