import { hash, randomBytes } from 'node:crypto';
import { setTimeout as delay } from 'node:timers/promises';
import { afterAll, describe, expect, test } from '@jest/globals';
import fc from 'fast-check';
import { blobDigest } from '../../core/blob-digest.ts';
import { StasisError } from '../../core/errors.ts';
import type { Chunking } from '../../core/store.ts';
import type { PackInfo, PackOutput, PackSink } from './pack-writer.ts';
import { endIdlePool } from './pool.ts';
import { type KnownPackReader, PackSession, type PutBlob } from './session.ts';
import { decodeToc, type PackToc } from './toc.ts';
import type { SegmentedBlob } from './unchanged.ts';

const never = new AbortController().signal;
const MB = 1_000_000;
const noKnown: KnownPackReader = async () => {
  throw new Error('no pack was there before');
};

/** Packs in memory. */
class MemorySink implements PackSink {
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

async function* inPieces(bytes: Uint8Array, sizes: readonly number[]): AsyncGenerator<Uint8Array> {
  for (let at = 0, turn = 0; at < bytes.length; turn += 1) {
    const size = Math.max(1, sizes[turn % sizes.length] ?? bytes.length);
    yield bytes.subarray(at, at + size);
    at += size;
  }
}

async function readAll(content: AsyncIterable<Uint8Array>): Promise<Buffer> {
  const pieces: Uint8Array[] = [];
  for await (const piece of content) pieces.push(piece);
  return Buffer.concat(pieces);
}

/** Content with zero runs, repeats and noise, of a seed. */
function content(seed: number, length: number): Buffer {
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

function tocOf(pack: Buffer, info: PackInfo): PackToc {
  return decodeToc(Buffer.from(pack.subarray(pack.length - info.toc.sizeBytes)));
}

/** Tells a session the first pack of an earlier one. */
function addKnown(session: PackSession, sink: MemorySink, earlier: PackSession): void {
  const { info } = earlier.pack(0);
  session.addKnown(info, tocOf(sink.packs.get(info.digest)!, info));
}

/** A blob of an ended session as a later one is told of it. */
function segmented(session: PackSession, blob: PutBlob): SegmentedBlob {
  return { digest: blob.digest, extents: session.extentsOf(blob), segments: blob.segments! };
}

afterAll(endIdlePool);

const chunkings: readonly Chunking[] = ['pages-4k', 'pages-8k', 'content'];

describe('a session of packs', () => {
  test('gives back what was put, whole and in ranges, however it came in', async () => {
    const input = fc.record({
      seed: fc.integer(),
      length: fc.oneof(fc.nat(20), fc.nat(200_000), fc.integer({ min: 4 * MB, max: 9 * MB })),
      sizes: fc.array(fc.oneof(fc.integer({ min: 3, max: 70_000 }), fc.constant(5 * MB)), { minLength: 1 }),
      chunking: fc.constantFrom(...chunkings),
      from: fc.nat(),
      count: fc.nat(3 * MB),
    });
    await fc.assert(
      fc.asyncProperty(fc.array(input, { minLength: 1, maxLength: 4 }), async (inputs) => {
        const sink = new MemorySink();
        const session = new PackSession(sink, noKnown, never);
        const blobs = await Promise.all(
          inputs.map(async ({ seed, length, sizes, chunking }) => {
            const bytes = content(seed, length);
            return { bytes, blob: await session.put(inPieces(bytes, sizes), chunking) };
          }),
        );
        for (const [place, { bytes, blob }] of blobs.entries()) {
          expect(blob).toMatchObject({ digest: blobDigest(bytes), sizeBytes: bytes.length });
          expect((await readAll(session.read(blob))).equals(bytes)).toBe(true);
          const offset = inputs[place]!.from % (bytes.length + 1);
          const length = inputs[place]!.count;
          const part = await readAll(session.read(blob, { offset, length }));
          expect(part.equals(bytes.subarray(offset, offset + length))).toBe(true);
        }
        await session.finish();
        for (const { bytes, blob } of blobs)
          expect((await readAll(session.read(blob))).equals(bytes)).toBe(true);
        await session.end();
      }),
      { numRuns: 12 },
    );
  });

  test('the same bytes in another alignment or order of arrival take no more than new chunks need', async () => {
    const sink = new MemorySink();
    const session = new PackSession(sink, noKnown, never);
    const bytes = randomBytes(12 * MB);
    await session.put(inPieces(bytes, [MB]), 'content');
    await session.put(
      inPieces(Buffer.concat([Buffer.from('shifted by a little'), bytes]), [99_999]),
      'content',
    );
    await session.put(inPieces(bytes, [65_536]), 'content');
    await session.finish();
    expect(sink.storedBytes).toBeLessThan(12.6 * MB);
    await session.end();
  });

  test('zero runs take no space', async () => {
    const sink = new MemorySink();
    const session = new PackSession(sink, noKnown, never);
    for (const chunking of chunkings) {
      const blob = await session.put(inPieces(Buffer.alloc(50 * MB), [MB]), chunking);
      expect((await readAll(session.read(blob))).equals(Buffer.alloc(50 * MB))).toBe(true);
    }
    await session.finish();
    expect(sink.packs.size).toBe(0);
    await session.end();
  });

  test('chunks of known packs are not written again', async () => {
    const sink = new MemorySink();
    const bytes = content(3, 20 * MB);
    const first = new PackSession(sink, noKnown, never);
    await first.put(inPieces(bytes, [MB]), 'pages-4k');
    await first.finish();
    const { info } = first.pack(0);
    await first.end();

    const second = new PackSession(sink, sink.reader, never);
    const pack = sink.packs.get(info.digest)!;
    second.addKnown(info, tocOf(pack, info));
    const changed = Buffer.from(bytes);
    for (let page = 0; page < changed.length; page += 500 * 4096) changed[page] = changed[page]! ^ 0xff;
    const blob = await second.put(inPieces(changed, [MB]), 'pages-4k');
    expect((await readAll(second.read(blob))).equals(changed)).toBe(true);
    await second.finish();
    const added = sink.storedBytes - pack.length;
    expect(added).toBeLessThan(12 * (4096 + 100) + 500);
    expect(second.pack(0)).toMatchObject({ isNew: false, info: { digest: info.digest } });
    await second.end();
  });

  test('what has not changed is found by its segments, whatever has changed around it', async () => {
    const sink = new MemorySink();
    const change = fc.record({ at: fc.nat(), length: fc.nat(300_000), byte: fc.nat(255) });
    const inputs = fc.record({
      seed: fc.integer(),
      length: fc.nat(6 * MB),
      changes: fc.array(change, { maxLength: 5 }),
    });
    await fc.assert(
      fc.asyncProperty(inputs, async ({ seed, length, changes }) => {
        const bytes = content(seed, length);
        const first = new PackSession(sink, noKnown, never);
        const before = await first.put(inPieces(bytes, [MB]), 'pages-4k');
        await first.finish();
        for (let from = 0, at = 0; from < length; from += 65_536, at += 32)
          expect(Buffer.from(before.segments!.subarray(at, at + 32))).toEqual(
            hash('sha256', bytes.subarray(from, from + 65_536), 'buffer'),
          );

        const changed = Buffer.from(bytes);
        for (const { at, length: run, byte } of changes) {
          const from = at % (length + 1);
          changed.subarray(from, from + run).fill(byte);
        }
        const second = new PackSession(sink, sink.reader, never);
        if (first.packCount > 0) addKnown(second, sink, first);
        second.watchChanges([segmented(first, before)]);
        const after = await second.put(inPieces(changed, [MB]), 'pages-4k');
        expect(after.digest).toBe(blobDigest(changed));
        expect((await readAll(second.read(after))).equals(changed)).toBe(true);
        await Promise.all([first.end(), second.end()]);
      }),
      { numRuns: 15 },
    );
  });

  test('only pages of segments that have changed are looked up', async () => {
    const bytes = randomBytes(4 * MB);
    const sink = new MemorySink();
    const first = new PackSession(sink, noKnown, never);
    const before = await first.put(inPieces(bytes, [MB]), 'pages-4k');
    await first.finish();
    const changed = Buffer.from(bytes);
    changed[0] = changed[0]! ^ 1;
    // Of the pack only its frames are told, not its chunks: what is not written again was found by its segment.
    const { info } = first.pack(0);
    const toc = tocOf(sink.packs.get(info.digest)!, info);
    const second = new PackSession(sink, sink.reader, never);
    second.addKnown(info, { ...toc, chunkHashes: randomBytes(toc.chunkHashes.length) });
    second.watchChanges([segmented(first, before)]);
    const after = await second.put(inPieces(changed, [MB]), 'pages-4k');
    expect((await readAll(second.read(after))).equals(changed)).toBe(true);
    const writtenBefore = sink.storedBytes;
    await second.finish();
    const lastPartBytes = bytes.length % 65_536;
    expect(sink.storedBytes - writtenBefore).toBeGreaterThan(65_536 + lastPartBytes);
    expect(sink.storedBytes - writtenBefore).toBeLessThan(65_536 + lastPartBytes + 3000);
    await Promise.all([first.end(), second.end()]);
  });

  test('hashes of segments that the digest of their blob does not prove are not believed', async () => {
    const sink = new MemorySink();
    const [one, other] = [randomBytes(MB), randomBytes(MB)];
    const first = new PackSession(sink, noKnown, never);
    const ofOne = await first.put(inPieces(one, [MB]), 'pages-8k');
    const ofOther = await first.put(inPieces(other, [MB]), 'pages-8k');
    await first.finish();
    const poisoned = { ...segmented(first, ofOther), segments: ofOne.segments! };
    for (const segments of [ofOne.segments!, ofOther.segments!.subarray(32), new Uint8Array(0)]) {
      const second = new PackSession(sink, sink.reader, never);
      addKnown(second, sink, first);
      second.watchChanges([{ ...poisoned, segments }]);
      const again = await second.put(inPieces(one, [MB]), 'pages-8k');
      expect(again.digest).toBe(ofOne.digest);
      expect((await readAll(second.read(again))).equals(one)).toBe(true);
      await second.end();
    }
    await first.end();
  });

  test('more streams than units, that depend on one another, all end', async () => {
    const session = new PackSession(new MemorySink(), noKnown, never);
    const streams = 40;
    let turn = 0;
    const waiting: (() => void)[] = [];
    // Piece by piece in strict turns: no stream may finish, or even go on, before all others have.
    async function* inTurns(place: number): AsyncGenerator<Uint8Array> {
      for (let round = 0; round < 6; round += 1) {
        while (turn % streams !== place) await new Promise<void>((resolve) => waiting.push(resolve));
        yield Buffer.alloc(50_000, place + 1);
        turn += 1;
        for (const resume of waiting.splice(0)) resume();
      }
    }
    const blobs = await Promise.all(
      Array.from({ length: streams }, (_unused, place) => session.put(inTurns(place), 'pages-4k')),
    );
    for (const [place, blob] of blobs.entries())
      expect(blob).toMatchObject({
        digest: blobDigest(Buffer.alloc(300_000, place + 1)),
        sizeBytes: 300_000,
      });
    await session.end();
  });

  test('more streams than units, all in a hurry, all end', async () => {
    const session = new PackSession(new MemorySink(), noKnown, never);
    const contents = Array.from({ length: 60 }, (_unused, place) => content(place, 20_000 * place));
    const blobs = await Promise.all(
      contents.map((bytes) => session.put(inPieces(bytes, [100_000]), 'content')),
    );
    for (const [place, blob] of blobs.entries()) expect(blob.digest).toBe(blobDigest(contents[place]!));
    await session.end();
  });

  test('a source that fails fails its own blob only', async () => {
    const session = new PackSession(new MemorySink(), noKnown, never);
    const failing = async function* (): AsyncGenerator<Uint8Array> {
      yield randomBytes(6 * MB);
      throw new StasisError('test.source', 'the source broke');
    };
    await expect(session.put(failing(), 'content')).rejects.toMatchObject({ code: 'test.source' });
    const bytes = randomBytes(6 * MB);
    const blob = await session.put(inPieces(bytes, [MB]), 'content');
    expect((await readAll(session.read(blob))).equals(bytes)).toBe(true);
    await session.end();
  });

  test('a sink that is full fails the put or the end, and leaves the session closed', async () => {
    const sink = new MemorySink();
    sink.failAfterBytes = 8 * MB;
    const session = new PackSession(sink, noKnown, never);
    const writing = async (): Promise<void> => {
      await session.put(inPieces(randomBytes(60 * MB), [MB]), 'pages-4k');
      await session.finish();
    };
    await expect(writing()).rejects.toMatchObject({ code: 'store.no-space' });
    await session.end();
    await expect(session.put(inPieces(randomBytes(10), [1]), 'content')).rejects.toMatchObject({
      code: 'store.draft-ended',
    });
  });

  test('an abort ends a put at once, also while its source is silent', async () => {
    const controller = new AbortController();
    const session = new PackSession(new MemorySink(), noKnown, controller.signal);
    const silent = async function* (): AsyncGenerator<Uint8Array> {
      yield randomBytes(100);
      await delay(600_000, undefined, { ref: false });
    };
    const put = session.put(silent(), 'content');
    const rejected = expect(put).rejects.toMatchObject({ code: 'cancelled' });
    await delay(50);
    controller.abort();
    await rejected;
    await session.end();
  });

  test('a flipped byte anywhere in a pack is told, never given out', async () => {
    // Content of its own each time: workers keep what they have unpacked and found to be right.
    for (let round = 0; round < 12; round += 1) {
      const sink = new MemorySink();
      const session = new PackSession(sink, noKnown, never);
      const bytes = Buffer.concat([randomBytes(1000), content(round, 3 * MB)]);
      const blob = await session.put(inPieces(bytes, [MB]), 'pages-8k');
      await session.finish();
      const { info } = session.pack(0);
      const pack = sink.packs.get(info.digest)!;
      const frames = pack.length - info.toc.sizeBytes;
      const at = Math.floor(Math.random() * frames);
      pack[at] = pack[at]! ^ (1 << Math.floor(Math.random() * 8));
      await expect(readAll(session.read(blob))).rejects.toMatchObject({ code: 'store.damaged' });
      await session.end();
    }
  });
});
