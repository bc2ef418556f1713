import { expect, test } from '@jest/globals';
import {
  hitsBetween,
  isAsBefore,
  type Pace,
  type PaceWindow,
  paceOf,
  percentile,
  sampleSentence,
  sampleWarmthSentence,
  warmWindow,
} from './sample.ts';

const hundred = Array.from({ length: 100 }, (_, index) => index + 1);

test('a percentile is the nearest rank, and never none', () => {
  expect([percentile(hundred, 0.5), percentile(hundred, 0.99), percentile(hundred, 1)]).toEqual([
    50, 99, 100,
  ]);
  expect([percentile([7], 0.99), percentile([7], 0.5), percentile([1, 2], 0.5)]).toEqual([7, 7, 1]);
  expect(percentile([...hundred, 1_000], 0.99)).toBe(100);
});

test('a pace sorts, takes no line for slower than its quickest request, and knows no hit rate of nothing', () => {
  const times = hundred.toReversed();
  expect(paceOf(times, 0.4)).toEqual({ requests: 100, p50Ms: 50, p99Ms: 99, lineMs: 0.4 });
  expect(times[0]).toBe(100);
  expect(paceOf([2, 3], 9).lineMs).toBe(2);
  expect(paceOf([1], 1, { asked: 4, found: 3 }).hitRate).toBe(0.75);
  expect(paceOf([1], 1, { asked: 0, found: 0 })).not.toHaveProperty('hitRate');
  for (const hits of [
    { asked: 9, found: -1 },
    { asked: 9, found: 10 },
    { asked: -3, found: -4 },
  ])
    expect(paceOf([1], 1, hits)).not.toHaveProperty('hitRate');
  const [earlier, later] = [
    { asked: 10, found: 9 },
    { asked: 30, found: 24 },
  ];
  expect(hitsBetween(earlier, later)).toEqual({ asked: 20, found: 15 });
  expect([hitsBetween(undefined, later), hitsBetween(earlier, undefined)]).toEqual([undefined, undefined]);
});

const pace = (p99Ms: number, more: Partial<Pace> = {}): Pace => ({
  ...{ requests: 100, p50Ms: 1, lineMs: 0, p99Ms },
  ...more,
});

test('as before is a quarter slower and 0.2 ms at most, without the line, and one in a hundred fewer hits', () => {
  const before = pace(4);
  expect([5.2, 5.21].map((p99Ms) => isAsBefore(pace(p99Ms), before))).toEqual([true, false]);
  expect([0.2, 0.21].map((p99Ms) => isAsBefore(pace(p99Ms), pace(0)))).toEqual([true, false]);
  // By a line that takes 30 ms more, and of an original that was far away.
  expect(isAsBefore(pace(35, { lineMs: 30 }), before)).toBe(true);
  expect(isAsBefore(pace(36, { lineMs: 30 }), before)).toBe(false);
  expect(isAsBefore(pace(6, { lineMs: 0 }), pace(34, { lineMs: 30 }))).toBe(false);
  const hits = (hitRate: number): Pace => pace(4, { hitRate });
  expect([0.95, 0.9, 0.89].map((rate) => isAsBefore(hits(rate), hits(0.91)))).toEqual([true, true, false]);
  expect(isAsBefore(hits(0.1), before)).toBe(true);
  expect(isAsBefore(before, hits(1))).toBe(true);
});

test('it is warm from the first window on that begins a second of which half is as before', () => {
  const before = pace(1);
  /** A letter is a window of 200 ms: good or bad. */
  const windows = (picture: string): PaceWindow[] =>
    [...picture].map((letter, index) => ({
      ...pace(letter === 'g' ? 1 : 9),
      ...{ beganMs: index * 200, endedMs: index * 200 + 200 },
    }));
  const since = (picture: string): number | undefined => warmWindow(windows(picture), before)?.beganMs;
  expect(since('ggggg')).toBe(0);
  expect(since('gggg')).toBeUndefined();
  expect(since('')).toBeUndefined();
  expect(since('bbbbbbbbbb')).toBeUndefined();
  // One good moment is none, and one bad one does not count either.
  expect(since('bgbbbbbbgbggggg')).toBe(1_600);
  expect(since('bbggbgb')).toBe(400);
  // A window longer than a second was seen whole.
  const slow = { ...pace(1), beganMs: 3_000, endedMs: 9_000 };
  expect(warmWindow([{ ...pace(9), beganMs: 0, endedMs: 3_000 }, slow], before)).toBe(slow);
});

test('what people read says which is which', () => {
  expect(sampleSentence({ before: { ...pace(4.2), requests: 1_200, hitRate: 0.985 } })).toBe(
    '1,200 requests before the cut: p50 1.0 ms, p99 4.2 ms, of which the line took 0.00 ms; 98.5 % out of caches.',
  );
  expect(sampleSentence({ error: { code: 'redis.refused', message: 'No.' } })).toBe('Not measured: No.');
  const measured = { member: 'a', before: pace(1), first: pace(40), last: pace(0.5), requests: 70 };
  expect(sampleWarmthSentence({ ...measured, timeToWarmMs: 2_340 })).toBe(
    'As before from 2.3 s after the release on: p99 1.0 ms before the cut, then 40 ms, at last 0.50 ms (the line: 0.00 ms, now 0.00 ms); 70 requests.',
  );
  expect(sampleWarmthSentence({ ...measured, error: 'It broke.' })).toMatch(
    /^Not as before within the time that there was: .* Not all were answered: It broke\.$/,
  );
  expect(sampleWarmthSentence({ member: 'a', requests: 0, error: 'Gone.' })).toBe('Not measured. Gone.');
});
