import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { durationsOf, longestFirst, readDurations, recordDurations, slowestOf } from './durations.ts';

const ROOT = join(import.meta.dirname, '../..');
const at = (name: string) => ({ path: join(ROOT, name) });

describe('how long test files take', () => {
  let cache: string;
  const before = process.env.XDG_CACHE_HOME;
  beforeAll(async () => {
    cache = await mkdtemp(join(tmpdir(), 'stasis-durations-'));
    process.env.XDG_CACHE_HOME = cache;
  });
  afterAll(async () => {
    if (before === undefined) delete process.env.XDG_CACHE_HOME;
    else process.env.XDG_CACHE_HOME = before;
    await rm(cache, { recursive: true, force: true });
  });

  test('is read from the report; a file that was not loaded has taken no time', () => {
    const files = [
      { name: join(ROOT, 'test/e2e/a.test.ts'), startTime: 1_000, endTime: 3_500 },
      { name: join(ROOT, 'test/e2e/broken.test.ts'), startTime: 0, endTime: 0 },
    ];
    expect(durationsOf(files)).toEqual({ 'test/e2e/a.test.ts': 2_500 });
  });

  test('is kept in the cache folder, file by file', async () => {
    expect(await readDurations()).toEqual({});
    await recordDurations({ 'a.test.ts': 10, 'b.test.ts': 20 });
    await recordDurations({ 'b.test.ts': 5 });
    expect(await readDurations()).toEqual({ 'a.test.ts': 10, 'b.test.ts': 5 });
  });

  test('a record that cannot be read is none, and is written anew', async () => {
    const file = join(cache, 'stasis/tests/durations.json');
    await writeFile(file, '{ "a": ');
    expect(await readDurations()).toEqual({});
    await recordDurations({ 'a.test.ts': 1 });
    expect(JSON.parse(await readFile(file, 'utf8'))).toEqual({ 'a.test.ts': 1 });
  });

  test('names the slowest, slowest first', () => {
    expect(slowestOf({ a: 900, b: 61_000, c: 5_000 }, 2)).toEqual(['   61.0 s  b', '    5.0 s  c']);
  });

  test('the longest begin first, and before them what has never run, engines before all', () => {
    const tests = [
      at('provider/core/short.test.ts'),
      at('provider/core/new.test.ts'),
      at('test/e2e/long.test.ts'),
      at('test/e2e/new.test.ts'),
      at('test/conformance/engine/new.test.ts'),
    ];
    const durations = { 'provider/core/short.test.ts': 5, 'test/e2e/long.test.ts': 90_000 };
    expect(longestFirst(tests, durations).map(({ path }) => path.slice(ROOT.length + 1))).toEqual([
      'test/conformance/engine/new.test.ts',
      'test/e2e/new.test.ts',
      'provider/core/new.test.ts',
      'test/e2e/long.test.ts',
      'provider/core/short.test.ts',
    ]);
  });
});
