import type { Context } from '../../core/context.ts';
import type { Digest } from '../../core/digest.ts';
import { StasisError } from '../../core/errors.ts';
import { decodeSnapshot } from '../oci/manifest.ts';
import { withoutForsaken } from './attachments.ts';
import { readBlob } from './blob-files.ts';
import { withOnly } from './catalog.ts';
import type { Documents } from './documents.ts';
import { collectGarbage } from './garbage.ts';
import { type LayoutIndex, type ListedSnapshot, writeIndex } from './index-file.ts';
import type { Layout } from './layout.ts';
import type { NameDocument } from './names.ts';

/** Everything known of a name. */
export interface NameState {
  readonly document: NameDocument;
  /** Newest first. */
  readonly snapshots: readonly ListedSnapshot[];
}

/** Takes these snapshots out of the index, and then what only they needed. Under the store's lock. */
export async function removeSnapshots(
  layout: Layout,
  names: Documents,
  index: LayoutIndex,
  name: string,
  state: NameState,
  removed: readonly ListedSnapshot[],
  context: Context,
): Promise<void> {
  const forsaken = await blobsOf(layout, removed);
  const kept = state.snapshots.filter((snapshot) => !removed.includes(snapshot));
  if (kept.length > 0) {
    const lastGeneration = Math.max(
      state.document.lastGeneration,
      ...removed.map(({ generation }) => generation),
    );
    await names.write(name, { ...state.document, lastGeneration });
  }
  const { index: left, forsaken: attached } = await withoutForsaken(
    layout,
    withOnly(index, name, kept),
    new Set(removed.map(({ digest }) => digest)),
  );
  await writeIndex(layout, left);
  if (kept.length === 0) await names.remove(name);
  await collectGarbage(layout, left, [...forsaken, ...attached], context);
}

/** What a damaged manifest needed cannot be told: it is swept later, when its grace is over. */
async function blobsOf(layout: Layout, snapshots: readonly ListedSnapshot[]): Promise<Set<Digest>> {
  const digests = new Set<Digest>();
  for (const { digest, sizeBytes } of snapshots) {
    digests.add(digest);
    try {
      const blobs = decodeSnapshot(await readBlob(layout, { digest, sizeBytes }));
      for (const blob of [blobs.config, ...blobs.maps, ...blobs.packs]) digests.add(blob.digest);
    } catch (error) {
      if (!(error instanceof StasisError)) throw error;
    }
  }
  return digests;
}
