import { hash } from 'node:crypto';
import { existsSync } from 'node:fs';
import { mkdir, readdir, readFile, rm, stat, utimes, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { alone, cacheFolder } from '../../../scripts/setup/cache.ts';

/** What nobody has used for a day is removed. */
const KEPT_MS = 24 * 3_600_000;

/**
 * A folder in the user's cache that is made once for all that it is made of: files by their content, a folder with all
 * below it. It is whole or made anew, and never changed afterwards.
 */
export async function kept(
  name: string,
  ingredients: readonly string[],
  make: (folder: string) => Promise<void>,
): Promise<string> {
  const key = (await Promise.all(ingredients.map(digestOf))).join('\n');
  const all = join(cacheFolder(), 'sdks');
  const folder = join(all, `${name}-${hash('sha256', key, 'hex').slice(0, 16)}`);
  const whole = join(folder, 'whole');
  await alone(`sdk-${name}`, async () => {
    await removeOld(all);
    if (!existsSync(whole)) {
      await rm(folder, { recursive: true, force: true });
      await mkdir(folder, { recursive: true });
      await make(folder);
      await writeFile(whole, '');
    }
    await utimes(whole, new Date(), new Date());
  });
  return folder;
}

async function digestOf(path: string): Promise<string> {
  if (!(await stat(path)).isDirectory()) return hash('sha256', await readFile(path), 'hex');
  const entries = await readdir(path, { recursive: true, withFileTypes: true });
  const files = entries.filter((entry) => entry.isFile()).map((entry) => join(entry.parentPath, entry.name));
  const digests = files.sort().map(async (file) => `${file} ${hash('sha256', await readFile(file), 'hex')}`);
  return (await Promise.all(digests)).map((line) => line.slice(path.length)).join('\n');
}

async function removeOld(all: string): Promise<void> {
  for (const name of await readdir(all).catch(() => [])) {
    const used = await stat(join(all, name, 'whole')).catch(() => undefined);
    if (used === undefined || Date.now() - used.mtimeMs < KEPT_MS) continue;
    await rm(join(all, name), { recursive: true, force: true });
  }
}
