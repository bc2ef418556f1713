import type { Fingerprint } from '../../core/fingerprint.ts';
import type { TreeAccess } from './access.ts';
import { type AttributeTools, isCaptured, readAttributes } from './attributes.ts';
import type { ContentDigest } from './content-hash.ts';
import { type Entry, inodeOf, isSparse } from './entry.ts';
import { fingerprintOf } from './fingerprint.ts';
import type { ListedEntry } from './listing.ts';
import { absolute, rootFileSystem } from './scan.ts';
import type { Excluded } from './selection.ts';

/** The fingerprint of a tree as it is on disk now: every entry looked at and every file read again. */
export async function* fingerprintOfTree(
  root: Buffer,
  excluded: Excluded,
  access: TreeAccess,
  tools: AttributeTools | undefined,
  signal: AbortSignal,
): Fingerprint {
  const scan = await access.scan(root, excluded, signal);
  const { entries } = scan;
  const paths = entries.map((entry) => absolute(root, entry.path));
  const attributes = tools ? await readAttributes(paths, access.host, tools, signal) : new Map();
  const firsts = new Map<string, Buffer>();
  const files: Entry[] = [];
  const listed = entries.map((entry): ListedEntry => {
    const first = firsts.get(inodeOf(entry));
    if (first === undefined) {
      firsts.set(inodeOf(entry), entry.path);
      if (entry.kind === 'file') files.push(entry);
    }
    const found: ListedEntry['attributes'] =
      attributes.get(absolute(root, entry.path).toString('latin1')) ?? [];
    return {
      path: entry.path,
      kind: entry.kind,
      mode: entry.mode,
      uid: entry.uid,
      gid: entry.gid,
      mtimeNs: entry.mtimeNs,
      sizeBytes: entry.sizeBytes,
      sparse: isSparse(entry),
      target: entry.target,
      linkTo: entry.kind === 'directory' ? undefined : first,
      attributes: first ? [] : found.filter(({ name }) => isCaptured(name)),
    };
  });
  const looked = new Map(files.map((entry) => [entry.path.toString('latin1'), entry]));
  const digestOf = await access.digests(root, files, signal);
  const digests = new Map<string, ContentDigest | undefined>();
  const digestOfEntry = async ({ path }: ListedEntry): Promise<ContentDigest | undefined> => {
    const key = path.toString('latin1');
    if (!digests.has(key)) digests.set(key, await digestOf(looked.get(key)!));
    return digests.get(key);
  };
  const tellsHoles = rootFileSystem(scan)?.tellsHoles ?? false;
  yield* fingerprintOf(listed, digestOfEntry, tellsHoles, await access.owners());
}
