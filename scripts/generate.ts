import { mkdir, rm, writeFile } from 'node:fs/promises';
import { dirname, join, resolve } from 'node:path';
import { artifacts, differences } from './generate/artifacts.ts';

/** `npm run generate`: writes schemas and reference docs from the one declaration of resources and drivers. */
const root = resolve(import.meta.dirname, '..');
const wanted = artifacts();
const changed = await differences(root);
for (const path of changed) {
  const content = wanted.get(path);
  const target = join(root, path);
  if (content === undefined) await rm(target);
  else {
    await mkdir(dirname(target), { recursive: true });
    await writeFile(target, content);
  }
  process.stdout.write(`${content === undefined ? 'removed' : 'wrote'} ${path}\n`);
}
if (changed.length === 0) process.stdout.write('everything generated is up to date\n');
