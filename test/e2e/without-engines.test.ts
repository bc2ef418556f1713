import { execFile } from 'node:child_process';
import { existsSync } from 'node:fs';
import { mkdir, mkdtemp, readdir, rm, symlink } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { delimiter, join } from 'node:path';
import { afterAll, beforeAll, expect, test } from '@jest/globals';

const ROOT = join(import.meta.dirname, '../..');
/** Engines, and what would build them; and `unshare`, without which no lab's root file system is built either. */
const LEFT_OUT = /^(?:terraform|tofu|go|pulumi.*|npm|unshare)$/;

let folder: string;

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'stasis-without-'));
});
afterAll(() => rm(folder, { recursive: true, force: true }));

/** A folder with all programs on PATH, but for those. */
async function programs(): Promise<string> {
  const bin = join(folder, 'bin');
  await mkdir(bin);
  for (const source of (process.env.PATH ?? '').split(delimiter).filter((path) => existsSync(path)))
    for (const name of await readdir(source))
      if (!LEFT_OUT.test(name)) await symlink(join(source, name), join(bin, name)).catch(() => {});
  return bin;
}

test('where no engine can be had, their tests are skipped with the reason, and the rest passes', async () => {
  const env = { ...process.env, PATH: await programs(), XDG_CACHE_HOME: join(folder, 'cache') };
  const argv = [
    '--disable-warning=ExperimentalWarning',
    'scripts/test.ts',
    'test/e2e/terraform-(schema|plugin)',
  ];
  const { status, said, last } = await new Promise<{ status: number; said: string; last: string }>(
    (resolve) => {
      execFile(process.execPath, argv, { cwd: ROOT, env, timeout: 180_000 }, (error, stdout, stderr) =>
        resolve({
          status: typeof error?.code === 'number' ? error.code : error ? -1 : 0,
          said: stderr,
          last: stdout.trimEnd().split('\n').at(-1) ?? '',
        }),
      );
    },
  );
  expect(said).toMatch(/skipped: with terraform \(Terraform [\d.]+ or newer is not on PATH\)/);
  expect(said).toMatch(/skipped: with opentofu \(OpenTofu [\d.]+ or newer is not on PATH\)/);
  expect(last).toMatch(/^[1-9]\d* passed, 0 failed, 4 skipped$/);
  expect(status).toBe(0);
}, 200_000);
