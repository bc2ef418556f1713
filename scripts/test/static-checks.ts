import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync } from 'node:fs';
import { join } from 'node:path';

const ROOT = join(import.meta.dirname, '../..');

/** A check of the whole tree that runs no code of ours; each counts as one test. */
interface StaticCheck {
  readonly name: string;
  /** Run by our own Node. */
  readonly argv: readonly string[];
}

export const STATIC_CHECKS: readonly StaticCheck[] = [
  { name: 'types', argv: ['node_modules/typescript/bin/tsc', '--noEmit'] },
  { name: 'lint and format', argv: ['node_modules/@biomejs/biome/bin/biome', 'check', '.'] },
  { name: 'generated files are as the schema says', argv: ['scripts/generate.ts', '--check'] },
];

/** Runs one, its output going to ours; true when it passed. */
export async function passes(check: StaticCheck): Promise<boolean> {
  if (!existsSync(join(ROOT, check.argv[0] ?? ''))) throw new Error(`${check.argv[0]} is not there`);
  const child = spawn(process.execPath, ['--disable-warning=ExperimentalWarning', ...check.argv], {
    cwd: ROOT,
    stdio: ['ignore', 'inherit', 'inherit'],
  });
  const [status] = await once(child, 'close');
  return status === 0;
}
