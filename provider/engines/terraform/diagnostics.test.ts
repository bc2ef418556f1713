import { describe, expect, test } from '@jest/globals';
import { z } from 'zod';
import { StasisError } from '../../core/errors.ts';
import { UNKNOWN } from '../../core/resource.ts';
import { diagnosticsOf, scopeOf } from './diagnostics.ts';
import { attributesOf } from './schema/attributes.ts';
import { configProblems } from './service/config-checks.ts';

const ATTRIBUTES = attributesOf(
  z.object({
    name: z.string(),
    members: z.record(
      z.string(),
      z.object({
        postgres: z
          .object({
            url: z.string().meta({ secret: true }),
            jobs: z.number().optional(),
            endpoint: z.string().optional().meta({ computed: true }),
          })
          .optional(),
      }),
    ),
    steps: z.array(z.object({ run: z.string() })).optional(),
  }),
  'resource',
);
const SECRET = 'postgres://u:s3cret-word@h/x';
const CONFIG = {
  name: 'shop',
  members: {
    db: { postgres: { url: SECRET, jobs: null, endpoint: null } },
    free: { postgres: null },
    later: { postgres: { url: UNKNOWN, jobs: null, endpoint: null } },
  },
  steps: null,
};

describe('a diagnostic', () => {
  const shown = (...at: string[]) => {
    const [one] = diagnosticsOf([new StasisError('x.y', 'It broke.', { at })], scopeOf(ATTRIBUTES, CONFIG));
    return one?.attribute?.steps?.map((step) => Object.values(step)[0]);
  };

  test('points at an attribute, or at an element in it: no engine finds a line deeper than that', () => {
    expect(shown('name')).toEqual(['name']);
    expect(shown('members', 'free')).toEqual(['members', 'free']);
    expect(shown('members', 'free', 'postgres', 'jobs')).toEqual(['members', 'free']);
    expect(shown('steps', '0', 'run')).toEqual(['steps', 0]);
    expect(shown()).toBeUndefined();
    expect(shown('elsewhere')).toBeUndefined();
  });

  test('does not point at a line on which a secret may stand', () => {
    expect(shown('members', 'db', 'postgres', 'jobs')).toBeUndefined();
    expect(shown('members', 'db')).toBeUndefined();
    expect(shown('members', 'later', 'postgres')).toBeUndefined();
    expect(shown('members')).toBeUndefined();
  });

  test('has the sentence, then hint, place and code; its severity; and no secret', () => {
    const errors = [
      new StasisError('x.y', `Cannot use ${SECRET}.`, {
        at: ['members', 'db', 'postgres', 'url'],
        hint: 'Use s3cret-word.',
      }),
      new StasisError('x.z', 'Mind.', { severity: 'warning' }),
    ];
    expect(diagnosticsOf(errors, scopeOf(ATTRIBUTES, CONFIG))).toEqual([
      {
        severity: 1,
        summary: 'Cannot use (secret).',
        detail: 'Use (secret).\n\n(at members.db.postgres.url, code x.y)',
      },
      { severity: 2, summary: 'Mind.', detail: '(code x.z)' },
    ]);
  });
});

describe('a configuration', () => {
  const problems = (config: object, writeOnlyAttributesAllowed = true) =>
    configProblems(ATTRIBUTES, { ...CONFIG, ...config }, { writeOnlyAttributesAllowed }).map(
      ({ code, at }) => `${code} ${at.join('.')}`,
    );

  test('is refused with a null among objects, or a value for what is computed', () => {
    expect(problems({})).toEqual([]);
    expect(problems({ members: { gone: null } })).toEqual(['input.null-element members.gone']);
    expect(problems({ steps: [null] })).toEqual(['input.null-element steps.0']);
    expect(problems({ members: { db: { postgres: { url: 'x', endpoint: 'mine' } } } })).toEqual([
      'input.computed members.db.postgres.endpoint',
    ]);
    expect(problems({ members: UNKNOWN })).toEqual([]);
  });

  test('is refused with a secret by an engine that would store it', () => {
    expect(problems({}, false)).toEqual(['terraform.too-old members.db.postgres.url']);
    expect(problems({ members: { free: { postgres: null } } }, false)).toEqual([]);
  });
});
