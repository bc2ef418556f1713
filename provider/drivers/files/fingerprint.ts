import type { FingerprintEntry } from '../../core/fingerprint.ts';
import { digestOf } from '../../core/fingerprint-digest.ts';
import { type ContentDigest, ContentHash } from './content-hash.ts';
import type { ListedEntry } from './listing.ts';
import type { OwnerNames } from './owners.ts';
import { textOfPath } from './path-text.ts';

/** `file/a/b.txt`; the root is `file/.`, a name that no entry can have. */
export function objectOf(path: Uint8Array): string {
  return `file/${path.length === 0 ? '.' : textOfPath(path)}`;
}

/**
 * Entries in the order of their objects. All that is restored counts: kind, mode, owner, modification time to the
 * nanosecond, size, content, where a link points, which names are one file, attributes. Noise: access, change and
 * birth times, inode numbers, the size of a folder, how many blocks a file takes. After them, by an entry of its own,
 * that a file has holes.
 *
 * @param contentDigest of a file's content; undefined leaves the entry out (it is gone).
 * @param names of the machine that has them; for people only.
 * @param tellsHoles whether less on disk than there is content means holes here, and nothing else.
 */
export async function* fingerprintOf(
  entries: readonly ListedEntry[],
  contentDigest: (entry: ListedEntry) => ContentDigest | undefined | Promise<ContentDigest | undefined>,
  tellsHoles: boolean,
  names: OwnerNames,
): AsyncGenerator<FingerprintEntry> {
  const holes: FingerprintEntry[] = [];
  const byPath = new Map(entries.map((entry) => [entry.path.toString('latin1'), entry]));
  const named = entries.map((entry) => ({ object: objectOf(entry.path), entry }));
  named.sort((a, b) => (a.object < b.object ? -1 : 1));
  for (const { object, entry } of named) {
    const first = entry.linkTo ? byPath.get(entry.linkTo.toString('latin1'))! : entry;
    const content = first.kind === 'file' ? await contentDigest(first) : NONE;
    if (content === undefined) continue;
    yield { object, digest: digestOfEntry(entry, first, content.sha256), facts: factsOf(entry, names) };
    // Without a stretch of zeros a file that takes less than its length was packed by its file system.
    if (entry.sparse && !entry.linkTo && content.hollow)
      holes.push({
        object: `holes/${textOfPath(entry.path)}`,
        digest: 'holes',
        ...(tellsHoles ? {} : { mayVanishAtMs: 0 }),
      });
  }
  // In the order of the same names after another beginning.
  yield* holes;
}

/** Of what has no content. */
const NONE: ContentDigest = { sha256: '', hollow: false };

function digestOfEntry(entry: ListedEntry, first: ListedEntry, content: string): string {
  const attributes = [...first.attributes].sort((a, b) => (a.name < b.name ? -1 : 1));
  return digestOf(
    entry.kind,
    entry.mode,
    entry.uid,
    entry.gid,
    entry.mtimeNs,
    entry.sizeBytes,
    entry.target ?? null,
    entry.linkTo ?? null,
    content,
    ...attributes.flatMap(({ name, value }) => [name, value]),
  );
}

function factsOf(entry: ListedEntry, names: OwnerNames): Record<string, string | number> {
  const facts: Record<string, string | number> = {
    type: entry.kind,
    mode: entry.mode.toString(8).padStart(4, '0'),
    owner: `${entry.uid}:${entry.gid} (${names.user(entry.uid)}:${names.group(entry.gid)})`,
    modified: timeOf(entry.mtimeNs),
  };
  if (entry.kind === 'file') facts.sizeBytes = entry.sizeBytes;
  if (entry.target) facts.target = textOfPath(entry.target);
  if (entry.linkTo) facts.linkTo = textOfPath(entry.linkTo);
  if (entry.attributes.length > 0)
    facts.attributes = entry.attributes
      .map(({ name, value }) => `${textOfPath(Buffer.from(name, 'latin1'))}[${value.length}]`)
      .sort()
      .join(' ');
  return facts;
}

/** ISO 8601 with nine digits after the second, where a Date can say it. */
function timeOf(ns: bigint): string {
  const fraction = ((ns % 1_000_000_000n) + 1_000_000_000n) % 1_000_000_000n;
  const seconds = (ns - fraction) / 1_000_000_000n;
  const date = new Date(Number(seconds) * 1000);
  if (Number.isNaN(date.getTime())) return `${ns} ns`;
  return `${date.toISOString().slice(0, -5)}.${String(fraction).padStart(9, '0')}Z`;
}

/** Of what passes by. */
export async function digestOfStream(
  chunks: AsyncIterable<Uint8Array>,
  looksForZeros: boolean,
): Promise<ContentDigest> {
  const hash = new ContentHash(looksForZeros);
  for await (const chunk of chunks) hash.update(chunk);
  return hash.digest();
}
