import { randomBytes } from 'node:crypto';
import { StasisError } from '../../provider/core/errors.ts';
import type { PackInfo, PackOutput, PackSink } from '../../provider/stores/pack/pack-writer.ts';
import type { KnownPackReader, PackSession, PutBlob } from '../../provider/stores/pack/session.ts';
import { decodeToc, type PackToc } from '../../provider/stores/pack/toc.ts';
import type { SegmentedBlob } from '../../provider/stores/pack/unchanged.ts';

export const never = new AbortController().signal;
export const MB = 1_000_000;
export const noKnown: KnownPackReader = async () => {
  throw new Error('no pack was there before');
};

/** Packs in memory. */
export class MemorySink implements PackSink {
  readonly packs = new Map<string, Buffer>();
  failAfterBytes = Number.POSITIVE_INFINITY;
  written = 0;

  async create(): Promise<PackOutput> {
    let bytes = Buffer.alloc(0);
    return {
      write: async (parts) => {
        this.written += parts.reduce((sum, part) => sum + part.length, 0);
        if (this.written > this.failAfterBytes) throw new StasisError('store.no-space', 'full');
        bytes = Buffer.concat([bytes, ...parts]);
      },
      read: async (offset, into) => into.set(bytes.subarray(offset, offset + into.length)),
      finish: async ({ digest }) => {
        this.packs.set(digest, bytes);
      },
      discard: async () => {},
    };
  }

  readonly reader: KnownPackReader = async (digest, offset, into) =>
    into.set(this.packs.get(digest)!.subarray(offset, offset + into.length));

  get storedBytes(): number {
    return [...this.packs.values()].reduce((sum, pack) => sum + pack.length, 0);
  }
}

export async function* inPieces(bytes: Uint8Array, sizes: readonly number[]): AsyncGenerator<Uint8Array> {
  for (let at = 0, turn = 0; at < bytes.length; turn += 1) {
    const size = Math.max(1, sizes[turn % sizes.length] ?? bytes.length);
    yield bytes.subarray(at, at + size);
    at += size;
  }
}

export async function readAll(content: AsyncIterable<Uint8Array>): Promise<Buffer> {
  const pieces: Uint8Array[] = [];
  for await (const piece of content) pieces.push(piece);
  return Buffer.concat(pieces);
}

/** Content with zero runs, repeats and noise, of a seed. */
export function content(seed: number, length: number): Buffer {
  const bytes = Buffer.alloc(length);
  let state = seed | 1;
  for (let at = 0; at < length; ) {
    state = (Math.imul(state, 1664525) + 1013904223) | 0;
    const run = 1 + ((state >>> 8) % 150_000);
    const kind = (state >>> 4) % 4;
    const part = bytes.subarray(at, at + run);
    if (kind === 1) part.fill(`row ${state >>> 28} `);
    else if (kind === 2) randomBytes(part.length).copy(part);
    else if (kind === 3) part.fill(7);
    at += run;
  }
  return bytes;
}

export function tocOf(pack: Buffer, info: PackInfo): PackToc {
  return decodeToc(Buffer.from(pack.subarray(pack.length - info.toc.sizeBytes)));
}

/** Tells a session the first pack of an earlier one. */
export function addKnown(session: PackSession, sink: MemorySink, earlier: PackSession): void {
  const { info } = earlier.pack(0);
  session.addKnown(info, tocOf(sink.packs.get(info.digest)!, info));
}

/** A blob of an ended session as a later one is told of it. */
export function segmented(session: PackSession, blob: PutBlob): SegmentedBlob {
  return { digest: blob.digest, extents: session.extentsOf(blob), segments: blob.segments! };
}
