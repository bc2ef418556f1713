import { describe, expect, test } from '@jest/globals';
import { answerChange, answerDifference, isAsExpected, parseJsonPath, textOfBytes } from './answer.ts';
import type { Answer, ProbeComparison } from './probe.ts';

const one = (text: string | null): Answer => ({ rows: [[text]] });
const rows = (...all: (string | null)[][]): Answer => ({ rows: all });
const PLAIN: ProbeComparison = { rows: 'unordered' };
const ORDERED: ProbeComparison = { rows: 'ordered' };

describe('two answers', () => {
  test.each<[string, Answer, Answer, ProbeComparison, string | undefined]>([
    ['of the same text', one('a'), one('a'), PLAIN, undefined],
    ['of another text', one('a'), one('b'), PLAIN, '1 of 1 rows differ'],
    ['of nothing and an empty text', one(null), one(''), PLAIN, '1 of 1 rows differ'],
    ['of one number', one('12'), one('13'), PLAIN, '12 -> 13'],
    ['of one number written in two ways', one('1.50'), one('1.5'), PLAIN, undefined],
    [
      'of numbers that no double tells apart',
      one('9007199254740993'),
      one('9007199254740992'),
      PLAIN,
      '1 of 1 rows differ',
    ],
    ['within', one('12'), one('13'), { ...PLAIN, within: 1 }, undefined],
    ['beyond', one('12'), one('13.1'), { ...PLAIN, within: 1 }, '12 -> 13.1, which differ by more than 1'],
    ['of more rows', rows(['a']), rows(['a'], ['a']), PLAIN, 'rows: 1 -> 2'],
    ['in another order', rows(['a'], ['b']), rows(['b'], ['a']), PLAIN, undefined],
    [
      'in another order that counts',
      rows(['a'], ['b']),
      rows(['b'], ['a']),
      ORDERED,
      'the same rows in another order',
    ],
    ['as often', rows(['a'], ['a'], ['b']), rows(['a'], ['b'], ['b']), PLAIN, '1 of 3 rows differ'],
    [
      'cell by cell within',
      rows(['a', '1'], ['b', '2']),
      rows(['a', '1.4'], ['b', '2']),
      { ...PLAIN, within: 0.5 },
      undefined,
    ],
    ['cut otherwise into cells', rows(['a', 'b']), rows(['a,b']), PLAIN, '1 of 1 rows differ'],
  ])('%s', (_name, captured, restored, comparison, expected) => {
    expect(answerDifference(captured, restored, comparison)).toBe(expected);
  });

  test('that are one number each say by how much it has changed', () => {
    expect(answerChange(one('5'), one('12'), PLAIN)).toBe(7);
    expect(answerChange(one('5'), one('5'), PLAIN)).toBe(0);
    expect(answerChange(one('{"a": [3]}'), one('{"a": [1]}'), { ...PLAIN, jsonPath: '$.a[0]' })).toBe(-2);
    expect(answerChange(one('{"a": 3}'), one('{}'), { ...PLAIN, jsonPath: '$.a' })).toBeUndefined();
    expect(answerChange(one('5'), rows(['1'], ['2']), PLAIN)).toBeUndefined();
    expect(answerChange(one('five'), one('12'), PLAIN)).toBeUndefined();
  });

  test('of JSON are compared at one place, whatever the order of names', () => {
    const at = (jsonPath: string, within?: number): ProbeComparison => ({
      ...PLAIN,
      jsonPath,
      ...(within && { within }),
    });
    const left = one('{"a": [{"x": 1, "y": [1, 2]}], "t": 1}');
    const right = one('{"t": 2, "a": [{"y": [1, 2], "x": 1}]}');
    expect(answerDifference(left, right, at('$.a'))).toBeUndefined();
    expect(answerDifference(left, right, at('$.t'))).toBe('$.t: 1 -> 2');
    expect(answerDifference(left, right, at('$.t', 1))).toBeUndefined();
    expect(answerDifference(left, one('{}'), at("$['a'][-1].y"))).toBe("$['a'][-1].y: something -> nothing");
    expect(answerDifference(left, one('{"a": [{"x": 1, "y": [2, 1]}]}'), at('$.a[0].y'))).toBe(
      '$.a[0].y: the value differs',
    );
    // What has no such place on either side is no difference: at the cut it was "nothing" as well.
    expect(answerDifference(left, right, at('$.b.toString'))).toBeUndefined();
  });
});

test('one value can be expected, and a last line end is none of it', () => {
  expect(isAsExpected(one('20\n'), '20', PLAIN)).toBe(true);
  expect(isAsExpected(one('20.0'), '20', PLAIN)).toBe(true);
  expect(isAsExpected(one('21'), '20', { ...PLAIN, within: 1 })).toBe(true);
  expect(isAsExpected(one('21'), '20', PLAIN)).toBe(false);
  expect(isAsExpected(one('{"n": "x"}'), 'x', { ...PLAIN, jsonPath: '$.n' })).toBe(true);
  expect(isAsExpected(one(null), '', PLAIN)).toBe(false);
  expect(isAsExpected(rows(['t'], ['t']), 't', PLAIN)).toBe(false);
});

test.each(['a', '$.', '$..a', '$[*]', '$.a[', "$['a", '$[01]', '$.a b', '$[?@.x]', ''])(
  '%j is no path to one place',
  (path) => expect(parseJsonPath(path)).toBeUndefined(),
);

test('bytes that are no text are shown in hex', () => {
  expect(textOfBytes(Buffer.from('zwölf'))).toBe('zwölf');
  expect(textOfBytes(Buffer.from([0xff, 0]))).toBe('hex:ff00');
});
