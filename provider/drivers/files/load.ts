import type { Context } from '../../core/context.ts';
import { StasisError } from '../../core/errors.ts';
import type { Host } from '../../core/host.ts';
import type { BlobReader } from '../../core/store.ts';
import type { TreeAccess } from './access.ts';
import { archiveOf, nameIn } from './archive.ts';
import { type AttributeTools, writeAttributes } from './attributes.ts';
import type { ListedEntry } from './listing.ts';

/** Writes a captured tree as `folder/name`, with all that was captured of it. */
export async function loadTree(
  entries: readonly ListedEntry[],
  folder: string,
  name: string,
  blobs: BlobReader,
  access: TreeAccess,
  tools: AttributeTools | undefined,
  context: Context,
): Promise<void> {
  const { host } = access;
  await unpack(entries, folder, name, blobs, host, context);
  const marked = entries.filter(({ attributes }) => attributes.length > 0);
  if (marked.length === 0) return;
  if (tools === undefined) throw noAttributeTools();
  const closed = await openClosed(marked, folder, name, access);
  const named = marked.map(({ path, attributes }) => ({ path: nameIn(name, path), attributes }));
  await writeAttributes(folder, streamOf(named), host, tools, context.signal);
  for (const { path, mode } of closed) await access.chmod(path, mode);
}

/**
 * GNU tar unpacks: it alone among what every Linux has sets times to the nanosecond and takes names of any bytes.
 * It sets owners before modes and folders' times last.
 */
async function unpack(
  entries: readonly ListedEntry[],
  folder: string,
  name: string,
  blobs: BlobReader,
  host: Host,
  context: Context,
): Promise<void> {
  const argv = ['tar', '--extract', '--file=-', '--same-owner', '--numeric-owner', '--same-permissions'];
  const failures: unknown[] = [];
  const spawned = await host.spawn([...argv, '--delay-directory-restore', '--warning=no-timestamp'], {
    signal: context.signal,
    cwd: folder,
    stdin: watched(archiveOf(entries, name, blobs), failures, entries, context),
  });
  for await (const _ of spawned.stdout);
  const { status, stderr } = await spawned.ended;
  if (failures.length > 0) throw failures[0];
  if (status !== 0) throw unpackError(stderr);
}

/** Keeps what the archive failed with, as the program only sees its input end; and tells how far it is. */
async function* watched(
  archive: AsyncIterable<Uint8Array>,
  failures: unknown[],
  entries: readonly ListedEntry[],
  context: Context,
): AsyncGenerator<Uint8Array> {
  const totalBytes = entries.reduce((sum, entry) => sum + (entry.linkTo ? 0 : entry.sizeBytes), 0);
  let doneBytes = 0;
  try {
    for await (const chunk of gathered(archive)) {
      yield chunk;
      doneBytes = Math.min(totalBytes, doneBytes + chunk.length);
      context.progress({ step: 'load', doneBytes, totalBytes });
    }
  } catch (error) {
    failures.push(error);
    throw error;
  }
}

const PIECE_BYTES = 256 * 1024;

/** Headers and small files together: a pipe is slow with many small writes. */
async function* gathered(chunks: AsyncIterable<Uint8Array>): AsyncGenerator<Uint8Array> {
  let pieces: Uint8Array[] = [];
  let sizeBytes = 0;
  for await (const chunk of chunks) {
    pieces.push(chunk);
    sizeBytes += chunk.length;
    if (sizeBytes < PIECE_BYTES) continue;
    yield Buffer.concat(pieces);
    pieces = [];
    sizeBytes = 0;
  }
  if (sizeBytes > 0) yield Buffer.concat(pieces);
}

function unpackError(stderr: string): StasisError {
  const [line = ''] = stderr.split('\n');
  if (/No space left on device|Disk quota exceeded/.test(stderr))
    return new StasisError('files.no-space', 'The target’s disk is full.', {
      hint: 'Make room, and apply again.',
      at: ['path'],
    });
  if (/Operation not permitted|Permission denied/.test(stderr))
    return new StasisError('files.rights', `Not all could be restored as it was: ${line}.`, {
      hint: 'Owners of others can only be restored by root.',
      at: ['path'],
    });
  return new StasisError('files.load-failed', `The files could not be unpacked: ${line}.`, { at: ['path'] });
}

/** What its owner must not write takes no user attributes either (xattr(7)), except from root. */
async function openClosed(
  marked: readonly ListedEntry[],
  folder: string,
  name: string,
  access: TreeAccess,
): Promise<{ readonly path: Buffer; readonly mode: number }[]> {
  if ((await access.self()).uid === 0) return [];
  const closed: { path: Buffer; mode: number }[] = [];
  for (const entry of marked) {
    if (entry.kind === 'symlink' || (entry.mode & 0o200) !== 0) continue;
    const path = Buffer.concat([Buffer.from(`${folder}/`), nameIn(name, entry.path)]);
    closed.push({ path, mode: entry.mode });
    await access.chmod(path, entry.mode | 0o200);
  }
  return closed;
}

async function* streamOf<T>(items: readonly T[]): AsyncGenerator<T> {
  yield* items;
}

export function noAttributeTools(): StasisError {
  return new StasisError(
    'files.attributes-tool-missing',
    'The snapshot has extended attributes or ACLs, and setfattr is missing here.',
    { hint: 'Install attr: apt-get install attr.', at: ['path'] },
  );
}
