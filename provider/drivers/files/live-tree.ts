import type { Fingerprint } from '../../core/fingerprint.ts';
import type { Host } from '../../core/host.ts';
import { type AttributeTools, isCaptured, readAttributes } from './attributes.ts';
import type { ContentDigest } from './content-hash.ts';
import { inodeOf, isSparse } from './entry.ts';
import { fileSystemAt } from './filesystem.ts';
import { digestOfStream, fingerprintOf } from './fingerprint.ts';
import type { ListedEntry } from './listing.ts';
import { Changed, readPieces } from './reader.ts';
import { absolute, scanTree } from './scan.ts';
import type { Excluded } from './selection.ts';

/** The fingerprint of a tree as it is on disk now: every entry looked at and every file read again. */
export async function* fingerprintOfTree(
  root: Buffer,
  excluded: Excluded,
  host: Host,
  tools: AttributeTools | undefined,
  signal: AbortSignal,
): Fingerprint {
  const { entries } = await scanTree(root, excluded, signal);
  const paths = entries.map((entry) => absolute(root, entry.path));
  const attributes = tools ? await readAttributes(paths, host, tools, signal) : new Map();
  const firsts = new Map<string, Buffer>();
  const listed = entries.map((entry): ListedEntry => {
    const first = firsts.get(inodeOf(entry));
    if (first === undefined) firsts.set(inodeOf(entry), entry.path);
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
  const looked = new Map(entries.map((entry) => [entry.path.toString('latin1'), entry]));
  const digests = new Map<string, ContentDigest | undefined>();
  const digestOfEntry = async ({ path, linkTo }: ListedEntry): Promise<ContentDigest | undefined> => {
    const key = (linkTo ?? path).toString('latin1');
    if (!digests.has(key)) digests.set(key, await digestOfFile(root, looked.get(key)!));
    return digests.get(key);
  };
  yield* fingerprintOf(listed, digestOfEntry, fileSystemAt(root).tellsHoles);
}

async function digestOfFile(
  root: Buffer,
  entry: Parameters<typeof readPieces>[1],
): Promise<ContentDigest | undefined> {
  try {
    return await digestOfStream(readPieces(root, entry, 'moving'), isSparse(entry));
  } catch (error) {
    if (error instanceof Changed) return undefined;
    throw error;
  }
}
