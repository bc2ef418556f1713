import { z } from 'zod';
import { isBlobDigest } from '../../core/blob-digest.ts';
import { hashedAgain } from '../../core/blobs.ts';
import { StasisError } from '../../core/errors.ts';
import type { BlobDescriptor, BlobReader } from '../../core/store.ts';
import type { Attribute } from './attributes.ts';
import type { EntryKind } from './entry.ts';
import { pathOfText, textOfPath } from './path-text.ts';

/** One captured entry: all that is restored of it. */
export interface ListedEntry {
  readonly path: Buffer;
  readonly kind: EntryKind;
  readonly mode: number;
  readonly uid: number;
  readonly gid: number;
  readonly mtimeNs: bigint;
  readonly sizeBytes: number;
  readonly sparse: boolean;
  readonly target?: Buffer;
  /** The entry before this one that is the same inode. */
  readonly linkTo?: Buffer;
  readonly content?: { readonly blob: BlobDescriptor; readonly offset: number };
  readonly attributes: readonly Attribute[];
}

const attribute = z.tuple([z.string(), z.string()]);
const line = z.union([
  z.strictObject({ blob: z.string().refine(isBlobDigest), sizeBytes: z.int().nonnegative() }),
  z.strictObject({
    path: z.string(),
    kind: z.enum(['directory', 'file', 'symlink', 'fifo']),
    mode: z.int().min(0).max(0o7777),
    uid: z.int().nonnegative(),
    gid: z.int().nonnegative(),
    mtimeNs: z.string().regex(/^-?[0-9]{1,20}$/),
    sizeBytes: z.int().nonnegative().optional(),
    sparse: z.literal(true).optional(),
    target: z.string().optional(),
    linkTo: z.string().optional(),
    /** The blob's number, in the order of the blob lines, and where in it the content begins. */
    content: z.tuple([z.int().nonnegative(), z.int().nonnegative()]).optional(),
    /** Names as the text of a path, values in base64. */
    attributes: z.array(attribute).optional(),
  }),
]);
type Line = z.infer<typeof line>;

const LINES_A_CHUNK = 512;

/** The listing as NDJSON: a line for each blob before the first entry that needs it, then a line for the entry. */
export async function* encodeListing(entries: Iterable<ListedEntry>): AsyncGenerator<Uint8Array> {
  const numbers = new Map<string, number>();
  let lines: string[] = [];
  const add = (written: Line): void => {
    lines.push(`${JSON.stringify(written)}\n`);
  };
  for (const entry of entries) {
    const { content } = entry;
    if (content && !numbers.has(content.blob.digest)) {
      numbers.set(content.blob.digest, numbers.size);
      add({ blob: content.blob.digest, sizeBytes: content.blob.sizeBytes });
    }
    add({
      path: textOfPath(entry.path),
      kind: entry.kind,
      mode: entry.mode,
      uid: entry.uid,
      gid: entry.gid,
      mtimeNs: String(entry.mtimeNs),
      sizeBytes: entry.kind === 'file' ? entry.sizeBytes : undefined,
      sparse: entry.sparse || undefined,
      target: entry.target && textOfPath(entry.target),
      linkTo: entry.linkTo && textOfPath(entry.linkTo),
      content: content && [numbers.get(content.blob.digest)!, content.offset],
      attributes:
        entry.attributes.length === 0
          ? undefined
          : entry.attributes.map(({ name, value }) => [
              textOfPath(Buffer.from(name, 'latin1')),
              value.toString('base64'),
            ]),
    });
    if (lines.length < LINES_A_CHUNK) continue;
    yield Buffer.from(lines.join(''));
    lines = [];
  }
  if (lines.length > 0) yield Buffer.from(lines.join(''));
}

/**
 * Reads a listing back, and insists that it is one that we wrote: every path inside the tree, each once, below a
 * folder that is in it, so that nothing can ever be written outside of the target.
 *
 * @throws StasisError `files.damaged-listing`
 */
