import { hashedAgain } from '../../core/blobs.ts';
import type { BlobDescriptor, BlobReader } from '../../core/store.ts';
import { type ContentDigest, ContentHash } from './content-hash.ts';
import type { ListedEntry } from './listing.ts';

/** A file's content within a blob. */
export interface Segment {
  readonly entry: ListedEntry;
  readonly offset: number;
}

/** One reading of a blob from end to end, and the files taken from it on the way, in the order of their offsets. */
export interface Pass {
  readonly blob: BlobDescriptor;
  readonly segments: readonly Segment[];
}

/** Every blob once, and again only for contents that lie over others in it, as those of equal files do. */
export function passesOver(entries: readonly ListedEntry[]): Pass[] {
  const blobs = new Map<string, { blob: BlobDescriptor; segments: Segment[] }>();
  for (const entry of entries) {
    if (!entry.content) continue;
    const { blob, offset } = entry.content;
    const known = blobs.get(blob.digest) ?? { blob, segments: [] };
    known.segments.push({ entry, offset });
    blobs.set(blob.digest, known);
  }
  const passes: Pass[] = [];
  for (const { blob, segments } of blobs.values()) {
    segments.sort((a, b) => a.offset - b.offset);
    for (let left = segments; left.length > 0; ) {
      const [taken, over] = withoutOverlap(left);
      passes.push({ blob, segments: taken });
      left = over;
    }
  }
  return passes;
}

function withoutOverlap(sorted: readonly Segment[]): [Segment[], Segment[]] {
  const taken: Segment[] = [];
  const over: Segment[] = [];
  let end = 0;
  for (const segment of sorted) {
    if (segment.offset < end) {
      over.push(segment);
      continue;
    }
    taken.push(segment);
    end = segment.offset + segment.entry.sizeBytes;
  }
  return [taken, over];
}

/** A blob read once from its beginning, of which pieces are taken in order of their offsets. */
export class SequentialBlob implements AsyncDisposable {
  private readonly chunks: AsyncIterator<Uint8Array>;
  private rest: Uint8Array = new Uint8Array(0);
  private at = 0;

  constructor(blob: BlobDescriptor, blobs: BlobReader) {
    this.chunks = hashedAgain(blobs, blob.digest)[Symbol.asyncIterator]();
  }

  async *take(offset: number, length: number): AsyncGenerator<Uint8Array> {
    await this.skipTo(offset);
    for (let left = length; left > 0; ) {
      if (this.rest.length === 0) await this.next();
      const piece = this.rest.subarray(0, left);
      this.rest = this.rest.subarray(piece.length);
      this.at += piece.length;
      left -= piece.length;
      yield piece;
    }
  }

  /** Reads what is left, as only then the blob's digest is known to be right. */
  async end(): Promise<void> {
    for (let step = await this.chunks.next(); !step.done; ) step = await this.chunks.next();
  }

  private async skipTo(offset: number): Promise<void> {
    while (this.at < offset) {
      if (this.rest.length === 0) await this.next();
      const skipped = Math.min(this.rest.length, offset - this.at);
      this.rest = this.rest.subarray(skipped);
      this.at += skipped;
    }
  }

  private async next(): Promise<void> {
    const step = await this.chunks.next();
    // A blob that is too short has another digest, and that was thrown by the iterator already.
    if (step.done) throw new RangeError('read past the end of a blob');
    this.rest = step.value;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.chunks.return?.();
  }
}

/** Of every file's content, read back from the store; keyed by the Latin-1 text of its path. */
export async function hashStored(
  entries: readonly ListedEntry[],
  blobs: BlobReader,
): Promise<ReadonlyMap<string, ContentDigest>> {
  const digests = new Map<string, ContentDigest>();
  for (const { blob, segments } of passesOver(entries)) {
    await using content = new SequentialBlob(blob, blobs);
    for (const { entry, offset } of segments) {
      const hash = new ContentHash(entry.sparse);
      for await (const piece of content.take(offset, entry.sizeBytes)) hash.update(piece);
      digests.set(entry.path.toString('latin1'), hash.digest());
    }
    await content.end();
  }
  return digests;
}
