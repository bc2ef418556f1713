import { describe, expect, test } from '@jest/globals';
import { z } from 'zod';
import { UNKNOWN } from '../../../core/resource.ts';
import { differences } from './difference.ts';
import { formatPath } from './paths.ts';
import {
  decodeProperties,
  encodeProperties,
  fromValues,
  type PropertyMap,
  reveal,
  Secret,
  secretTexts,
  toValues,
} from './property.ts';
import { lacksRequired, placesWhere, storedProperties, withSecrets } from './secrets.ts';

const MEMBER = z.strictObject({
  postgres: z
    .strictObject({
      url: z.string().meta({ secret: true }),
      host: z.string().optional().meta({ open: true }),
      schemas: z.array(z.string()).optional(),
      endpoint: z.string().optional().meta({ computed: true }),
    })
    .optional(),
});
const INPUTS = z.strictObject({
  name: z.string(),
  members: z.record(z.string(), MEMBER),
  triggers: z.record(z.string(), z.string()).optional(),
});

describe('properties', () => {
  test('come back from the wire as they were sent', () => {
    const properties: PropertyMap = {
      ...{ none: null, no: false, zero: 0, text: '', list: [1, [], {}], unknown: UNKNOWN },
      secret: new Secret({ deep: new Secret('a') }),
    };
    const back = decodeProperties(encodeProperties(properties));
    expect(back).toEqual(properties);
    expect(back.secret).toBeInstanceOf(Secret);
  });

  test('of every kind of unknown and of output are understood', () => {
    const signature = '4dabf18193072939515e22adb298388d';
    const output = 'd0e6a833031e9bbcd3f4e8bde6ca49a4';
    const sent = encodeProperties({
      number: '3eeb2bf0-c639-47a8-9e75-3b44932eb421',
      output: { [signature]: output, value: 'known', secret: true },
      later: { [signature]: output },
    });
    const { number, output: known, later } = decodeProperties(sent);
    expect([number, later]).toEqual([UNKNOWN, UNKNOWN]);
    expect(known).toEqual(new Secret('known'));
  });

  test('as values have no secrets and no nulls; values as properties have no undefined', () => {
    const properties = { a: new Secret({ b: null, c: new Secret(1) }), d: [new Secret('e'), null] };
    expect(toValues(properties)).toEqual({ a: { c: 1 }, d: ['e', null] });
    expect(fromValues({ a: undefined, b: { c: undefined, d: UNKNOWN } })).toEqual({ b: { d: UNKNOWN } });
  });
});

describe('secrets', () => {
  const url = 'postgres://u:pass@h/x';

  test('of the schema are wrapped, and one around all of it is put around each value', () => {
    const plain = { name: 'shop', members: { db: { postgres: { url, schemas: ['a'] } } } };
    expect(withSecrets(INPUTS, plain)).toEqual({
      name: 'shop',
      members: { db: { postgres: { url: new Secret(url), schemas: ['a'] } } },
    });
    const wrapped = withSecrets(INPUTS, { ...plain, members: new Secret(plain.members) });
    expect(wrapped.members).toEqual({
      db: { postgres: { url: new Secret(url), schemas: [new Secret('a')] } },
    });
    expect(secretTexts(wrapped)).toEqual([url, 'a']);
    // Nothing of it is known yet: it stays a secret.
    expect(withSecrets(INPUTS, { members: new Secret(UNKNOWN) }).members).toEqual(new Secret(UNKNOWN));
    expect(withSecrets(INPUTS, { members: { db: { misspelt: 'x' } } }).members).toEqual({
      db: { misspelt: 'x' },
    });
    expect(withSecrets(INPUTS, { members: new Secret({ db: { misspelt: 'x' } }) }).members).toEqual({
      db: { misspelt: new Secret('x') },
    });
  });

  test('leave a name open that stands beside them, unless the user has wrapped it itself', () => {
    const wrapped = (host: string | Secret) =>
      withSecrets(INPUTS, { members: new Secret({ db: { postgres: { url: new Secret(url), host } } }) });
    expect(wrapped('a').members).toEqual({ db: { postgres: { url: new Secret(url), host: 'a' } } });
    expect(secretTexts(wrapped('a'))).toEqual([url]);
    expect(secretTexts(wrapped(new Secret('a')))).toEqual([url, 'a']);
  });

  test('that the user made stay secret in what is stored, but not what is computed', () => {
    const inputs = withSecrets(INPUTS, {
      members: new Secret({ db: { postgres: { url, schemas: ['a'] } } }),
      triggers: new Secret({ release: '1' }),
    });
    const stored = {
      members: { db: { postgres: { schemas: ['a'], endpoint: 'h/x' } } },
      triggers: { release: '1' },
    };
    const kept = storedProperties(INPUTS, stored, inputs);
    expect(kept.members).toEqual({ db: { postgres: { schemas: [new Secret('a')], endpoint: 'h/x' } } });
    expect(toValues({ triggers: kept.triggers! })).toEqual({ triggers: { release: '1' } });
    expect(secretTexts(kept)).toEqual(['a', '1']);
  });

  test('and computed values are found where they stand', () => {
    const values = { members: { db: { postgres: { url, endpoint: 'mine' } }, later: UNKNOWN } };
    expect(placesWhere(INPUTS, values, ({ computed }) => computed === true)).toEqual([
      ['members', 'db', 'postgres', 'endpoint'],
    ]);
  });

  test('an import lacks what is required', () => {
    expect(lacksRequired(INPUTS, { name: 'shop' })).toBe(true);
    expect(lacksRequired(INPUTS, { name: 'shop', members: {} })).toBe(false);
  });
});

test('differences are told as deep as they go, secrets by what they hold', () => {
  const before: PropertyMap = {
    a: new Secret('1'),
    b: { c: [1, 2], d: null },
    e: 'gone',
    same: new Secret(['x']),
  };
  const after: PropertyMap = { a: new Secret('2'), b: { c: [1, 3], d: 'new' }, f: UNKNOWN, same: ['x'] };
  expect(differences(before, after).map(({ at, kind }) => [formatPath(at), kind])).toEqual([
    ['a', 'updated'],
    ['b.c[1]', 'updated'],
    ['b.d', 'added'],
    ['e', 'deleted'],
    ['f', 'added'],
  ]);
  expect(differences({ a: UNKNOWN }, { a: UNKNOWN })).toEqual([{ at: ['a'], kind: 'updated' }]);
  expect(reveal(new Secret(new Secret(null)))).toBeNull();
});

test('a path is written as Pulumi writes it', () => {
  expect(formatPath(['members', 'my web', 'files', 'exclude', '0'])).toBe(
    'members["my web"].files.exclude[0]',
  );
  expect(formatPath([])).toBe('');
});
