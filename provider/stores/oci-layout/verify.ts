import { readFile } from 'node:fs/promises';
import type { Context } from '../../core/context.ts';
import type { Digest } from '../../core/digest.ts';
import { StasisError, throwIfAborted } from '../../core/errors.ts';
import { isOtherFormat } from '../../core/format-version.ts';
import { formatReference } from '../../core/reference.ts';
import type { SealedSnapshot, StoreFinding, StoreVerification } from '../../core/store.ts';
import type { SnapshotBlobs } from '../oci/manifest.ts';
import { decodeMap } from '../pack/map.ts';
import { listAttachments, readEntryOf, verifyAttachment } from './attachments.ts';
import { readBlob } from './blob-files.ts';
import { type LoadedSnapshot, loadSnapshot } from './catalog.ts';
import type { Documents } from './documents.ts';
import { sizeOf } from './durable.ts';
import type { IndexEntry, LayoutIndex } from './index-file.ts';
import type { Layout } from './layout.ts';
import { BlobChecks, type Depth, findingOf } from './verify-blobs.ts';
import {
  type Described,
  isOfOthers,
  verifyEntry,
  verifyIndexFile,
  verifyVersionFile,
} from './verify-index.ts';

/** How often a store is looked at again that others changed while we looked. */
const MAX_LOOKS = 3;

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
  const { index, findings } = await verifyIndexFile(layout, digest);
  findings.unshift(...(await verifyVersionFile(layout, digest)));
  if (index !== undefined && !index.entries.some((entry) => entry.digest === digest))
    findings.push(findingOf('missing', digest, `index.json does not list ${digest}`));
  const { found, problems } = await load(layout, digest);
  findings.push(...problems);
  if (found !== undefined)
    findings.push(...(await verifyParts(layout, found.loaded.blobs, new BlobChecks(layout, depth), context)));
  for (const entry of index?.entries ?? []) {
    const isThis = entry.digest === digest;
    if (isThis || entry.digest === undefined || entry.name === found?.loaded.manifest.name)
      findings.push(...(await verifyEntry(layout, entry, isThis ? describedBy(found) : undefined)));
  }
  for (const attached of index === undefined ? [] : await listAttachments(layout, index, digest))
    findings.push(...(await verifyAttachment(layout, attached, isOfOthers(attached.entry))));
  return unique(findings);
}

/**
 * What is wrong with a store as a whole: with each snapshot, with every entry of the index, and with what is ours
 * alone, the names and the records (`documents`). Left out are locks, drafts and temporary files, which belong to
 * writers that live, and blobs that no snapshot of ours needs.
 */
export async function verifyStore(
  layout: Layout,
  documents: readonly Documents[],
  depth: Depth,
  context: Context,
): Promise<StoreVerification> {
  const checks = new BlobChecks(layout, depth);
  for (let look = 1; ; look += 1) {
    const before = await indexText(layout);
    const verified = await lookAtStore(layout, documents, checks, context);
    // What a generation needed goes when `keep` removes it: that is no damage.
    const isSteady = verified.findings.length === 0 || before === (await indexText(layout));
    if (isSteady || look === MAX_LOOKS) return verified;
  }
}

function indexText(layout: Layout): Promise<string | undefined> {
  return readFile(layout.indexFile, 'latin1').catch(() => undefined);
}

