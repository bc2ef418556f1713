import { expect, test } from '@jest/globals';
import fc from 'fast-check';
import { lengthOf, outsideOf, type Span, within } from './spans.ts';

const SIZE = 60;

/** In order and without overlap; neighbours may touch. */
const spans = fc.uniqueArray(fc.nat(SIZE), { maxLength: 12 }).map((edges) => {
  const sorted = edges.toSorted((a, b) => a - b);
  return sorted.flatMap((from, index): Span[] =>
    index % 2 === 0 && index + 1 < sorted.length ? [[from, sorted[index + 1]!]] : [],
  );
});

function bytesOf(all: readonly Span[]): number[] {
  return all.flatMap(([from, to]) => Array.from({ length: to - from }, (_, index) => from + index));
}

test('spans have in common, and leave out, exactly the bytes that their sets do', () => {
  fc.assert(
    fc.property(spans, spans, (some, others) => {
      const inOthers = new Set(bytesOf(others));
      expect(bytesOf(within(some, others))).toEqual(bytesOf(some).filter((byte) => inOthers.has(byte)));
      const all = Array.from({ length: SIZE }, (_, byte) => byte);
      expect(bytesOf(outsideOf(others, SIZE))).toEqual(all.filter((byte) => !inOthers.has(byte)));
      expect(lengthOf(some)).toBe(bytesOf(some).length);
    }),
  );
});
