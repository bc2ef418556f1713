import type { Host } from '../../../core/host.ts';
import type { Care, WholeFile } from '../access.ts';
import { type ContentDigest, ContentHash } from '../content-hash.ts';
import { type Entry, isSparse } from '../entry.ts';
import { accepts, Changed } from '../reading.ts';
import type { ArchiveMember } from './archive-reader.ts';
import { BatchReader, type Mode } from './batch-reader.ts';

/** Few enough to have them all open at once (ulimit -n is 1024), and to keep what is in small ones in memory. */
const BATCH_FILES = 400;
const BATCH_BYTES = 4 * 1024 * 1024;

/** All of small files, in their order. */
export async function* wholesFar(
  host: Host,
  uid: number,
  root: Buffer,
  entries: readonly Entry[],
  care: Care,
  signal: AbortSignal,
): AsyncGenerator<WholeFile | undefined> {
  const batches = batchesOf(entries);
  await using reader = await BatchReader.open(host, uid, 'read', root, batches, signal);
  for (const batch of batches) {
    const opened = await reader.begin(batch);
    const contents = new Map<string, Buffer>();
    for await (const member of reader.members(opened)) contents.set(member.name, await collected(member));
    const after = await reader.end(opened);
    for (const [index, entry] of batch.entries()) {
      const { fd, before } = opened[index]!;
      const now = fd === undefined ? undefined : after.get(fd);
      const data = fd === undefined ? undefined : contents.get(fd);
      const isGood = before && now && accepts(care, entry, before) && accepts(care, entry, now);
      if (!isGood || data === undefined) {
        yield undefined;
        continue;
      }
      // tar makes up with zeros what a file lost while it was read.
      const length = Math.min(data.length, now.sizeBytes);
      yield { entry: { ...now, sizeBytes: length }, data: data.subarray(0, length) };
    }
  }
  await reader.finish();
}

/**
 * Whether a file that takes less than its length has holes, and nothing else. Elsewhere (ZFS, NFS) one that was just
 * written may take nothing yet, and tar would have it empty.
 */
export type TellsHoles = (entry: Entry) => boolean;

/** One file, piece by piece. @throws Changed */
export async function* piecesFar(
  host: Host,
  uid: number,
  root: Buffer,
  entry: Entry,
  care: Care,
  done: (entry: Entry) => void,
  tellsHoles: TellsHoles,
  signal: AbortSignal,
): AsyncGenerator<Buffer> {
  const mode = isSparse(entry) && tellsHoles(entry) ? 'holes' : 'read';
  await using reader = await BatchReader.open(host, uid, mode, root, [[entry]], signal);
  const opened = await reader.begin([entry]);
  const [{ fd, before } = {}] = opened;
  if (fd === undefined || before === undefined || !accepts(care, entry, before)) throw new Changed();
  let length = 0;
  for await (const member of reader.members(opened)) {
    length = member.sizeBytes;
    yield* member.data();
  }
  const after = (await reader.end(opened)).get(fd);
  await reader.finish();
  if (after === undefined || !accepts(care, entry, after)) throw new Changed();
  done({ ...after, sizeBytes: Math.min(length, after.sizeBytes) });
}

/** Hashed where they are; what may have holes is looked through for zeros, and only what is no hole comes here. */
export async function digestsFar(
  host: Host,
  uid: number,
  root: Buffer,
  entries: readonly Entry[],
  tellsHoles: TellsHoles,
  signal: AbortSignal,
): Promise<ReadonlyMap<string, ContentDigest>> {
  const digests = new Map<string, ContentDigest>();
  const batches = batchesOf(entries.filter((entry) => !isSparse(entry)));
  await using reader = await BatchReader.open(host, uid, 'hash', root, batches, signal);
  for (const batch of batches) {
    const opened = await reader.begin(batch);
    const hashes = await reader.hashes(opened);
    for (const [index, { fd }] of opened.entries()) {
      const sha256 = fd === undefined ? undefined : hashes.get(fd);
      if (sha256) digests.set(batch[index]!.path.toString('latin1'), { sha256, hollow: false });
    }
  }
  await reader.finish();
  const sparse = entries.filter(isSparse);
  const told = sparse.filter(tellsHoles);
  const untold = sparse.filter((entry) => !tellsHoles(entry));
  const withHoles = await sparseDigests(host, uid, root, told, 'holes', signal);
  const whole = await sparseDigests(host, uid, root, untold, 'read', signal);
  return new Map([...digests, ...withHoles, ...whole]);
}

async function sparseDigests(
  host: Host,
  uid: number,
  root: Buffer,
  entries: readonly Entry[],
  mode: Mode,
  signal: AbortSignal,
): Promise<ReadonlyMap<string, ContentDigest>> {
  const digests = new Map<string, ContentDigest>();
  const batches = batchesOf(entries);
  await using reader = await BatchReader.open(host, uid, mode, root, batches, signal);
  for (const batch of batches) {
    const opened = await reader.begin(batch);
    for await (const member of reader.members(opened)) {
      const hash = new ContentHash(true);
      for await (const piece of member.data()) hash.update(piece);
      const entry = batch[opened.findIndex(({ fd }) => fd === member.name)];
      if (entry) digests.set(entry.path.toString('latin1'), hash.digest());
    }
    await reader.end(opened);
  }
  await reader.finish();
  return digests;
}

function batchesOf(entries: readonly Entry[]): Entry[][] {
  const batches: Entry[][] = [];
  let roomBytes = 0;
  for (const entry of entries) {
    if (roomBytes <= 0 || batches.at(-1)!.length === BATCH_FILES) {
      batches.push([]);
      roomBytes = BATCH_BYTES;
    }
    batches.at(-1)!.push(entry);
    roomBytes -= entry.sizeBytes;
  }
  return batches;
}

async function collected(member: ArchiveMember): Promise<Buffer> {
  const pieces: Buffer[] = [];
  for await (const piece of member.data()) pieces.push(piece);
  return Buffer.concat(pieces);
}
