/**
 * Removes what nothing needs. Called only under the store's lock, so no name is sealed and no draft begins meanwhile;
 * whatever cannot be told for certain stays.
 */
import { readdir, rm, stat } from 'node:fs/promises';
import { join } from 'node:path';
import type { Context } from '../../core/context.ts';
import { type Digest, isDigest } from '../../core/digest.ts';
import { StasisError, throwIfAborted } from '../../core/errors.ts';
import { isManifestType, referencesOf } from '../oci/manifest.ts';
import { readBlob } from './blob-files.ts';
import { draftPacks } from './draft-record.ts';
import { folderTimeMs, isCode, ownerOfTemporary, sizeOf, syncFolder } from './durable.ts';
import { livenessOf } from './holder.ts';
import type { LayoutIndex } from './index-file.ts';
import type { Layout } from './layout.ts';
import { liveTokens } from './lock-chain.ts';

/** What no manifest names may be what another tool is just copying here: it stays for this long. */
const GRACE_MS = 60 * 60_000;

/** Whether a writer has died and left something. Cheap. */
export async function hasDeadDrafts(layout: Layout): Promise<boolean> {
  const drafts = await readdir(layout.drafts);
  if (drafts.length === 0) return false;
  const live = await liveTokens(layout.locks);
  return drafts.some((token) => !live.has(token));
}

/** Returns the bytes that it freed. `forsaken` are blobs that are known to be ours: for them there is no grace. */
export async function collectGarbage(
  layout: Layout,
  index: LayoutIndex,
  forsaken: Iterable<Digest>,
  context: Context,
): Promise<number> {
  const drafts = await readdir(layout.drafts);
  const live = await liveTokens(layout.locks);
  const dead = drafts.filter((token) => !live.has(token));
  const needed = await neededBlobs(layout, index, context);
  if (needed !== undefined)
    for (const token of drafts)
      if (live.has(token)) for (const digest of await draftPacks(layout, token)) needed.add(digest);
  const ours = new Set(forsaken);
  let removedBytes = 0;
  for (const token of dead) {
    for (const digest of await digestsIn(join(layout.drafts, token))) ours.add(digest);
    removedBytes += await removeFolder(join(layout.drafts, token));
  }
  if (needed !== undefined) removedBytes += await sweepBlobs(layout, needed, ours, context);
  return removedBytes + (await sweepTemporary(layout));
}

/**
 * Every blob that a manifest in the index leads to, also those of other tools. Undefined when one cannot be read: then
 * nobody knows what it needs.
 */
async function neededBlobs(
  layout: Layout,
  index: LayoutIndex,
  context: Context,
): Promise<Set<Digest> | undefined> {
  const needed = new Set<Digest>();
  const open: { digest: Digest; sizeBytes: number }[] = [];
  try {
    for (const { digest, sizeBytes } of index.entries) {
      if (digest === undefined || sizeBytes === undefined)
        throw new StasisError('store.damaged', 'An entry of the index cannot be read.');
      open.push({ digest, sizeBytes });
    }
    for (let blob = open.pop(); blob !== undefined; blob = open.pop()) {
      if (needed.has(blob.digest)) continue;
      needed.add(blob.digest);
      for (const { mediaType, digest, size } of referencesOf(await readBlob(layout, blob))) {
        if (isManifestType(mediaType)) open.push({ digest, sizeBytes: size });
        else needed.add(digest);
      }
    }
    return needed;
  } catch (error) {
    if (!(error instanceof StasisError)) throw error;
    context.logger.log('warn', 'no blob is swept, as not every manifest can be read', {
      reason: error.message,
    });
    return undefined;
  }
}

async function sweepBlobs(
  layout: Layout,
  needed: ReadonlySet<Digest>,
  ours: ReadonlySet<Digest>,
  context: Context,
): Promise<number> {
  const nowMs = await folderTimeMs(layout.temporary);
  let removedBytes = 0;
  for (const name of await readdir(layout.blobs)) {
    throwIfAborted(context.signal);
    const digest = `sha256:${name}`;
    if (isDigest(digest) && needed.has(digest)) continue;
    const file = join(layout.blobs, name);
    const { size, mtimeMs } = await stat(file);
    const known = isDigest(digest) && ours.has(digest);
    if (!known && nowMs - mtimeMs < GRACE_MS) continue;
    await rm(file, { force: true });
    removedBytes += size;
  }
  if (removedBytes > 0) await syncFolder(layout.blobs);
  return removedBytes;
}

async function sweepTemporary(layout: Layout): Promise<number> {
  let removedBytes = 0;
  const nowMs = await folderTimeMs(layout.temporary);
  for (const name of await readdir(layout.temporary)) {
    const file = join(layout.temporary, name);
    const owner = ownerOfTemporary(name);
    const liveness = owner === undefined ? 'unknown' : await livenessOf(owner);
    if (liveness === 'alive') continue;
    try {
      const { size, mtimeMs } = await stat(file);
      if (liveness === 'unknown' && nowMs - mtimeMs < GRACE_MS) continue;
      await rm(file, { force: true });
      removedBytes += size;
    } catch (error) {
      if (!isCode(error, 'ENOENT')) throw error;
    }
  }
  return removedBytes;
}

async function digestsIn(folder: string): Promise<Digest[]> {
  return (await readdir(folder)).map((name) => `sha256:${name}`).filter(isDigest);
}

async function removeFolder(folder: string): Promise<number> {
  let removedBytes = 0;
  for (const name of await readdir(folder)) removedBytes += (await sizeOf(join(folder, name))) ?? 0;
  await rm(folder, { recursive: true, force: true });
  return removedBytes;
}
