import type { Digest } from '../../core/digest.ts';
import { StasisError } from '../../core/errors.ts';
import type { Manifest } from '../../core/manifest.ts';
import { parseManifest } from '../../core/manifest-schema.ts';
import { decodeSnapshot, type SnapshotBlobs } from '../oci/manifest.ts';
import { readBlob } from './blob-files.ts';
import { entriesOf, type IndexEntry, type LayoutIndex, type ListedSnapshot, renamed } from './index-file.ts';
import type { Layout } from './layout.ts';

/** A snapshot's manifests, both checked against their digests. */
export interface LoadedSnapshot {
  readonly blobs: SnapshotBlobs;
  readonly manifest: Manifest;
}

/** @throws StasisError `store.damaged`, `store.newer-format`, `store.foreign` */
export async function loadSnapshot(
  layout: Layout,
  digest: Digest,
  sizeBytes: number,
): Promise<LoadedSnapshot> {
  const blobs = decodeSnapshot(await readBlob(layout, { digest, sizeBytes }));
  const config = await readBlob(layout, blobs.config);
  return { blobs, manifest: parseManifest(config.toString('utf8')) };
}

/** The snapshots of each name that begins with `prefix`, newest first. */
export async function listSnapshots(
  layout: Layout,
  index: LayoutIndex,
  prefix = '',
): Promise<Map<string, ListedSnapshot[]>> {
  const names = new Map<string, Map<Digest, ListedSnapshot>>();
  for (const entry of index.entries) {
    if (!entry.name?.startsWith(prefix)) continue;
    const known = names.get(entry.name) ?? new Map<Digest, ListedSnapshot>();
    const snapshot = await listEntry(layout, entry);
    if (snapshot === undefined) continue;
    // A snapshot stands under its generation and under the name; the former says more where they differ.
    if (!known.has(snapshot.digest) || entry.tagGeneration !== undefined)
      known.set(snapshot.digest, snapshot);
    names.set(entry.name, known);
  }
  return new Map(
    [...names].map(([name, known]) => [
      name,
      [...known.values()].sort((a, b) => b.generation - a.generation),
    ]),
  );
}

export async function snapshotsOf(
  layout: Layout,
  index: LayoutIndex | undefined,
  name: string,
): Promise<readonly ListedSnapshot[]> {
  if (index === undefined) return [];
  const entries = index.entries.filter((entry) => entry.name === name);
  return (await listSnapshots(layout, { ...index, entries })).get(name) ?? [];
}

/**
 * The index with a new newest snapshot of its name. One of the `earlier` that another tool has copied here may stand
 * under the name alone: it then goes on under its generation.
 */
export function withSnapshot(
  index: LayoutIndex,
  snapshot: ListedSnapshot,
  earlier: readonly ListedSnapshot[],
): LayoutIndex {
  const isPointer = (entry: IndexEntry): boolean =>
    entry.name === snapshot.name && entry.tagGeneration === undefined;
  const others = index.entries.filter((entry) => !isPointer(entry));
  const numbered = new Set(others.filter(({ name }) => name === snapshot.name).map(({ digest }) => digest));
  const moved = index.entries
    .filter((entry) => isPointer(entry) && !numbered.has(entry.digest))
    .flatMap((entry) => {
      const generation = earlier.find(({ digest }) => digest === entry.digest)?.generation;
      return generation ? [renamed(entry, `${snapshot.name}_${generation}`)] : [];
    });
  return { ...index, entries: [...others, ...moved, ...entriesOf(snapshot, true)] };
}

/** The index with only these snapshots of the name, newest first; what stays is as whoever put it there wrote it. */
export function withOnly(
  index: LayoutIndex,
  name: string,
  snapshots: readonly ListedSnapshot[],
): LayoutIndex {
  const kept = new Set(snapshots.map(({ digest }) => digest));
  const entries = index.entries.filter((entry) => entry.name !== name || kept.has(entry.digest!));
  const [newest] = snapshots;
  const isNamed = entries.some((entry) => entry.name === name && entry.tagGeneration === undefined);
  if (newest === undefined || isNamed) return { ...index, entries };
  const numbered = entries.find((entry) => entry.name === name && entry.digest === newest.digest);
  return { ...index, entries: [...entries, renamed(numbered!, name)] };
}

/** Undefined where the entry is none of ours. Cheap where our annotations are there. */
async function listEntry(layout: Layout, entry: IndexEntry): Promise<ListedSnapshot | undefined> {
  const { name, digest, sizeBytes } = entry;
  if (name === undefined || digest === undefined || sizeBytes === undefined) return undefined;
  const generation = entry.tagGeneration ?? entry.generation;
  if (entry.isOurs && generation !== undefined && entry.cutAt !== undefined)
    return { name, digest, sizeBytes, generation, cutAt: entry.cutAt };
  try {
    const { manifest } = await loadSnapshot(layout, digest, sizeBytes);
    return { name, digest, sizeBytes, generation: generation ?? manifest.generation, cutAt: manifest.cutAt };
  } catch (error) {
    if (!(error instanceof StasisError)) throw error;
    if (error.code === 'store.foreign') return undefined;
    // It is there and cannot be told more about; opening it says why.
    return entry.isOurs || generation !== undefined
      ? { name, digest, sizeBytes, generation: generation ?? 0, cutAt: entry.cutAt ?? '' }
      : undefined;
  }
}
