/**
 * The SHA-256 of every segment of what the newest snapshot of a name holds, by which the next capture finds what has
 * not changed. In a store they would be a large part of what a generation adds, so they lie in this user's cache
 * folder; whoever captures from another machine, or without the cache, only takes longer. Nobody need trust the file:
 * the digests of the snapshot's blobs prove the hashes, and whatever is wrong with it, it is not used.
 */
import { hash, randomBytes } from 'node:crypto';
import { mkdir, open, readdir, readFile, rename, rm, stat } from 'node:fs/promises';
import { homedir } from 'node:os';
import { join } from 'node:path';
import { type BlobDigest, isBlobDigest } from '../../core/blob-digest.ts';
import { type Digest, isDigest } from '../../core/digest.ts';
import { ByteReader, ByteWriter } from '../pack/bytes.ts';
import { MAX_KEPT_BYTES } from '../pack/unchanged.ts';

const NAME = Buffer.from('stasisCC3', 'latin1');
/** Caches of other stores and names that stay; the oldest go. */
const KEPT_FILES = 64;

export interface CachedSegments {
  readonly member: string;
  readonly blob: BlobDigest;
  readonly segments: Uint8Array;
}

export interface ChangeCache {
  readonly snapshot: Digest;
  readonly blobs: readonly CachedSegments[];
}

export async function readChangeCache(location: string, name: string): Promise<ChangeCache | undefined> {
  try {
    return decode(await readFile(cacheFile(location, name)));
  } catch {
    return undefined;
  }
}

/** Best effort: without it the next capture is slower. */
export async function writeChangeCache(location: string, name: string, cache: ChangeCache): Promise<void> {
  const file = cacheFile(location, name);
  const temporary = `${file}.${randomBytes(6).toString('hex')}`;
  try {
    const sizeBytes = cache.blobs.reduce((sum, { segments }) => sum + segments.length, 0);
    if (sizeBytes > MAX_KEPT_BYTES || sizeBytes === 0) {
      await rm(file, { force: true });
      return;
    }
    await mkdir(cacheFolder(), { recursive: true, mode: 0o700 });
    const handle = await open(temporary, 'wx', 0o600);
    try {
      await handle.writeFile(encode(cache));
    } finally {
      await handle.close();
    }
    await rename(temporary, file);
    await removeOldest();
  } catch {
    await rm(temporary, { force: true }).catch(() => {});
  }
}

function cacheFolder(): string {
  const { XDG_CACHE_HOME } = process.env;
  return join(XDG_CACHE_HOME ? XDG_CACHE_HOME : join(homedir(), '.cache'), 'stasis', 'changes');
}

function cacheFile(location: string, name: string): string {
  return join(cacheFolder(), hash('sha256', `${location}\0${name}`, 'hex'));
}

async function removeOldest(): Promise<void> {
  const files = (await readdir(cacheFolder())).map((name) => join(cacheFolder(), name));
  if (files.length <= KEPT_FILES) return;
  const aged = await Promise.all(files.map(async (file) => ({ file, mtimeMs: (await stat(file)).mtimeMs })));
  aged.sort((a, b) => b.mtimeMs - a.mtimeMs);
  for (const { file } of aged.slice(KEPT_FILES)) await rm(file, { force: true });
}

function encode({ snapshot, blobs }: ChangeCache): Buffer {
  const writer = new ByteWriter();
  const sized = (bytes: Uint8Array): void => {
    writer.number(bytes.length);
    writer.raw(bytes);
  };
  writer.raw(NAME);
  sized(Buffer.from(snapshot));
  writer.number(blobs.length);
  for (const { member, blob, segments } of blobs) {
    sized(Buffer.from(member));
    sized(Buffer.from(blob));
    sized(segments);
  }
  return writer.finish();
}

function decode(content: Uint8Array): ChangeCache | undefined {
  const reader = new ByteReader(content);
  if (!NAME.equals(reader.raw(NAME.length))) return undefined;
  const text = (): string => Buffer.from(reader.raw(reader.number())).toString();
  const snapshot = text();
  if (!isDigest(snapshot)) return undefined;
  const blob = (): BlobDigest => {
    const value = text();
    if (!isBlobDigest(value)) throw new RangeError('no digest of a blob');
    return value;
  };
  const blobs = Array.from({ length: reader.number() }, () => ({
    member: text(),
    blob: blob(),
    segments: reader.raw(reader.number()),
  }));
  return reader.ended ? { snapshot, blobs } : undefined;
}
