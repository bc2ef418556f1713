import { mkdir, rm, writeFile } from 'node:fs/promises';
import { dirname, join, resolve } from 'node:path';
import { differences, generateAll } from './generate/artifacts.ts';

/**
 * `npm run generate`: writes schemas, SDKs, bindings and reference docs from the one declaration of resources and
 * drivers. With `--check` it writes nothing, and fails where something would change.
 */
const root = resolve(import.meta.dirname, '..');
const isCheck = process.argv.includes('--check');
const generated = await generateAll();
for (const { reason } of generated.missing)
  process.stdout.write(`the SDKs are left as they are: ${reason}\n`);
const changed = await differences(root, generated);
for (const path of changed) {
  const content = generated.files.get(path);
  if (!isCheck) await put(join(root, path), content);
  const done = content === undefined ? 'removed' : 'wrote';
  process.stdout.write(`${isCheck ? 'not up to date:' : done} ${path}\n`);
}
if (changed.length === 0) process.stdout.write('everything generated is up to date\n');
else if (isCheck) process.exitCode = 1;

/** Without a content, the file goes. */
async function put(target: string, content: string | undefined): Promise<void> {
  if (content === undefined) return rm(target);
  await mkdir(dirname(target), { recursive: true });
  await writeFile(target, content);
}
