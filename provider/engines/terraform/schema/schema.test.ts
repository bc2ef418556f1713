import { describe, expect, test } from '@jest/globals';
import { z } from 'zod';
import { StasisError } from '../../../core/errors.ts';
import type { ResourceDefinition } from '../../../core/resource.ts';
import { snakeCase } from '../naming.ts';
import { attributesOf } from './attributes.ts';
import { resourceType } from './schema.ts';

const one = (field: z.ZodType, purpose: Parameters<typeof attributesOf>[1] = 'resource') =>
  attributesOf(z.object({ one: field }), purpose)[0]!;

const codeOf = (work: () => unknown): string => {
  try {
    work();
  } catch (error) {
    if (error instanceof StasisError) return error.code;
    throw error;
  }
  return 'none';
};

test.each([
  ['maxPauseMs', 'max_pause_ms'],
  ['url', 'url'],
  ['tlsCA', 'tls_ca'],
  ['tlsCAFile', 'tls_ca_file'],
  ['sha256Sum', 'sha256_sum'],
  ['Snapshot', 'snapshot'],
  ['CompareSnapshots', 'compare_snapshots'],
])('%s is %s', (camel, snake) => expect(snakeCase(camel)).toBe(snake));

describe('a field', () => {
  test('is required, optional or computed', () => {
    expect(one(z.string()).presence).toBe('required');
    expect(one(z.string().optional()).presence).toBe('optional');
    expect(one(z.string().nullable()).presence).toBe('optional');
    expect(one(z.enum(['a', 'b']).default('a')).presence).toBe('optional');
    expect(one(z.string().optional().meta({ computed: true })).presence).toBe('computed');
    expect(one(z.string(), 'output').presence).toBe('computed');
  });

  test('that is secret is write-only as an input of a resource, and sensitive anywhere', () => {
    const secret = z.string().describe('Secret.').meta({ secret: true }).optional();
    expect(one(secret)).toMatchObject({ sensitive: true, writeOnly: true, description: 'Secret.' });
    expect(one(secret, 'configuration')).toMatchObject({ sensitive: true, writeOnly: false });
    expect(one(secret, 'lookup')).toMatchObject({ sensitive: true, writeOnly: false });
  });

  test('names the values that it allows', () => {
    const mode = one(z.enum(['fast', 'safe']).optional().describe('How.'));
    expect(mode.description).toBe('How. One of `fast`, `safe`.');
    expect(one(z.literal('on')).shape).toEqual({ kind: 'string', allowed: ['on'] });
    expect(one(z.union([z.literal('*'), z.string()])).shape).toEqual({ kind: 'string' });
  });

  test('of a type that Terraform has not is refused by name', () => {
    expect(codeOf(() => one(z.unknown()))).toBe('schema.unsupported');
    expect(codeOf(() => one(z.union([z.string(), z.number()])))).toBe('schema.unsupported');
    expect(codeOf(() => one(z.array(z.date())))).toBe('schema.unsupported');
    expect(one(z.unknown(), 'output').shape).toEqual({ kind: 'json' });
  });
});

describe('a resource', () => {
  const definition = (inputs: z.ZodObject, outputs: z.ZodObject) =>
    ({ name: 'Thing', inputs, outputs }) as ResourceDefinition;

  test('has its id first, then inputs, then outputs', () => {
    const type = resourceType(definition(z.object({ maxMs: z.number() }), z.object({ digest: z.string() })));
    expect(type.typeName).toBe('stasis_thing');
    expect(type.attributes.map(({ key }) => key)).toEqual(['id', 'max_ms', 'digest']);
  });

  test('with two attributes of one name, or one that Terraform reserves, is refused', () => {
    const clash = (inputs: z.ZodObject, outputs = z.object({})) =>
      codeOf(() => resourceType(definition(inputs, outputs)));
    expect(clash(z.object({ a: z.string() }), z.object({ a: z.string() }))).toBe('schema.name-clash');
    expect(clash(z.object({ dependsOn: z.string() }))).toBe('schema.name-clash');
    expect(clash(z.object({ id: z.string() }))).toBe('schema.name-clash');
    expect(clash(z.object({ a: z.string() }))).toBe('none');
  });
});
