import { hash } from 'node:crypto';
import type { Context } from '../../core/context.ts';
import { StasisError, throwIfAborted } from '../../core/errors.ts';
import { decodeSnapshot } from '../oci/manifest.ts';
import type { PackInfo } from '../pack/pack-writer.ts';
import type { PackSession } from '../pack/session.ts';
import { decodeToc, type PackToc } from '../pack/toc.ts';
import { damaged, type PackFiles, readBlob } from './blob-files.ts';
import { listSnapshots } from './catalog.ts';
import { sizeOf } from './durable.ts';
import type { LayoutIndex } from './index-file.ts';
import type { Layout } from './layout.ts';

/**
 * Deduplication looks at so many packs at most: a snapshot's manifest should stay below 400 layers, new packs
 * included. What lies in others is written again, which also gathers what many generations have scattered.
 */
const MAX_PACKS = 200;
/** And at so many chunks, which take about 60 bytes of memory each. */
const MAX_CHUNKS = 1_000_000;
/** A chunk's share of a table of contents, at least. */
const TOC_BYTES_PER_CHUNK = 36;

/**
 * The packs whose chunks a new generation of `name` need not write again: of the name's newest snapshot first, then
 * of others, larger ones first. Only packs that are there with their size.
 */
export async function choosePacks(
  layout: Layout,
  index: LayoutIndex,
  name: string,
  context: Context,
): Promise<PackInfo[]> {
  const chosen = new Map<string, PackInfo>();
  let chunks = 0;
  for (const snapshot of await snapshotsByInterest(layout, index, name)) {
    throwIfAborted(context.signal);
    for (const pack of await packsOf(layout, snapshot.digest, snapshot.sizeBytes, context)) {
      if (chosen.has(pack.digest)) continue;
      const more = chunksIn(pack);
      if (chosen.size >= MAX_PACKS || chunks + more > MAX_CHUNKS) continue;
      if ((await sizeOf(layout.blob(pack.digest))) !== pack.sizeBytes) continue;
      chosen.set(pack.digest, pack);
      chunks += more;
    }
  }
  return [...chosen.values()];
}

/** At most. */
function chunksIn(pack: PackInfo): number {
  return Math.ceil(pack.toc.sizeBytes / TOC_BYTES_PER_CHUNK);
}

async function snapshotsByInterest(layout: Layout, index: LayoutIndex, name: string) {
  const all = await listSnapshots(layout, index);
  const own = all.get(name) ?? [];
  const others = [...all.entries()].filter(([other]) => other !== name).flatMap(([, list]) => list);
  return [...own, ...others.sort((a, b) => (a.cutAt < b.cutAt ? 1 : -1))];
}

async function packsOf(
  layout: Layout,
  digest: `sha256:${string}`,
  sizeBytes: number,
  context: Context,
): Promise<readonly PackInfo[]> {
  try {
    const { packs } = decodeSnapshot(await readBlob(layout, { digest, sizeBytes }));
    return [...packs].sort((a, b) => b.sizeBytes - a.sizeBytes);
  } catch (error) {
    if (!(error instanceof StasisError)) throw error;
    context.logger.log('warn', 'nothing is shared with a snapshot that cannot be read', {
      digest,
      reason: error.message,
    });
    return [];
  }
}

/** Tells the session what the packs hold. One whose table of contents is damaged is left out. */
export async function loadKnownPacks(
  packs: readonly PackInfo[],
  files: PackFiles,
  session: PackSession,
  context: Context,
): Promise<void> {
  session.expect(packs.reduce((sum, pack) => sum + chunksIn(pack), 0));
  for (const pack of packs) {
    throwIfAborted(context.signal);
    try {
      session.addKnown(pack, await readToc(pack, files));
    } catch (error) {
      if (!(error instanceof StasisError)) throw error;
      context.logger.log('warn', 'nothing is shared with a pack that cannot be read', {
        digest: pack.digest,
        reason: error.message,
      });
    }
  }
}

/** @throws StasisError `store.damaged`, `store.newer-format` */
export async function readToc(pack: PackInfo, files: PackFiles): Promise<PackToc> {
  const { digest, sizeBytes } = pack.toc;
  const bytes = Buffer.alloc(sizeBytes);
  await files.read(pack.digest, pack.sizeBytes - sizeBytes, bytes);
  if (`sha256:${hash('sha256', bytes, 'hex')}` !== digest)
    throw damaged('damaged', pack.digest, `The table of contents of the pack ${pack.digest} is damaged`);
  return decodeToc(bytes);
}
