import { describe, expect, test } from '@jest/globals';
import fc from 'fast-check';
import { compareFingerprints, DIFFERENCES_KEPT, type FingerprintEntry } from './fingerprint.ts';

async function* stream(entries: readonly FingerprintEntry[]): AsyncGenerator<FingerprintEntry> {
  yield* entries;
}

const compare = (a: readonly FingerprintEntry[], b: readonly FingerprintEntry[], nowMs = 0) =>
  compareFingerprints(stream(a), stream(b), nowMs);

const sorted = fc
  .dictionary(fc.string({ minLength: 1, maxLength: 4 }), fc.constantFrom('x', 'y'))
  .map((objects) =>
    Object.entries(objects)
      .map(([object, digest]) => ({ object, digest }))
      .sort((a, b) => (a.object < b.object ? -1 : 1)),
  );

describe('comparing fingerprints', () => {
  test('names what is missing, extra and changed, with what is known of it', async () => {
    const result = await compare(
      [
        { object: 'a', digest: '1' },
        { object: 'b', digest: '1', facts: { rows: 2 } },
        { object: 'c', digest: '1' },
      ],
      [
        { object: 'b', digest: '2', facts: { rows: 3 } },
        { object: 'c', digest: '1' },
        { object: 'd', digest: '1' },
      ],
    );
    expect(result).toMatchObject({ equal: 1, differenceCount: 3 });
    expect(result.differences).toEqual([
      { object: 'a', kind: 'missing', message: 'missing' },
      { object: 'b', kind: 'changed', message: 'rows: 2 -> 3' },
      { object: 'd', kind: 'extra', message: 'not in the snapshot' },
    ]);
  });

  test('what was due to vanish may be absent, on either side, and may not be changed', async () => {
    const due = [{ object: 'k', digest: '1', mayVanishAtMs: 100 }];
    expect((await compare(due, [], 101)).differenceCount).toBe(0);
    expect((await compare([], due, 101)).differenceCount).toBe(0);
    expect((await compare(due, [], 99)).differenceCount).toBe(1);
    expect(
      (await compare(due, [{ object: 'k', digest: '2', mayVanishAtMs: 100 }], 101)).differenceCount,
    ).toBe(1);
  });

  test('a stream out of order or with a repeated object is a fault, not a verdict', async () => {
    const wrong = [
      { object: 'b', digest: '1' },
      { object: 'a', digest: '1' },
    ];
    await expect(compare(wrong, [])).rejects.toThrow(RangeError);
    await expect(compare([], [wrong[0]!, wrong[0]!])).rejects.toThrow(RangeError);
  });

  test('keeps a bounded number of differences and counts all', async () => {
    const many = Array.from({ length: DIFFERENCES_KEPT + 50 }, (_, index) => ({
      object: `o${String(index).padStart(5, '0')}`,
      digest: '1',
    }));
    const result = await compare(many, []);
    expect(result.differences).toHaveLength(DIFFERENCES_KEPT);
    expect(result.differenceCount).toBe(DIFFERENCES_KEPT + 50);
  });

  test('agrees with a comparison of sets', async () => {
    await fc.assert(
      fc.asyncProperty(sorted, sorted, async (a, b) => {
        const right = new Map(b.map((entry) => [entry.object, entry.digest]));
        const equal = a.filter((entry) => right.get(entry.object) === entry.digest).length;
        const both = a.filter((entry) => right.has(entry.object)).length;
        const result = await compare(a, b);
        expect(result.equal).toBe(equal);
        expect(result.differenceCount).toBe(a.length + b.length - both - equal);
      }),
    );
  });
});
