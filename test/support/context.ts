import { type BlobDigest, blobDigest } from '../../provider/core/blob-digest.ts';
import { startClock } from '../../provider/core/clock.ts';
import type { Context, LogLevel, ProgressEvent } from '../../provider/core/context.ts';
import { StasisError } from '../../provider/core/errors.ts';
import type { BlobDescriptor, Blobs, ByteRange } from '../../provider/core/store.ts';

export interface LogLine {
  readonly level: LogLevel;
  readonly message: string;
  readonly fields: Readonly<Record<string, unknown>>;
}

export interface TestContext extends Context {
  readonly lines: LogLine[];
  readonly events: ProgressEvent[];
}

/** A context that keeps what was logged and reported. Its signal never aborts unless one is given. */
export function testContext(overrides: Partial<Context> = {}): TestContext {
  const lines: LogLine[] = [];
  const events: ProgressEvent[] = [];
  return {
    signal: new AbortController().signal,
    clock: startClock(),
    logger: { log: (level, message, fields = {}) => lines.push({ level, message, fields }) },
    progress: (event) => events.push(event),
    ...overrides,
    lines,
    events,
  };
}

export interface MemoryBlobs extends Blobs {
  readonly contents: Map<BlobDigest, Buffer>;
}

/** Blobs in memory, for tests of drivers alone; a store's are tested by the store's own suite. */
export function memoryBlobs(): MemoryBlobs {
  const contents = new Map<BlobDigest, Buffer>();
  return {
    contents,
    async put(content: AsyncIterable<Uint8Array>): Promise<BlobDescriptor> {
      const chunks: Uint8Array[] = [];
      for await (const chunk of content) chunks.push(Uint8Array.from(chunk));
      const bytes = Buffer.concat(chunks);
      const digest = blobDigest(bytes);
      contents.set(digest, bytes);
      return { digest, sizeBytes: bytes.length };
    },
    async has(digest: BlobDigest): Promise<boolean> {
      return contents.has(digest);
    },
    async *get(digest: BlobDigest, range?: ByteRange): AsyncGenerator<Uint8Array> {
      const bytes = contents.get(digest);
      if (bytes === undefined) throw new StasisError('store.damaged', `no blob ${digest}`);
      const wanted = range ? bytes.subarray(range.offset, range.offset + range.length) : bytes;
      for (let offset = 0; offset < wanted.length; offset += 65_536)
        yield wanted.subarray(offset, offset + 65_536);
    },
  };
}
