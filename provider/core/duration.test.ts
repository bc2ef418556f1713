import { expect, test } from '@jest/globals';
import { formatAge, parseDuration } from './duration.ts';

test.each<[string, number | undefined]>([
  ['30d', 2_592_000_000],
  ['1d12h', 129_600_000],
  ['90m', 5_400_000],
  ['1s', 1_000],
  ...(['', '0d', '5', 'd', '-1d', '1w', '1h1d', '1.5h', ' 1d', '9999999d'] as const).map(
    (text): [string, undefined] => [text, undefined],
  ),
])('%j is an age', (text, expected) => expect(parseDuration(text)).toBe(expected));

test('an age is said in its largest unit', () => {
  expect([0, 1_000, 59_999, 3_600_000, 49 * 3_600_000].map(formatAge)).toEqual([
    '0 seconds',
    '1 second',
    '59 seconds',
    '1 hour',
    '2 days',
  ]);
});
