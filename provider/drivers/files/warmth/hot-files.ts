import { z } from 'zod';
import { putJson, readJson } from '../../../core/blobs.ts';
import { throwIfAborted } from '../../../core/errors.ts';
import type { Host } from '../../../core/host.ts';
import type { OutsideItem } from '../../../core/manifest.ts';
import type { BlobReader, Blobs } from '../../../core/store.ts';
import type { FilesContent } from '../content.ts';
import { type Entry, inodeOf } from '../entry.ts';
import { absolute } from '../scan.ts';
import { PageCache, type Resident, type SpansOf } from './page-cache.ts';
import { lengthOf, outsideOf } from './spans.ts';

const hotFile = z.object({
  /** Relative to the root; Latin-1 text of its bytes. */
  path: z.string(),
  sizeBytes: z.number(),
  spans: z.array(z.tuple([z.number(), z.number()])),
});

/** What of one file lay in the page cache. */
export type HotFile = z.infer<typeof hotFile>;

export interface HotFiles {
  readonly files: readonly HotFile[];
  /** Of all that was hot, also of what is left out of the list. */
  readonly hotBytes: number;
}

/** A million files take some ten seconds; longer is not worth it. */
const LOOK_MS = 60_000;
const DROP_MS = 60_000;
/** The list is kept to a few megabytes; the shortest stretches are left out of it. */
const MOST_SPANS = 200_000;

/**
 * What of a tree lies in the page cache before the capture reads it, which brings in all of it. Whatever keeps that from
 * being known is no failure of the capture: it is then told as not covered.
 */
export class CaptureWarmth {
  private readonly root: Buffer;
  private readonly host: Host;
  private cache: PageCache | undefined;
  private seen: readonly (readonly [Entry, Resident])[] | undefined;
  private why: string | undefined;

  constructor(root: Buffer, host: Host) {
    this.root = root;
    this.host = host;
  }

  /** Before the first file is read; calls after the first do nothing. */
  async look(entries: readonly Entry[], signal: AbortSignal): Promise<void> {
    if (this.seen !== undefined) return;
    this.seen = [];
    const files = [...new Map(entries.map((entry) => [inodeOf(entry), entry])).values()].filter(
      ({ kind, sizeBytes }) => kind === 'file' && sizeBytes > 0,
    );
    try {
      this.cache = await PageCache.of(this.host);
      if (this.cache === undefined) {
        this.why = NO_PERL;
        return;
      }
      const paths = files.map(({ path }) => absolute(this.root, path));
      const resident = await this.cache.look(paths, LOOK_MS, signal);
      this.seen = files.map((entry, index) => [entry, resident[index]] as const);
    } catch (error) {
      throwIfAborted(signal);
      this.why = error instanceof Error ? error.message : String(error);
    }
  }

  /** What the manifest holds of it; undefined where nothing is known. */
  async store(blobs: Blobs): Promise<FilesContent['hot']> {
    const { seen = [], why } = this;
    if (why !== undefined) return undefined;
    const { files, hotBytes } = hotOf(seen);
    return { ...(await putJson(blobs, files)), hotBytes };
  }

  outside(): OutsideItem[] {
    const code = 'files.page-cache';
    if (this.why !== undefined) return [{ code, message: `what of it lay in the page cache: ${this.why}` }];
    const hidden = (this.seen ?? []).filter(([, resident]) => resident === undefined).length;
    if (hidden === 0) return [];
    const whose = 'the kernel tells it of one’s own files, and of those one may write';
    return [{ code, message: `what of ${hidden} files lay in the page cache: ${whose}` }];
  }

  /** Leaves in the page cache what lay there, and not what only the capture has brought in. Never throws. */
  async drop(signal: AbortSignal): Promise<void> {
    const files = (this.seen ?? []).flatMap(([{ path, sizeBytes }, resident]): SpansOf[] => {
      const spans = resident === undefined ? [] : outsideOf(resident, sizeBytes);
      return spans.length === 0 ? [] : [{ path: absolute(this.root, path), spans }];
    });
    if (files.length > 0) await this.cache?.drop(files, DROP_MS, signal).catch(() => {});
  }
}

const NO_PERL = 'there is no perl on its host';

/** The longest stretches, the files as they were listed. */
export function hotOf(seen: readonly (readonly [Entry, Resident])[], most = MOST_SPANS): HotFiles {
  const found = seen.flatMap(([entry, resident = []]) => resident.map((span) => [entry, span] as const));
  const hotBytes = lengthOf(found.map(([, span]) => span));
  const kept =
    found.length <= most
      ? found
      : found.toSorted(([, a], [, b]) => lengthOf([b]) - lengthOf([a])).slice(0, most);
  const files = [...Map.groupBy(kept, ([entry]) => entry)].map(([{ path, sizeBytes }, own]) => ({
    path: path.toString('latin1'),
    sizeBytes,
    spans: own.map(([, [from, to]]): [number, number] => [from, to]).sort(([a], [b]) => a - b),
  }));
  return { files, hotBytes };
}

/** Undefined where the capture knew nothing. */
export async function readHotFiles(blobs: BlobReader, { hot }: FilesContent): Promise<HotFiles | undefined> {
  if (hot === undefined) return undefined;
  return { files: z.array(hotFile).parse(await readJson(blobs, hot.digest)), hotBytes: hot.hotBytes };
}
