import { createHash } from 'node:crypto';
import { open, readFile } from 'node:fs/promises';
import type { Context } from '../../core/context.ts';
import type { Digest } from '../../core/digest.ts';
import { StasisError, throwIfAborted } from '../../core/errors.ts';
import type { Manifest } from '../../core/manifest.ts';
import type { StoreFinding } from '../../core/store.ts';
import { MANIFEST_TYPE, type SnapshotBlobs } from '../oci/manifest.ts';
import { decodeMap } from '../pack/map.ts';
import type { Sized } from '../pack/pack-writer.ts';
import { readBlob } from './blob-files.ts';
import { loadSnapshot } from './catalog.ts';
import { isCode, sizeOf } from './durable.ts';
import { type IndexEntry, readIndex } from './index-file.ts';
import type { Layout } from './layout.ts';

const READ_BYTES = 1024 * 1024;

type Depth = 'presence' | 'content';

/**
 * What is wrong with a snapshot, in everything that it needs: the layout's own two files, its manifests, maps and
 * packs. `content` reads every byte.
 */
export async function verifySnapshot(
  layout: Layout,
  digest: Digest,
  depth: Depth,
  context: Context,
): Promise<readonly StoreFinding[]> {
  const findings = [...(await verifyLayout(layout, digest)), ...(await verifyIndex(layout, digest))];
  const sizeBytes = await sizeOf(layout.blob(digest));
  if (sizeBytes === undefined)
    return [...findings, find('missing', digest, `the manifest ${digest} is missing`)];
  try {
    const { blobs, manifest } = await loadSnapshot(layout, digest, sizeBytes);
    const needs = await membersByPack(layout, blobs);
    for (const map of blobs.maps) findings.push(...(await verifyBlob(layout, map, [map.member], depth)));
    for (const pack of blobs.packs) {
      throwIfAborted(context.signal);
      findings.push(...(await verifyBlob(layout, pack, needs.get(pack.digest) ?? [], depth)));
    }
    findings.push(...(await verifyEntries(layout, digest, sizeBytes, manifest)));
  } catch (error) {
    findings.push(findingOf(error, digest));
  }
  return unique(findings);
}

async function verifyLayout(layout: Layout, digest: Digest): Promise<StoreFinding[]> {
  try {
    const version = JSON.parse(await readFile(layout.versionFile, 'utf8')) as Record<string, unknown>;
    if (version.imageLayoutVersion === '1.0.0') return [];
  } catch (error) {
    if (isCode(error, 'ENOENT'))
      return [find('missing', digest, `the file oci-layout is missing from ${layout.root}`)];
    if (isCode(error, 'EIO', 'EACCES')) throw error;
  }
  return [find('unreadable', digest, `the file oci-layout of ${layout.root} is not one of version 1.0.0`)];
}

async function verifyIndex(layout: Layout, digest: Digest): Promise<StoreFinding[]> {
  try {
    const index = await readIndex(layout);
    if (index === undefined) return [find('missing', digest, `index.json is missing from ${layout.root}`)];
    const findings = index.entries.filter(isUnreadable).map(() => {
      return find('unreadable', digest, 'index.json has an entry that cannot be read');
    });
    if (!index.entries.some((entry) => entry.digest === digest))
      findings.push(find('missing', digest, `index.json does not list ${digest}`));
    return findings;
  } catch (error) {
    if (!(error instanceof StasisError)) throw error;
    return [find('unreadable', digest, 'index.json cannot be read')];
  }
}

function isUnreadable(entry: IndexEntry): boolean {
  return entry.digest === undefined || entry.sizeBytes === undefined || entry.mediaType === undefined;
}

/** Whether the entries of this snapshot say what its manifest says. */
async function verifyEntries(
  layout: Layout,
  digest: Digest,
  sizeBytes: number,
  manifest: Manifest,
): Promise<StoreFinding[]> {
  const index = await readIndex(layout).catch(() => undefined);
  const findings: StoreFinding[] = [];
  for (const entry of index?.entries ?? []) {
    if (entry.digest !== digest) continue;
    if (entry.sizeBytes !== sizeBytes)
      findings.push(find('wrong-size', digest, 'index.json gives the manifest another size'));
    const same =
      entry.mediaType === MANIFEST_TYPE &&
      (entry.generation ?? manifest.generation) === manifest.generation &&
      (entry.cutAt ?? manifest.cutAt) === manifest.cutAt;
    if (!same)
      findings.push(find('damaged', digest, 'index.json says of the snapshot what its manifest does not'));
  }
  return findings;
}

/** Which members need which pack, as far as the maps can be read. */
async function membersByPack(layout: Layout, blobs: SnapshotBlobs): Promise<Map<Digest, string[]>> {
  const needs = new Map<Digest, string[]>();
  for (const blob of blobs.maps) {
    try {
      const { packs } = decodeMap(await readBlob(layout, blob));
      for (const pack of packs) needs.set(pack, [...(needs.get(pack) ?? []), blob.member]);
    } catch (error) {
      // A damaged map is a finding of its own; its packs then concern everybody.
      if (!(error instanceof StasisError)) throw error;
    }
  }
  return needs;
}

async function verifyBlob(
  layout: Layout,
  { digest, sizeBytes }: Sized,
  members: readonly string[],
  depth: Depth,
): Promise<StoreFinding[]> {
  const found = await sizeOf(layout.blob(digest));
  if (found === undefined) return [find('missing', digest, `the blob ${digest} is missing`, members)];
  if (found !== sizeBytes) {
    const message = `the blob ${digest} has ${found} bytes and not ${sizeBytes}`;
    return [find('wrong-size', digest, message, members)];
  }
  if (depth === 'presence' || (await hashFile(layout.blob(digest))) === digest) return [];
  return [find('damaged', digest, `the blob ${digest} is not what was written`, members)];
}

async function hashFile(file: string): Promise<Digest> {
  const hash = createHash('sha256');
  const handle = await open(file, 'r');
  try {
    const buffer = Buffer.allocUnsafeSlow(READ_BYTES);
    for (;;) {
      const { bytesRead } = await handle.read(buffer, 0, READ_BYTES);
      if (bytesRead === 0) break;
      hash.update(buffer.subarray(0, bytesRead));
    }
  } finally {
    await handle.close();
  }
  return `sha256:${hash.digest('hex')}`;
}

/** A manifest that cannot be read, as a finding that concerns everybody; a newer format is no damage. */
function findingOf(error: unknown, digest: Digest): StoreFinding {
  if (!(error instanceof StasisError) || error.code === 'store.newer-format') throw error;
  const { finding, digest: blob } = error.details as { finding?: StoreFinding['code']; digest?: Digest };
  return find(finding ?? 'unreadable', blob ?? digest, error.message.replace(/\.$/, ''));
}

function find(
  code: StoreFinding['code'],
  digest: Digest,
  message: string,
  members: readonly string[] = [],
): StoreFinding {
  return { code, digest, members, message };
}

function unique(findings: readonly StoreFinding[]): StoreFinding[] {
  return [...new Map(findings.map((finding) => [`${finding.digest} ${finding.message}`, finding])).values()];
}
