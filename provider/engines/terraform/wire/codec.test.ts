import { describe, expect, test } from '@jest/globals';
import fc from 'fast-check';
import { decodeMessage, encodeMessage } from './codec.ts';
import { type FieldSpec, MESSAGES, type Message, type MessageName } from './messages.ts';

/**
 * What Terraform 1.11.4 sent us (OpenTofu 1.11.5 sent the same) to validate a resource whose map key is `a b`, with
 * jobs = -3, ratio = 12345678901234567890 and a url that is unknown but begins with postgres://u:pw@h/.
 */
const VALIDATE_REQUEST = Buffer.from(
  `0a0c7374617369735f70686f746f128f020a8c02de0015a7626c75725f6d73c0a8636f766572616765c0a865766964656e6365c0a4666169
6cc0aa67656e65726174696f6ec0a7686f6c645f6d73c0a26964c0a76d656d6265727381a361206282a566696c6573c0a8706f73746772657383
a8656e64706f696e74c0a46a6f6273fda375726cc7170c8201c202b2706f7374677265733a2f2f753a707740682fa46d6f6465c0a46e616d65a4
73686f70a46e6f7465c0a5726174696fb43132333435363738393031323334353637383930a97265666572656e6365c0a7726573756c7473c0a5
7368617270c0aa73697a655f6279746573c0a573746f7265c0a7746861775f6d73c0a87472696767657273c0a6757267656e74c0a47761726ec0
1a021001`.replaceAll('\n', ''),
  'hex',
);

const NAMES = Object.keys(MESSAGES) as MessageName[];

/** Any value of a message: absent fields stay absent, and zero values are not sent but for members of a oneof. */
function arbitrary(name: string, depth = 3): fc.Arbitrary<Record<string, unknown>> {
  const fields: readonly [string, FieldSpec][] = Object.entries(MESSAGES[name as MessageName]);
  const values = fields.map(([field, [, type, label]]) => [field, fieldOf(type, label, depth)] as const);
  return fc.record(Object.fromEntries(values), { requiredKeys: [] });
}

function fieldOf(type: string, label: string | undefined, depth: number): fc.Arbitrary<unknown> {
  if (label === 'repeated') return fc.array(single(type, depth), { minLength: 1, maxLength: 3 });
  if (label === 'map')
    return fc.dictionary(fc.string(), single(type, depth), { minKeys: 1, maxKeys: 3, noNullPrototype: true });
  const value = single(type, depth);
  if (label === 'oneof' || type in MESSAGES) return value;
  return value.filter((one) => one !== '' && one !== 0 && one !== false && (one as Buffer).length !== 0);
}

function single(type: string, depth: number): fc.Arbitrary<unknown> {
  if (type in MESSAGES) return depth === 0 ? fc.constant({}) : arbitrary(type, depth - 1);
  if (type === 'string') return fc.string({ unit: 'grapheme' });
  if (type === 'bytes') return fc.uint8Array().map((bytes) => Buffer.from(bytes));
  if (type === 'bool') return fc.boolean();
  return type === 'enum' ? fc.nat(9) : fc.maxSafeInteger();
}

describe('the codec', () => {
  test.each(NAMES)('%s comes back as it was sent', (name) => {
    fc.assert(
      fc.property(arbitrary(name), (message) => {
        const sent = message as Message<typeof name>;
        expect(decodeMessage(name, encodeMessage(name, sent))).toEqual(message);
      }),
      { numRuns: 50 },
    );
  });

  test('reads what Terraform sends, and writes the same bytes', () => {
    const message = decodeMessage('ValidateResourceConfig.Request', VALIDATE_REQUEST);
    expect(message.typeName).toBe('stasis_photo');
    expect(message.config?.msgpack).toHaveLength(268);
    expect(message.clientCapabilities).toEqual({ writeOnlyAttributesAllowed: true });
    expect(encodeMessage('ValidateResourceConfig.Request', message)).toEqual(VALIDATE_REQUEST);
  });

  test('a message cut short anywhere is refused or a shorter message, and never read beyond its end', () => {
    for (let length = 0; length < VALIDATE_REQUEST.length; length += 1) {
      const cut = VALIDATE_REQUEST.subarray(0, length);
      let message: Message<'ValidateResourceConfig.Request'>;
      try {
        message = decodeMessage('ValidateResourceConfig.Request', cut);
      } catch (error) {
        expect(error).toBeInstanceOf(RangeError);
        continue;
      }
      expect(encodeMessage('ValidateResourceConfig.Request', message)).toEqual(cut);
    }
  });

  test('skips fields that it does not know, of every wire type', () => {
    const unknown = Buffer.from([
      ...[0x78, 0x96, 0x01], // 15: varint
      ...[0x79, 1, 2, 3, 4, 5, 6, 7, 8], // 15: fixed64
      ...[0x7a, 2, 0xff, 0xff], // 15: bytes
      ...[0x7d, 1, 2, 3, 4], // 15: fixed32
    ]);
    const sent = encodeMessage('StopProvider.Response', { Error: 'x' });
    expect(decodeMessage('StopProvider.Response', Buffer.concat([unknown, sent, unknown]))).toEqual({
      Error: 'x',
    });
  });

  test('an index of 0 in a path is sent, a false flag is not', () => {
    expect(encodeMessage('AttributePath.Step', { elementKeyInt: 0 }).toString('hex')).toBe('1800');
    expect(encodeMessage('ServerCapabilities', { planDestroy: false }).toString('hex')).toBe('');
    expect(encodeMessage('AttributePath.Step', { elementKeyInt: -1 }).toString('hex')).toBe(
      '18ffffffffffffffffff01',
    );
  });

  test('an integer that a number does not hold exactly is refused', () => {
    expect(() => encodeMessage('Schema', { version: 2 ** 53 })).toThrow(RangeError);
    const beyond = Buffer.from([0x08, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x10]);
    expect(() => decodeMessage('Schema', beyond)).toThrow(RangeError);
  });
});
