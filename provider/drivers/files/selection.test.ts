import { expect, test } from '@jest/globals';
import { excluder } from './selection.ts';
import { filesSpec } from './spec.ts';

function excludes(patterns: readonly string[], path: string | Buffer): boolean {
  return excluder(patterns)(Buffer.from(path));
}

test.each([
  ['*.log', 'a.log', true],
  ['*.log', 'deep/er/a.log', true],
  ['*.log', 'a.log.txt', false],
  ['.cache', 'x/.cache', true],
  ['cache/', 'cache', true],
  ['tmp/*', 'tmp/a', true],
  ['tmp/*', 'other/tmp/a', false],
  ['tmp/*', 'tmp', false],
  ['**/node_modules', 'a/b/node_modules', true],
  ['**/node_modules', 'node_modules', true],
  ['a/**/z', 'a/b/c/z', true],
  ['*.{tmp,swp}', 'x/.y.swp', true],
])('%s on %s', (pattern, path, expected) => {
  expect(excludes([pattern], path)).toBe(expected);
});

test('no pattern leaves nothing out, and names that are no UTF-8 can be matched', () => {
  expect(excludes([], 'anything')).toBe(false);
  expect(excludes(['*.log'], Buffer.from([0xff, 0x2e, 0x6c, 0x6f, 0x67]))).toBe(true);
});

test.each([['/absolute'], ['../out'], ['a/../b'], ['']])('the pattern "%s" is refused', (pattern) => {
  expect(filesSpec.safeParse({ path: '/x', exclude: [pattern] }).success).toBe(false);
});
