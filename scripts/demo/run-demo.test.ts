import { mkdtemp, readdir, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from '@jest/globals';
import { runDemo } from './run-demo.ts';

const PATH = process.env.PATH;
let folder: string;

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'stasis-demo-test-'));
  process.env.PATH = '';
});

afterEach(async () => {
  process.env.PATH = PATH;
  await rm(folder, { recursive: true, force: true });
});

// A build takes many minutes, in which an open shop would sell on and on.
test('whether the engine can be had is known before anything is started', async () => {
  const options = { engine: 'terraform', keep: false, lab: false, json: true } as const;
  const demo = runDemo(options, folder, AbortSignal.timeout(60_000), async () => {});
  await expect(demo).rejects.toThrow('is not on PATH');
  expect(await readdir(folder)).toEqual([]);
});
