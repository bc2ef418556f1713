/**
 * Tags of what the newest snapshot of a name holds, by which the next capture finds what has not changed. They are
 * worth as much as their key is secret, so both lie outside the store, in this user's cache folder; whoever captures
 * from another machine, or without the cache, only takes longer. Whatever is wrong with the file, it is not used.
 */
import { hash, randomBytes } from 'node:crypto';
import { mkdir, open, readdir, readFile, rename, rm, stat } from 'node:fs/promises';
import { homedir } from 'node:os';
import { join } from 'node:path';
import { type Digest, isDigest } from '../../core/digest.ts';
import { ByteReader, ByteWriter } from '../pack/bytes.ts';
import { TAG_KEY_BYTES } from '../pack/unchanged.ts';

const NAME = Buffer.from('stasisCC1', 'latin1');
const HASH_BYTES = 32;
/** 64 GiB of pages. Above it the table would take too much memory. */
const MAX_BYTES = 16 * 1024 * 1024;
/** Caches of other stores and names that stay; the oldest go. */
const KEPT_FILES = 64;

export interface CachedTags {
  readonly member: string;
  readonly blob: Digest;
  readonly tags: Uint8Array;
}

export interface ChangeCache {
  readonly snapshot: Digest;
  readonly key: Uint8Array;
  readonly blobs: readonly CachedTags[];
}

export function newTagKey(): Uint8Array {
  return randomBytes(TAG_KEY_BYTES);
}

/** STASIS_FULL_REHASH makes a capture look at everything again, as if there were no cache. */
export async function readChangeCache(location: string, name: string): Promise<ChangeCache | undefined> {
  if (process.env.STASIS_FULL_REHASH) return undefined;
  try {
    const bytes = await readFile(cacheFile(location, name));
    const content = bytes.subarray(0, -HASH_BYTES);
    if (!hash('sha256', content, 'buffer').equals(bytes.subarray(-HASH_BYTES))) return undefined;
    return decode(content);
  } catch {
    return undefined;
  }
}

/** Best effort: without it the next capture is slower. */
export async function writeChangeCache(location: string, name: string, cache: ChangeCache): Promise<void> {
  const content = encode(cache);
  const file = cacheFile(location, name);
  const temporary = `${file}.${randomBytes(6).toString('hex')}`;
  try {
    if (content.length > MAX_BYTES || cache.blobs.length === 0) {
      await rm(file, { force: true });
      return;
    }
    await mkdir(cacheFolder(), { recursive: true, mode: 0o700 });
    const handle = await open(temporary, 'wx', 0o600);
    try {
      await handle.writeFile(Buffer.concat([content, hash('sha256', content, 'buffer')]));
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

function encode({ snapshot, key, blobs }: ChangeCache): Buffer {
  const writer = new ByteWriter();
  const sized = (bytes: Uint8Array): void => {
    writer.number(bytes.length);
    writer.raw(bytes);
  };
  writer.raw(NAME);
  sized(Buffer.from(snapshot));
  sized(key);
  writer.number(blobs.length);
  for (const { member, blob, tags } of blobs) {
    sized(Buffer.from(member));
    sized(Buffer.from(blob));
    sized(tags);
  }
  return Buffer.from(writer.finish());
}

function decode(content: Uint8Array): ChangeCache | undefined {
  const reader = new ByteReader(content);
  if (!NAME.equals(reader.raw(NAME.length))) return undefined;
  const text = (): string => Buffer.from(reader.raw(reader.number())).toString();
  const digest = (): Digest => {
    const value = text();
    if (!isDigest(value)) throw new RangeError('no digest');
    return value;
  };
  const snapshot = digest();
  const key = Uint8Array.from(reader.raw(reader.number()));
  const blobs = Array.from({ length: reader.number() }, () => ({
    member: text(),
    blob: digest(),
    tags: Uint8Array.from(reader.raw(reader.number())),
  }));
  return key.length === TAG_KEY_BYTES ? { snapshot, key, blobs } : undefined;
}
