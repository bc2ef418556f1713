import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { z } from 'zod';
import { StasisError } from '../../../core/errors.ts';
import { parseDocument } from './document.ts';
import { computedProblems, secretsIn } from './fields.ts';
import { placed, positionOf, readDocument } from './placing.ts';

const APP = `# the shop
name: shop
members:
  orders:
    postgres:
      url: \${DATABASE_URL}
      databases:
        - orders
        - "audit"
  sessions: { redis: { url: "redis://:\${PASSWORD}@cache:6379" } }
maxPauseMs: 2000
`;

const ENV = { DATABASE_URL: 'postgres://app:hunter2secret@db/orders', PASSWORD: 'hunter2secret', EMPTY: '' };

function fault(work: () => unknown): StasisError {
  try {
    work();
  } catch (error) {
    if (error instanceof StasisError) return error;
    throw error;
  }
  throw new Error('nothing was thrown');
}

describe('a file of inputs', () => {
  test('is read as the inputs under their own names, with variables from the environment', () => {
    expect(parseDocument(APP, 'app.yaml', ENV).values).toEqual({
      name: 'shop',
      members: {
        orders: { postgres: { url: ENV.DATABASE_URL, databases: ['orders', 'audit'] } },
        sessions: { redis: { url: 'redis://:hunter2secret@cache:6379' } },
      },
      maxPauseMs: 2000,
    });
  });

  test('knows the line and column of every attribute and list item', () => {
    const { positionOf: at } = parseDocument(APP, 'app.yaml', ENV);
    expect(at(['name'])).toEqual({ file: 'app.yaml', line: 2, column: 1 });
    expect(at(['members', 'orders', 'postgres', 'url'])).toEqual({ file: 'app.yaml', line: 6, column: 7 });
    expect(at(['members', 'orders', 'postgres', 'databases', '1'])).toMatchObject({ line: 9, column: 11 });
    expect(at(['members', 'sessions', 'redis'])).toMatchObject({ line: 10, column: 15 });
  });

  test('places what is not there at the innermost attribute around it', () => {
    const { positionOf: at } = parseDocument(APP, 'app.yaml', ENV);
    expect(at(['members', 'orders', 'postgres', 'clientPath'])).toMatchObject({ line: 5, column: 5 });
    expect(at(['store', 'path'])).toMatchObject({ line: 2, column: 1 });
  });

  test('a variable is text within its value and never YAML of its own', () => {
    const { values } = parseDocument(`name: \${A}\n`, 'x', { A: 'shop\nmembers: {}' });
    expect(values).toEqual({ name: 'shop\nmembers: {}' });
  });

  test('$${ stands for itself, and an empty variable counts as set', () => {
    expect(parseDocument(`a: $\${HOME}\nb: "x\${EMPTY}y"\nc: $5\n`, 'x', ENV).values).toEqual({
      a: `\${HOME}`,
      b: 'xy',
      c: '$5',
    });
  });

  test('a variable that is missing is named, at its line, and none of the others is shown', () => {
    const error = fault(() => parseDocument(`a: \${PASSWORD}\nb:\n  c: \${MISSING}\n`, 'x.yaml', ENV));
    expect(error.code).toBe('document.variable-missing');
    expect(error.message).toContain('MISSING');
    expect(positionOf(error)).toEqual({ file: 'x.yaml', line: 3, column: 6 });
    expect(JSON.stringify([error.message, error.hint, error.details])).not.toContain('hunter2');
  });

  test.each([
    ['an empty file', '# nothing\n', 1],
    ['a list', '- a\n- b\n', 1],
    ['two documents', 'a: 1\n---\nb: 2\n', 2],
    ['the same key twice', 'a: 1\nb: 2\na: 3\n', 3],
    ['an open bracket', 'a: [1, 2\nb: 3\n', 2],
    ['a tag of another language', 'a: 1\nb: !ruby/object {}\n', 2],
    ['an alias of nothing', 'a: 1\nb: *hunter2secret\n', 2],
  ])('%s is refused at its line', (_name, text, line) => {
    const error = fault(() => parseDocument(text, 'x.yaml', {}));
    expect(error.code).toBe('document.malformed');
    expect(positionOf(error)?.line).toBe(line);
    expect(error.message).not.toContain('hunter2');
  });

  test('aliases may not blow it up', () => {
    const lines = ['a0: &a0 [x, x, x, x, x, x, x, x, x, x]'];
    for (let n = 1; n < 9; n += 1)
      lines.push(
        `a${n}: &a${n} [${Array(10)
          .fill(`*a${n - 1}`)
          .join(', ')}]`,
      );
    expect(fault(() => parseDocument(lines.join('\n'), 'x', {})).code).toBe('document.malformed');
  });
});

describe('reading it', () => {
  let folder: string;
  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), 'stasis-cli-'));
    await mkdir(join(folder, 'folder'));
    await writeFile(join(folder, 'large.yaml'), `a: ${'x'.repeat(1_100_000)}\n`);
    await writeFile(join(folder, 'app.yaml'), 'name: shop\n');
  });
  afterAll(() => rm(folder, { recursive: true, force: true }));

  const source = () => ({ cwd: folder, env: {}, readStdin: async () => 'name: piped\n' });

  test('from a path that is seen from the working folder, or from standard input', async () => {
    expect((await readDocument('app.yaml', source())).values).toEqual({ name: 'shop' });
    expect((await readDocument('-', source())).values).toEqual({ name: 'piped' });
  });

  test.each(['absent.yaml', 'folder', 'large.yaml'])('%s is refused', async (name) => {
    await expect(readDocument(name, source())).rejects.toMatchObject({ code: 'document.unreadable' });
  });
});

describe('placing an error', () => {
  const document = parseDocument(APP, 'app.yaml', ENV);
  const error = new StasisError('store.not-a-folder', 'No.', { at: ['store', 'path'], hint: 'Do.' });

  test('keeps all of it, and adds the line', () => {
    const found = placed(error, document, new Set());
    expect(found).toMatchObject({ code: error.code, message: error.message, hint: error.hint, at: error.at });
    expect(positionOf(found)).toMatchObject({ file: 'app.yaml' });
  });

  test('an input of the command line has no line', () => {
    expect(positionOf(placed(error, document, new Set(['store'])))).toBeUndefined();
  });
});

describe('secrets of inputs', () => {
  const schema = z.strictObject({
    name: z.string(),
    members: z.record(
      z.string(),
      z.strictObject({
        redis: z
          .strictObject({
            url: z.string().meta({ secret: true }),
            keys: z.array(z.string()).meta({ secret: true }),
            endpoint: z.string().optional().meta({ computed: true }),
          })
          .optional(),
      }),
    ),
  });

  test('are what the schema calls so, however deep', () => {
    const values = { name: 'shop', members: { a: { redis: { url: 'redis://x', keys: ['k1', 'k2'] } } } };
    expect(secretsIn(schema, values)).toEqual(['redis://x', 'k1', 'k2']);
  });

  test('and every URL with a password, also under a misspelt attribute', () => {
    const values = { name: 'shop', members: { a: { redsi: { ulr: 'redis://:pw@x', other: 'http://x/' } } } };
    expect(secretsIn(schema, values)).toEqual(['redis://:pw@x']);
  });

  test('what we compute cannot be set', () => {
    const values = { name: 'shop', members: { a: { redis: { url: 'x', keys: [], endpoint: 'y' } } } };
    const [problem, ...more] = computedProblems(schema, values);
    expect(more).toEqual([]);
    expect(problem).toMatchObject({ code: 'input.computed', at: ['members', 'a', 'redis', 'endpoint'] });
  });
});
