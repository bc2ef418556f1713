import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';

/** The mirror of Debian that this machine's own apt uses; `STASIS_LAB_MIRROR` names another. */
export async function debianMirror(): Promise<string> {
  const named = process.env.STASIS_LAB_MIRROR;
  if (named !== undefined && named !== '') return named;
  const folder = '/etc/apt/sources.list.d';
  const names = await readdir(folder).catch(() => []);
  const files = ['/etc/apt/sources.list', ...names.map((name) => join(folder, name))];
  const texts = await Promise.all(files.map((file) => readFile(file, 'utf8').catch(() => '')));
  const found = /^(?:URIs:|deb(?: \[[^\]]*\])?) *(https?:\/\/\S+\/debian)\/?(?:\s|$)/m.exec(texts.join('\n'));
  return found?.[1] ?? 'http://deb.debian.org/debian';
}
