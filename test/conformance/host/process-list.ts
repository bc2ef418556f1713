import { readdir, readFile } from 'node:fs/promises';

/** The argument lists of all processes that this machine sees: those in a lab's hosts, too. */
export async function processList(): Promise<readonly string[]> {
  const found: string[] = [];
  for (const pid of (await readdir('/proc')).filter((name) => /^\d+$/.test(name))) {
    const text = await readFile(`/proc/${pid}/cmdline`, 'utf8').catch(() => '');
    if (text !== '') found.push(text.replace(/\0$/, '').replaceAll('\0', ' '));
  }
  return found;
}
