import { execFile } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { afterAll, beforeAll, expect, test } from '@jest/globals';

const run = promisify(execFile);
const OURS = join(import.meta.dirname, 'ours.ts');

let folder: string;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'stasis-bench-ours-'));
});
afterAll(() => rm(folder, { recursive: true, force: true }));

const ours = (...args: readonly string[]) =>
  run(process.execPath, [OURS, ...args], {
    cwd: folder,
    env: { ...process.env, XDG_CACHE_HOME: join(folder, 'cache') },
    timeout: 60_000,
  });

test("the bench's own side gives back the second of two generations that it captured", async () => {
  const store = join(folder, 'store');
  await mkdir(store);
  const image = join(folder, 'image');
  const content = randomBytes(700_000);
  await writeFile(image, content);
  await ours('capture', store, image, 'pages-4k');
  content.fill(1, 100_000, 104_000);
  await writeFile(image, content);
  await ours('capture', store, image, 'pages-4k');
  const out = join(folder, 'out');
  await ours('restore', store, out);
  expect(Buffer.compare(await readFile(out), content)).toBe(0);
}, 120_000);
