import { expect, test } from '@jest/globals';
import { ENTRIES, insistOnEntries } from './bundle.ts';

test('a source that is missing is named, and not left out in silence', () => {
  expect(() => insistOnEntries(ENTRIES)).not.toThrow();
  expect(() => insistOnEntries({ ...ENTRIES, gone: 'provider/engines/gone/main.ts' })).toThrow(
    'provider/engines/gone/main.ts, where the bundle "gone" begins, is not there',
  );
});