export async function decodeListing(listing: BlobDescriptor, blobs: BlobReader): Promise<ListedEntry[]> {
  const known: BlobDescriptor[] = [];
  const entries: ListedEntry[] = [];
  const kinds = new Map<string, EntryKind>();
  for await (const text of linesOf(hashedAgain(blobs, listing.digest))) {
    const parsed = line.safeParse(parse(text));
    if (!parsed.success) throw damaged('a line of it is malformed');
    if ('blob' in parsed.data) {
      const { blob: digest, sizeBytes } = parsed.data;
      if (!isBlobDigest(digest)) throw damaged('a digest of it is malformed');
      known.push({ digest, sizeBytes });
      continue;
    }
    const entry = entryOfLine(parsed.data, known);
    insistOnPlace(entry, kinds);
    kinds.set(entry.path.toString('latin1'), entry.kind);
    entries.push(entry);
  }
  if (entries.length === 0) throw damaged('it is empty');
  return entries;
}

function entryOfLine(from: Exclude<Line, { blob: string }>, known: readonly BlobDescriptor[]): ListedEntry {
  const sizeBytes = from.sizeBytes ?? 0;
  const blob = from.content && known[from.content[0]];
  const holdsContent = from.kind === 'file' && sizeBytes > 0 && from.linkTo === undefined;
  if (holdsContent !== (blob !== undefined)) throw damaged(`${from.path} has no content`);
  const offset = from.content?.[1] ?? 0;
  if (blob && offset + sizeBytes > blob.sizeBytes) throw damaged(`${from.path} is longer than its blob`);
  return {
    path: pathOfText(from.path),
    kind: from.kind,
    mode: from.mode,
    uid: from.uid,
    gid: from.gid,
    mtimeNs: BigInt(from.mtimeNs),
    sizeBytes,
    sparse: from.sparse ?? false,
    target: from.target === undefined ? undefined : pathOfText(from.target),
    linkTo: from.linkTo === undefined ? undefined : pathOfText(from.linkTo),
    content: blob && { blob, offset },
    attributes: (from.attributes ?? []).map(([name, value]) => ({
      name: pathOfText(name).toString('latin1'),
      value: Buffer.from(value, 'base64'),
    })),
  };
}

function insistOnPlace(entry: ListedEntry, kinds: ReadonlyMap<string, EntryKind>): void {
  const path = entry.path.toString('latin1');
  const text = textOfPath(entry.path);
  if (kinds.has(path)) throw damaged(`${text} is in it twice`);
  if ((path === '') !== (kinds.size === 0)) throw damaged('it does not begin with its root');
  const names = path.split('/');
  if (
    path !== '' &&
    names.some((name) => name === '' || name === '.' || name === '..' || name.includes('\0'))
  )
    throw damaged(`${text} does not lie in the tree`);
  if (path !== '' && kinds.get(names.slice(0, -1).join('/')) !== 'directory')
    throw damaged(`${text} lies in no folder`);
  if (entry.linkTo && kinds.get(entry.linkTo.toString('latin1')) !== entry.kind)
    throw damaged(`${text} is a link to nothing`);
  if ((entry.kind === 'symlink') !== (entry.target !== undefined)) throw damaged(`${text} has no target`);
}

async function* linesOf(chunks: AsyncIterable<Uint8Array>): AsyncGenerator<string> {
  let rest: Buffer = Buffer.alloc(0);
  for await (const chunk of chunks) {
    const bytes = Buffer.concat([rest, chunk]);
    const end = bytes.lastIndexOf(10);
    rest = Buffer.from(bytes.subarray(end + 1));
    if (end >= 0) yield* bytes.subarray(0, end).toString('utf8').split('\n');
  }
  if (rest.length > 0) throw damaged('its last line is cut off');
}

function parse(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch (cause) {
    throw damaged('a line of it is no JSON', cause);
  }
}

function damaged(how: string, cause?: unknown): StasisError {
  return new StasisError('files.damaged-listing', `The snapshot’s list of files cannot be used: ${how}.`, {
    hint: 'Restore another generation; "stasis verify" tells what is damaged.',
    cause,
  });
}
