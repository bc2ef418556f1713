import { execFileSync } from 'node:child_process';
import { hash } from 'node:crypto';
import { describe, expect, test } from '@jest/globals';
import fc from 'fast-check';
import { blobDigestOf } from '../../core/blob-digest.ts';
import type { Digest } from '../../core/digest.ts';
import type { Chunking } from '../../core/store.ts';
import { ByteReader, ByteWriter } from './bytes.ts';
import { Extents, ZERO_PACK } from './extents.ts';
import { compressFrame, decompressFrame, frameDigest } from './frame.ts';
import { decodeMap, encodeMap, type MemberMap } from './map.ts';
import { decodeToc, encodeToc, type TocFrame } from './toc.ts';

const hashBytes = fc.uint8Array({ minLength: 32, maxLength: 32 });
const digest = hashBytes.map((bytes): Digest => `sha256:${Buffer.from(bytes).toString('hex')}`);

function extentsOf(runs: readonly (readonly [number, number, number])[]): Extents {
  const extents = new Extents();
  for (const [length, pack, offset] of runs) extents.add(length, pack, offset);
  return extents;
}

function runsOf(extents: Extents): [number, number, number][] {
  return Array.from({ length: extents.count }, (_unused, extent) => [
    extents.length(extent),
    extents.pack(extent),
    extents.offset(extent),
  ]);
}

const map = fc.array(digest, { maxLength: 5 }).chain((packs) => {
  const run = fc.tuple(
    fc.integer({ min: 1, max: 2 ** 40 }),
    fc.integer({ min: ZERO_PACK, max: packs.length - 1 }),
    fc.integer({ min: 0, max: 2 ** 40 }),
  );
  const blob = fc.record({
    digest: hashBytes.map(blobDigestOf),
    chunking: fc.constantFrom<Chunking>('pages-4k', 'pages-8k', 'content'),
    extents: fc.array(run, { maxLength: 20 }).map(extentsOf),
  });
  return fc.record({
    member: fc.string({ unit: 'grapheme' }),
    packs: fc.constant(packs),
    blobs: fc.array(blob, { maxLength: 4 }),
  });
});

function plain(value: MemberMap): unknown {
  return { ...value, blobs: value.blobs.map((blob) => ({ ...blob, extents: runsOf(blob.extents) })) };
}

describe('numbers', () => {
  test('come back as they went in', () => {
    fc.assert(
      fc.property(
        fc.array(fc.maxSafeNat()),
        fc.array(fc.integer({ min: -(2 ** 51), max: 2 ** 51 })),
        (nats, signed) => {
          const writer = new ByteWriter();
          for (const value of nats) writer.number(value);
          for (const value of signed) writer.signed(value);
          const reader = new ByteReader(Buffer.from(writer.finish()));
          expect(nats.map(() => reader.number())).toEqual(nats);
          expect(signed.map(() => reader.signed())).toEqual(signed);
          expect(reader.ended).toBe(true);
          expect(() => reader.number()).toThrow(RangeError);
        },
      ),
    );
  });
});

describe('maps', () => {
  test('come back as they went in', () => {
    fc.assert(
      fc.property(map, (value) => {
        expect(plain(decodeMap(encodeMap(value)))).toEqual(plain(value));
      }),
    );
  });

  test('one that is cut short or of another kind is refused as damaged', () => {
    const bytes = encodeMap({
      member: 'a',
      packs: [`sha256:${'0'.repeat(64)}`],
      blobs: [],
    });
    for (const wrong of [bytes.subarray(0, 10), bytes.subarray(0, -1), Buffer.alloc(40)])
      expect(() => decodeMap(wrong)).toThrow(expect.objectContaining({ code: 'store.damaged' }));
  });

  test('a newer version, an older one and an encrypted one are refused by name', () => {
    const bytes = encodeMap({ member: 'a', packs: [], blobs: [] });
    const newer = Buffer.from(bytes);
    newer.writeUInt16LE(3, 8);
    const encrypted = Buffer.from(bytes);
    encrypted.writeUInt16LE(1, 10);
    for (const wrong of [newer, encrypted])
      expect(() => decodeMap(wrong)).toThrow(expect.objectContaining({ code: 'store.newer-format' }));
    const older = Buffer.from(bytes);
    older.writeUInt16LE(1, 8);
    expect(() => decodeMap(older)).toThrow(expect.objectContaining({ code: 'store.older-format' }));
  });
});

