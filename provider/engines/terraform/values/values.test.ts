import { describe, expect, test } from '@jest/globals';
import { z } from 'zod';
import { UNKNOWN } from '../../../core/resource.ts';
import { attributesOf } from '../schema/attributes.ts';
import { conform, overlay, toRaw, toValues } from './convert.ts';
import { decodeDynamicValue, encodeDynamicValue, parseStateJson, type RawObject } from './dynamic-value.ts';
import { attributePath, formatPath } from './paths.ts';

const INPUTS = attributesOf(
  z.object({
    maxPauseMs: z.number().optional(),
    tags: z.record(z.string(), z.string()).optional(),
    exclude: z.array(z.string()).optional(),
    members: z.record(
      z.string(),
      z.object({
        postgres: z
          .object({
            url: z.string().meta({ secret: true }),
            endpoint: z.string().optional().meta({ computed: true }),
          })
          .optional(),
      }),
    ),
    steps: z
      .array(z.object({ runAs: z.string().optional(), id: z.string().meta({ computed: true }) }))
      .optional(),
  }),
  'resource',
);

describe('a dynamic value', () => {
  const roundTrip = (value: unknown) => decodeDynamicValue(encodeDynamicValue(value));

  test('any extension means unknown; unknown is sent as extension 0 with one byte', () => {
    const bytes = (hex: string) => decodeDynamicValue({ msgpack: Buffer.from(hex, 'hex') });
    expect(bytes('d40000')).toBe(UNKNOWN);
    // As Terraform sends a text of which it knows the beginning.
    expect(bytes('c7170c8201c202b2706f7374677265733a2f2f753a707740682f')).toBe(UNKNOWN);
    expect(bytes('d6ff00000000')).toBe(UNKNOWN);
    expect(Buffer.from(encodeDynamicValue(UNKNOWN).msgpack!).toString('hex')).toBe('d40000');
    expect(roundTrip({ a: [UNKNOWN, { b: UNKNOWN }], c: null })).toEqual({
      a: [UNKNOWN, { b: UNKNOWN }],
      c: null,
    });
  });

  test('absent and empty are null', () => {
    expect(decodeDynamicValue(undefined)).toBeNull();
    expect(decodeDynamicValue({})).toBeNull();
    expect(roundTrip(null)).toBeNull();
  });

  test('integers of 64 bits stay exact', () => {
    const big = 2n ** 60n + 1n;
    expect(roundTrip(big)).toBe(big);
    expect(roundTrip(-big)).toBe(-big);
    expect(roundTrip(2 ** 40)).toBe(2 ** 40);
    expect(roundTrip('123456789012345678901234567890.5')).toBe('123456789012345678901234567890.5');
  });

  test('a state file is read with every digit that it has', () => {
    const state = Buffer.from('{"a": 1152921504606846977, "b": 0.1, "c": 7, "d": {"e": [1e400, null, "x"]}}');
    expect(parseStateJson(state)).toEqual({
      a: '1152921504606846977',
      b: '0.1',
      c: 7,
      d: { e: ['1e400', null, 'x'] },
    });
  });
});

describe('conversion', () => {
  const raw: RawObject = {
    max_pause_ms: '0.5',
    tags: { camelCase: 'kept', none: null },
    exclude: [],
    members: {
      'my Db': { postgres: { url: 'postgres://u:p@h', endpoint: null } },
      later: { postgres: UNKNOWN },
    },
    steps: null,
  };

  test('to values: names in camelCase, keys as they are, null absent, unknown kept', () => {
    expect(toValues(INPUTS, raw)).toEqual({
      maxPauseMs: 0.5,
      tags: { camelCase: 'kept' },
      exclude: [],
      members: { 'my Db': { postgres: { url: 'postgres://u:p@h' } }, later: { postgres: UNKNOWN } },
    });
  });

  test('to raw: every attribute, null where absent; decimals as text', () => {
    expect(toRaw(INPUTS, { maxPauseMs: 0.1, members: { a: {} }, steps: [{ id: '1' }] })).toEqual({
      max_pause_ms: '0.1',
      tags: null,
      exclude: null,
      members: { a: { postgres: null } },
      steps: [{ run_as: null, id: '1' }],
    });
    expect(toRaw(INPUTS, { maxPauseMs: 12 })).toMatchObject({ max_pause_ms: 12, members: null });
  });

  test('overlay: configuration as it came, secrets null, computed from us', () => {
    const computed = {
      max_pause_ms: 99,
      members: {
        'my Db': { postgres: { url: 'never', endpoint: 'h' } },
        later: { postgres: { endpoint: 'x' } },
      },
    };
    const steps = [
      { run_as: 'me', id: null },
      { run_as: null, id: null },
    ];
    const found = overlay(INPUTS, { ...raw, steps }, { ...computed, steps: [{ id: '1' }, { id: UNKNOWN }] });
    expect(found).toEqual({
      ...raw,
      members: { 'my Db': { postgres: { url: null, endpoint: 'h' } }, later: { postgres: UNKNOWN } },
      steps: [
        { run_as: 'me', id: '1' },
        { run_as: null, id: UNKNOWN },
      ],
    });
    expect(overlay(INPUTS, { ...raw, members: UNKNOWN }, computed)).toMatchObject({ members: UNKNOWN });
  });

  test('conform: what a state lacks is null, what it has too much goes, secrets too', () => {
    const old = { gone: 1, members: { a: { postgres: { url: 'leaked', endpoint: 'h', more: 2 } }, b: null } };
    expect(conform(INPUTS, old)).toEqual({
      max_pause_ms: null,
      tags: null,
      exclude: null,
      members: { a: { postgres: { url: null, endpoint: 'h' } }, b: null },
      steps: null,
    });
  });
});

describe('paths', () => {
  const shown = (...place: string[]) => {
    const path = attributePath(INPUTS, place);
    return path && formatPath(path);
  };

  test('names in snake_case, keys as they are, indices of lists; no further than the schema', () => {
    expect(shown('maxPauseMs')).toBe('max_pause_ms');
    expect(shown('members', 'my Db', 'postgres', 'url')).toBe('members["my Db"].postgres.url');
    expect(shown('members', 'web', 'host', 'ssh')).toBe('members.web');
    expect(shown('steps', '0', 'runAs')).toBe('steps[0].run_as');
    expect(shown('exclude', '2')).toBe('exclude[2]');
    expect(shown('exclude', 'x')).toBe('exclude');
    expect(shown('nothing', 'here')).toBeUndefined();
    expect(shown()).toBeUndefined();
  });
});
