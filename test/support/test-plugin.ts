import { chmod, mkdir, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { build } from 'esbuild';

const NODE = join(import.meta.dirname, '../../node_modules/node/bin/node');

/** Bundles a plugin from a test's own entry point, as the real one is bundled, and writes the program that starts it. */
export async function buildTestPlugin(entry: string, bundle: string, program: string): Promise<void> {
  await build({
    entryPoints: [entry],
    outfile: bundle,
    bundle: true,
    format: 'esm',
    platform: 'node',
    target: 'node24',
    banner: {
      js: "import { createRequire } from 'node:module'; const require = createRequire(import.meta.url);",
    },
  });
  await mkdir(dirname(program), { recursive: true });
  await writeFile(program, `#!/bin/sh\nexec '${NODE}' '${bundle}' "$@"\n`);
  await chmod(program, 0o755);
}
