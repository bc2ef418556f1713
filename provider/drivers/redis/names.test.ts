import { expect, test } from '@jest/globals';
import fc from 'fast-check';
import { escapeBytes, fieldObject, groupObject, keyObject, type ObjectName } from './names.ts';

const bytes = fc.oneof(
  fc.uint8Array({ maxLength: 12 }).map((data) => Buffer.from(data)),
  fc.string({ unit: 'grapheme', maxLength: 8 }).map((text) => Buffer.from(text)),
  fc
    .constantFrom('\\', '\\x41', 'A', '\\/', '/', '\u2028', '\u0000', '\ufeff', '\u00ad')
    .map((text) => Buffer.from(text)),
);

/** The other way round: what shows that no two keys have one name. */
function bytesOf(name: string): Buffer {
  const parts = name.match(/\\\\|\\x[0-9a-f]{2}|[^\\]+/gs) ?? [];
  return Buffer.concat(
    parts.map((part) => {
      if (part === '\\\\') return Buffer.from('\\');
      return part.startsWith('\\x') ? Buffer.from(part.slice(2), 'hex') : Buffer.from(part);
    }),
  );
}

test('every key can be read back from its name, which is printable', () => {
  fc.assert(
    fc.property(bytes, (key) => {
      const name = escapeBytes(key);
      expect(bytesOf(name)).toEqual(key);
      expect(name).not.toMatch(/[\p{C}\p{Zl}\p{Zp}]/u);
    }),
    { numRuns: 2_000 },
  );
});

const joined = ({ prefix, rest }: ObjectName): string => prefix + rest;

test('a key is readable where it is text', () => {
  expect(joined(keyObject(0, Buffer.from('cart:17')))).toBe('db/0/key/cart:17');
  expect(joined(keyObject(3, Buffer.from('Grüße ☃')))).toBe('db/3/key/Grüße ☃');
  expect(joined(keyObject(0, Buffer.from([0xff, 0x41, 0x0a])))).toBe('db/0/key/\\xffA\\x0a');
});

test('a key with a field never looks like another pair of them', () => {
  fc.assert(
    fc.property(bytes, bytes, bytes, bytes, (a, b, c, d) => {
      const same = a.equals(c) && b.equals(d);
      expect(joined(fieldObject(0, a, b)) === joined(fieldObject(0, c, d))).toBe(same);
      expect(joined(groupObject(0, a, b)) === joined(groupObject(0, c, d))).toBe(same);
    }),
    { numRuns: 2_000 },
  );
});
