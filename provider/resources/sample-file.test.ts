import { mkdtemp, rm, truncate, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from '@jest/globals';
import type { Driver } from '../core/driver.ts';
import { StasisError } from '../core/errors.ts';
import type { Question } from '../core/probe.ts';
import { DRIVERS } from '../drivers/registry.ts';
import { readSampleFile, wordsOf } from './sample-file.ts';

let folder: string;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'stasis-sample-file-'));
});
afterAll(() => rm(folder, { recursive: true, force: true }));

const driverOf = (name: string): Driver => DRIVERS.find((one) => one.name === name)!;

async function read(driver: string, text: string, database?: string): Promise<readonly Question[] | string> {
  const path = join(folder, 'requests');
  await writeFile(path, text);
  const found = await readSampleFile(path, driverOf(driver), database);
  if (!(found instanceof StasisError)) return found;
  expect(found.at).toEqual(['file']);
  return `${found.code}: ${found.message.replace(path, 'FILE')}`;
}

test('each line is a request of the kind that its member is asked by', async () => {
  expect(await read('postgres', "# then\r\nSELECT 1;\r\n\r\n  SELECT 'a # b'\n", 'shop')).toEqual([
    { kind: 'sql', words: ['SELECT 1;'], database: 'shop' },
    { kind: 'sql', words: ["SELECT 'a # b'"], database: 'shop' },
  ]);
  expect(await read('redis', 'HGETALL "cart of one"\nGET \'two words\'', '3')).toEqual([
    { kind: 'redis', words: ['HGETALL', 'cart of one'], database: '3' },
    { kind: 'redis', words: ['GET', 'two words'], database: '3' },
  ]);
  expect(await read('process', 'http://127.0.0.1:8080/\nss -Hltn')).toEqual([
    {
      ...{ kind: 'http', words: ['GET', 'http://127.0.0.1:8080/'] },
      http: expect.objectContaining({ method: 'GET', status: 200, url: 'http://127.0.0.1:8080/' }),
    },
    { kind: 'command', words: ['ss', '-Hltn'] },
  ]);
  expect(await read('files', 'http://127.0.0.1/')).toEqual([
    { kind: 'command', words: ['http://127.0.0.1/'] },
  ]);
});

test('what cannot be asked is named by its line', async () => {
  expect(await read('process', '\nhttp://shop.example/\n')).toBe(
    'sample.malformed: Line 2 of the sample FILE cannot be asked: This is no URL that a member can be asked by.',
  );
  expect(await read('redis', 'GET a\nFLUSHALL')).toMatch(
    /^probe\.no-reading: Line 2 of the sample FILE cannot/,
  );
  expect(await read('postgres', '\n#\n')).toMatch(/^sample\.empty: /);
  const large = join(folder, 'large');
  await writeFile(large, '');
  await truncate(large, 17 * 1024 * 1024);
  expect(await readSampleFile(large, driverOf('postgres'), undefined)).toMatchObject({
    code: 'sample.too-long',
  });
  expect(await readSampleFile(folder, driverOf('postgres'), undefined)).toMatchObject({
    ...{ code: 'sample.unreadable', message: expect.stringContaining('EISDIR') },
  });
});

test('words stand apart by blanks, and in quotes where they have some', () => {
  expect(wordsOf('  GET   a ')).toEqual(['GET', 'a']);
  expect(wordsOf(String.raw`SET "a \"b\"\n" 'c "d"' "" ''`)).toEqual(['SET', 'a "b"\n', 'c "d"', '', '']);
  expect(wordsOf(`a"b c'd 'e`)).toEqual(['a"b', "c'd", "'e"]);
  expect(wordsOf(String.raw`"\x"`)).toEqual([String.raw`"\x"`]);
});
