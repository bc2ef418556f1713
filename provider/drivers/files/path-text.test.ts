import { describe, expect, test } from '@jest/globals';
import fc from 'fast-check';
import { pathOfText, textOfPath } from './path-text.ts';

/** Bytes that are often almost UTF-8, which is where escaping goes wrong. */
const pathBytes = fc.oneof(
  fc.uint8Array({ maxLength: 24 }),
  fc.string({ unit: 'binary', maxLength: 12 }).map((text) => Uint8Array.from(Buffer.from(text))),
  fc
    .array(fc.constantFrom(0xc3, 0xa9, 0xe2, 0x80, 0xae, 0xf0, 0x9f, 0x5c, 0x78, 0x75, 0x7b, 0x7d, 0x61), {
      maxLength: 12,
    })
    .map((bytes) => Uint8Array.from(bytes)),
);

describe('the text of a path', () => {
  test('is read back to the same bytes, whatever they are', () => {
    fc.assert(
      fc.property(pathBytes, (bytes) => {
        expect(pathOfText(textOfPath(bytes))).toEqual(Buffer.from(bytes));
      }),
      { numRuns: 2000 },
    );
  });

  test('is different for different paths, and has no control characters', () => {
    fc.assert(
      fc.property(pathBytes, pathBytes, (a, b) => {
        expect(textOfPath(a) === textOfPath(b)).toBe(Buffer.compare(a, b) === 0);
        expect(textOfPath(a)).not.toMatch(/\p{Cc}/u);
      }),
      { numRuns: 2000 },
    );
  });

  test('is plain where it can be', () => {
    expect(textOfPath(Buffer.from('a/b.txt'))).toBe('a/b.txt');
    expect(textOfPath(Buffer.from('größe/😀'))).toBe('größe/😀');
    expect(textOfPath(Buffer.from([0x61, 0xff, 0x62]))).toBe('a\\xffb');
    expect(textOfPath(Buffer.from('a\\b\n'))).toBe('a\\\\b\\u{a}');
    expect(textOfPath(Buffer.from('\u202egnp.exe'))).toBe('\\u{202e}gnp.exe');
  });

  test('that was not written so is refused', () => {
    for (const text of ['\\', '\\q', '\\x61', '\\u{61}', '\\u{110000}', 'a\nb', '\\xc3\\xa9'])
      expect(() => pathOfText(text)).toThrow(expect.objectContaining({ code: 'files.malformed-path' }));
  });
});
