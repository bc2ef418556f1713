import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { unzip } from '../../e2e/terraform/zip.ts';
import { SAVED_PLAN } from './ways/terraform.ts';

/** With every command line that was to be seen on the machine meanwhile. */
export async function watched<T>(running: Promise<T>): Promise<readonly [T, ReadonlySet<string>]> {
  const commands = new Set<string>();
  let isRunning = true;
  const ended = running.finally(() => {
    isRunning = false;
  });
  while (isRunning) {
    for (const pid of (await readdir('/proc')).filter((name) => /^\d+$/.test(name)))
      commands.add(await readFile(`/proc/${pid}/cmdline`, 'utf8').catch(() => ''));
    await Promise.race([delay(20), ended.catch(() => undefined)]);
  }
  return [await ended, commands];
}

/** Files below a folder in which a text stands; a saved plan is looked into. */
export async function holding(folder: string, text: string): Promise<string[]> {
  const found: string[] = [];
  for (const entry of await readdir(folder, { recursive: true, withFileTypes: true })) {
    if (!entry.isFile()) continue;
    const path = join(entry.parentPath, entry.name);
    const content = await readFile(path);
    const parts = entry.name === SAVED_PLAN ? [...unzip(content).values()] : [content];
    if (parts.some((part) => part.includes(text))) found.push(path);
  }
  return found;
}
