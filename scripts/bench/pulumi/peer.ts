import { chmod, mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { build } from 'esbuild';
import { BUNDLING } from '../../build/bundle.ts';

/**
 * The smallest provider, in a folder of its own: bundled as our plugin is, and started by a script of one line, under
 * the same Node with the same cache of compiled code.
 *
 * @returns the folder, and the program in it
 */
export async function buildSmallest(root: string): Promise<{ folder: string; program: string }> {
  const folder = join(root, 'smallest');
  await mkdir(folder);
  await build({
    ...BUNDLING,
    entryPoints: { smallest: join(import.meta.dirname, 'smallest.ts') },
    outdir: folder,
  });
  const program = join(folder, 'pulumi-resource-smallest');
  await writeFile(program, `#!/bin/sh\nexec '${process.execPath}' '${join(folder, 'smallest.mjs')}' "$@"\n`);
  await chmod(program, 0o755);
  return { folder, program };
}