async function lookAtStore(
  layout: Layout,
  documents: readonly Documents[],
  checks: BlobChecks,
  context: Context,
): Promise<StoreVerification> {
  const { index, findings } = await verifyIndexFile(layout);
  findings.unshift(...(await verifyVersionFile(layout)));
  for (const each of documents)
    findings.push(...(await each.damaged()).map((message) => findingOf('damaged', undefined, message)));
  const snapshots: SealedSnapshot[] = [];
  for (const [digest, entries] of byDigest(index)) {
    throwIfAborted(context.signal);
    const attached = await readEntryOf(layout, entries[0]!);
    if (attached !== undefined) {
      for (const entry of entries)
        findings.push(...(await verifyAttachment(layout, { ...attached, entry }, isOfOthers(entry))));
      continue;
    }
    const isOurs = entries.some((entry) => entry.isOurs || entry.generation !== undefined);
    const { found, problems, isForeign } =
      digest === undefined ? NOTHING : await look(layout, digest, entries);
    if (isOurs || !isForeign) findings.push(...problems);
    for (const entry of entries) findings.push(...(await verifyEntry(layout, entry, describedBy(found))));
    if (found === undefined || digest === undefined) continue;
    findings.push(...(await verifyParts(layout, found.loaded.blobs, checks, context)));
    const { manifest } = found.loaded;
    const { generation } = manifest;
    const name = entries.find((entry) => entry.name !== undefined)?.name ?? manifest.name;
    snapshots.push({ name, generation, digest, manifest });
  }
  return { snapshots, findings: unique(findings) };
}

function byDigest(index: LayoutIndex | undefined): Map<Digest | undefined, IndexEntry[]> {
  return Map.groupBy(index?.entries ?? [], (entry) => entry.digest);
}

interface Found {
  readonly sizeBytes: number;
  readonly loaded: LoadedSnapshot;
}

interface Load {
  readonly found?: Found;
  readonly problems: readonly StoreFinding[];
  /** The manifest is whole, and none of ours as far as it can be told. */
  readonly isForeign?: boolean;
}

const NOTHING: Load = { problems: [] };

/** A snapshot's manifests, or what is wrong with them; the format of another version is no damage. */
async function load(layout: Layout, digest: Digest): Promise<Load> {
  const sizeBytes = await sizeOf(layout.blob(digest));
  if (sizeBytes === undefined)
    return { problems: [findingOf('missing', digest, `the manifest ${digest} is missing`)] };
  try {
    return { found: { sizeBytes, loaded: await loadSnapshot(layout, digest, sizeBytes) }, problems: [] };
  } catch (error) {
    if (!(error instanceof StasisError) || isOtherFormat(error)) throw error;
    const { finding, digest: blob } = error.details as { finding?: StoreFinding['code']; digest?: Digest };
    const message = error.message.replace(/\.$/, '');
    const problem = findingOf(finding ?? 'unreadable', blob ?? digest, message);
    return { problems: [problem], isForeign: finding === undefined };
  }
}

/** The same where there are others to be looked at: that this one is of another version's format is told like damage. */
async function look(layout: Layout, digest: Digest, entries: readonly IndexEntry[]): Promise<Load> {
  try {
    return await load(layout, digest);
  } catch (error) {
    if (!(error instanceof StasisError) || !isOtherFormat(error)) throw error;
    const name = entries.find((entry) => entry.name !== undefined)?.name;
    const which = name === undefined ? digest : formatReference({ name, digest });
    return {
      problems: [findingOf('other-format', digest, `${which}: ${error.message} ${error.hint}`)],
    };
  }
}

function describedBy(found: Found | undefined): Described | undefined {
  return found && { sizeBytes: found.sizeBytes, manifest: found.loaded.manifest };
}

/** Maps and packs; the manifests were hashed when they were read. */
async function verifyParts(
  layout: Layout,
  blobs: SnapshotBlobs,
  checks: BlobChecks,
  context: Context,
): Promise<StoreFinding[]> {
  const findings: StoreFinding[] = [];
  const needs = await membersByPack(layout, blobs);
  for (const map of blobs.maps) findings.push(...(await checks.check(map, [map.member])));
  for (const pack of blobs.packs) {
    throwIfAborted(context.signal);
    findings.push(...(await checks.check(pack, needs.get(pack.digest) ?? [])));
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

function unique(findings: readonly StoreFinding[]): StoreFinding[] {
  return [...new Map(findings.map((finding) => [`${finding.digest} ${finding.message}`, finding])).values()];
}
