import { createHash } from 'node:crypto';
import type { FingerprintEntry } from '../../core/fingerprint.ts';
import { digestOf } from '../../core/fingerprint-digest.ts';
import type { ListedEntry } from './listing.ts';
import { type OwnerNames, ownerNames } from './owners.ts';
import { textOfPath } from './path-text.ts';

/** `file/a/b.txt`; the root is `file/.`, a name that no entry can have. */
export function objectOf(path: Uint8Array): string {
  return `file/${path.length === 0 ? '.' : textOfPath(path)}`;
}

/**
 * Entries in the order of their objects. All that is restored counts: kind, mode, owner, modification time to the
 * nanosecond, size, content, where a link points, which names are one file, attributes. Noise: access, change and
 * birth times, inode numbers, the size of a folder, how many blocks a file takes.
 *
 * @param contentDigest SHA-256 of a file's content, in hexadecimal; undefined leaves the entry out (it is gone).
 */
export async function* fingerprintOf(
  entries: readonly ListedEntry[],
  contentDigest: (entry: ListedEntry) => string | undefined | Promise<string | undefined>,
): AsyncGenerator<FingerprintEntry> {
  const names = ownerNames();
  const byPath = new Map(entries.map((entry) => [entry.path.toString('latin1'), entry]));
  const named = entries.map((entry) => ({ object: objectOf(entry.path), entry }));
  named.sort((a, b) => (a.object < b.object ? -1 : 1));
  for (const { object, entry } of named) {
    const first = entry.linkTo ? byPath.get(entry.linkTo.toString('latin1'))! : entry;
    const content = first.kind === 'file' ? await contentDigest(first) : '';
    if (content === undefined) continue;
    yield { object, digest: digestOfEntry(entry, first, content), facts: factsOf(entry, names) };
  }
}

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

/** SHA-256 of what passes by. */
export async function digestOfStream(chunks: AsyncIterable<Uint8Array>): Promise<string> {
  const hash = createHash('sha256');
  for await (const chunk of chunks) hash.update(chunk);
  return hash.digest('hex');
}