describe('extents', () => {
  test('finding any byte gives the run that holds it', () => {
    const runs = fc.array(
      fc.tuple(fc.integer({ min: 1, max: 50 }), fc.integer({ min: -1, max: 3 }), fc.nat(200)),
      {
        minLength: 1,
        maxLength: 30,
      },
    );
    fc.assert(
      fc.property(runs, fc.nat(), (list, pick) => {
        const extents = extentsOf(list);
        const bytes = list.flatMap(([length, pack, offset]) =>
          Array.from({ length }, (_unused, at) => (pack === ZERO_PACK ? 'zero' : `${pack}:${offset + at}`)),
        );
        expect(extents.sizeBytes).toBe(bytes.length);
        const position = pick % bytes.length;
        const { extent, start } = extents.find(position);
        const pack = extents.pack(extent);
        const found = pack === ZERO_PACK ? 'zero' : `${pack}:${extents.offset(extent) + position - start}`;
        expect(found).toBe(bytes[position]);
      }),
    );
  });

  test('runs that follow on are joined', () => {
    expect(
      runsOf(
        extentsOf([
          [10, 0, 100],
          [5, 0, 110],
          [3, ZERO_PACK, 0],
          [4, ZERO_PACK, 9],
          [1, 0, 115],
          [1, 1, 116],
        ]),
      ),
    ).toEqual([
      [15, 0, 100],
      [7, ZERO_PACK, 0],
      [1, 0, 115],
      [1, 1, 116],
    ]);
  });
});

function tocFrame(raw: Buffer, chunkBytes: number): { stored: Uint8Array; frame: TocFrame } {
  const stored = compressFrame(raw);
  const chunks: Buffer[] = [];
  for (let at = 0; at < raw.length; at += chunkBytes) chunks.push(raw.subarray(at, at + chunkBytes));
  const frame = {
    rawBytes: raw.length,
    storedBytes: stored.length,
    digest: frameDigest(stored),
    chunkHashes: Buffer.concat(chunks.map((chunk) => hash('sha256', chunk, 'buffer'))),
    chunkLengths: Uint32Array.from(chunks.map((chunk) => chunk.length)),
  };
  return { stored, frame };
}

describe('packs', () => {
  const raws = [Buffer.alloc(10_000, 'abc'), Buffer.from('x'), Buffer.alloc(262_144, 'page')];
  const frames = raws.map((raw) => tocFrame(raw, 4096));

  test('a frame comes back, and only as long as it was', () => {
    fc.assert(
      fc.property(fc.uint8Array({ minLength: 1, maxLength: 100_000 }), (bytes) => {
        const stored = compressFrame(bytes);
        expect(decompressFrame(stored, bytes.length).equals(bytes)).toBe(true);
        expect(() => decompressFrame(stored, bytes.length + 1)).toThrow();
        expect(() => decompressFrame(stored, bytes.length - 1)).toThrow();
        // Both may be transferred and given back, whatever their size.
        for (const { buffer } of [stored, decompressFrame(stored, bytes.length)])
          structuredClone(0, { transfer: [buffer as ArrayBuffer] });
      }),
      { numRuns: 50 },
    );
  });

  test('a table of contents comes back, and says where every byte lies', () => {
    const toc = decodeToc(encodeToc(frames.map(({ frame }) => frame)));
    expect(toc.chunkCounts).toEqual([3, 1, 64]);
    expect(toc.frames.count).toBe(3);
    expect(toc.frames.rawBytes).toBe(272_145);
    expect([0, 9999, 10_000, 10_001, 272_144, 272_145, -1].map((offset) => toc.frames.at(offset))).toEqual([
      0, 0, 1, 2, 2, -1, -1,
    ]);
    expect(Buffer.from(toc.frames.digest(1)).equals(frames[1]!.frame.digest)).toBe(true);
    expect(toc.chunkLengths.slice(0, 4)).toEqual(Uint32Array.from([4096, 4096, 1808, 1]));
    expect(Buffer.from(toc.chunkHashes.subarray(96, 128)).equals(hash('sha256', 'x', 'buffer'))).toBe(true);
  });

  test('zstd -dc reads a pack as the raw content of its frames', () => {
    const pack = Buffer.concat([
      ...frames.map(({ stored }) => stored),
      encodeToc(frames.map(({ frame }) => frame)),
    ]);
    const out = execFileSync('zstd', ['-dc'], { input: pack, maxBuffer: 1 << 24, timeout: 30_000 });
    expect(out.equals(Buffer.concat(raws))).toBe(true);
  });

  test('a damaged table of contents is refused', () => {
    const toc = encodeToc(frames.map(({ frame }) => frame));
    const wrongCount = Buffer.from(toc);
    wrongCount.writeUInt32LE(2, 20);
    for (const wrong of [toc.subarray(0, 20), toc.subarray(0, -1), wrongCount])
      expect(() => decodeToc(Buffer.from(wrong))).toThrow(expect.objectContaining({ code: 'store.damaged' }));
  });
});
