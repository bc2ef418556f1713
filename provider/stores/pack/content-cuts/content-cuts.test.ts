import { describe, expect, test } from '@jest/globals';
import fc from 'fast-check';
import { ContentCutter, MAX_CONTENT_CHUNK_BYTES, MIN_CONTENT_CHUNK_BYTES } from './content-cuts.ts';

const MAX_BYTES = 1024 * 1024;
const cutter = new ContentCutter(MAX_BYTES);

/** The same algorithm, plainly; what the compiled one is held against. */
function cutsInTypeScript(bytes: Uint8Array): number[] {
  const gear: number[] = [];
  for (let index = 0, state = 0x9e3779b9; index < 256; index += 1) {
    state = (state + 0x9e3779b9) | 0;
    let mixed = Math.imul(state ^ (state >>> 16), 0x85ebca6b);
    mixed = Math.imul(mixed ^ (mixed >>> 13), 0xc2b2ae35);
    gear.push(mixed ^ (mixed >>> 16));
  }
  const ends: number[] = [];
  for (let start = 0; start < bytes.length; start = ends.at(-1)!) {
    const end = Math.min(start + 65_536, bytes.length);
    let at = Math.min(start + 4096, bytes.length);
    let hash = 0;
    while (at < end) {
      hash = ((hash << 1) + gear[bytes[at]!]!) | 0;
      const mask = at < start + 16_384 ? 0xffff0000 : 0xfff00000;
      at += 1;
      if ((hash & mask) === 0) break;
    }
    ends.push(at);
  }
  return ends;
}

/** Bytes that a seed gives, some of them repetitive. */
function bytesOf(seed: number, length: number, alphabet: number): Uint8Array {
  const bytes = new Uint8Array(length);
  let state = seed | 1;
  for (let at = 0; at < length; at += 1) {
    state = (Math.imul(state, 1664525) + 1013904223) | 0;
    bytes[at] = (state >>> 24) % alphabet;
  }
  return bytes;
}

const content = fc
  .record({ seed: fc.integer(), length: fc.nat(250_000), alphabet: fc.constantFrom(1, 2, 7, 256) })
  .map(({ seed, length, alphabet }) => bytesOf(seed, length, alphabet));

describe('content-defined cuts', () => {
  test('the compiled chunker cuts exactly as the plain one', () => {
    fc.assert(
      fc.property(content, (bytes) => {
        expect(Array.from(cutter.cut(bytes))).toEqual(cutsInTypeScript(bytes));
      }),
      { numRuns: 25 },
    );
  });

  test('cuts ascend to the end, within the limits', () => {
    fc.assert(
      fc.property(content, (bytes) => {
        const ends = [0, ...cutter.cut(bytes)];
        expect(ends.at(-1)).toBe(bytes.length);
        const lengths = ends.slice(1).map((end, place) => end - ends[place]!);
        for (const [place, length] of lengths.entries()) {
          const least = place < lengths.length - 1 ? MIN_CONTENT_CHUNK_BYTES : 1;
          if (length < least || length > MAX_CONTENT_CHUNK_BYTES)
            throw new Error(`a chunk of ${length} bytes`);
        }
      }),
      { numRuns: 25 },
    );
  });

  test('chunks are about 16 KiB, and an insertion moves few of them', () => {
    const bytes = bytesOf(7, MAX_BYTES - 100, 256);
    const chunks = (from: Uint8Array): Set<string> => {
      const ends = [0, ...cutter.cut(from)];
      return new Set(
        ends.slice(1).map((end, place) => Buffer.from(from.subarray(ends[place], end)).toString('latin1')),
      );
    };
    const before = chunks(bytes);
    expect(bytes.length / before.size).toBeGreaterThan(10_000);
    expect(bytes.length / before.size).toBeLessThan(24_000);
    const inserted = Buffer.concat([bytes.subarray(0, 1000), Buffer.from('inserted'), bytes.subarray(1000)]);
    const added = [...chunks(inserted)].filter((chunk) => !before.has(chunk));
    expect(added.length).toBeLessThanOrEqual(4);
  });

  test('refuses more than it was made for', () => {
    expect(() => cutter.cut(new Uint8Array(MAX_BYTES + 1))).toThrow(RangeError);
  });
});
