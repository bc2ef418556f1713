import { copyFile, cp, mkdir, readdir, readFile, rm, symlink, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { kept } from './kept.ts';
import type { Program } from './program.ts';
import { runWell } from './run.ts';
import { ROOT } from './tools.ts';

const SDK = join(ROOT, 'sdk');

/** Builds the Node SDK, packs it as npm publishes it, and installs it with all that the program names; once. */
export async function installNode(program: Program): Promise<void> {
  const named = join(program.folder, 'package.json');
  const folder = await kept('nodejs', [join(SDK, 'nodejs'), named], async (made) => {
    const at = (cwd: string) => ({ cwd, env: program.environment });
    const work = await copyOf(made, 'nodejs');
    await runWell(['npm', 'install', ...QUIET], at(work));
    await runWell(['npm', 'run', 'build'], at(work));
    // What is published is what tsc wrote, with the package file beside it: the SDK reads its own version there.
    for (const file of ['package.json', 'README.md'])
      await copyFile(join(work, file), join(work, 'bin', file));
    const { stdout } = await runWell(['npm', 'pack', '--silent', './bin'], at(work));
    await copyFile(named, join(made, 'package.json'));
    await runWell(['npm', 'install', ...QUIET, join(work, stdout.trim())], at(made));
    await rm(work, { recursive: true });
  });
  await symlink(join(folder, 'node_modules'), join(program.folder, 'node_modules'));
}

const QUIET = ['--no-fund', '--no-audit', '--loglevel=error'];

/**
 * A virtual environment `venv`, as the example's Pulumi.yaml names it, with the SDK and what the program requires; made
 * once.
 */
export async function installPython(program: Program): Promise<void> {
  const required = join(program.folder, 'requirements.txt');
  const folder = await kept('python', [join(SDK, 'python'), required], async (made) => {
    const work = await copyOf(made, 'python');
    const options = { cwd: made, env: program.environment };
    await runWell(['python3', '-m', 'venv', 'venv'], options);
    const pip = ['venv/bin/python', '-m', 'pip', '--disable-pip-version-check', 'install', '--quiet'];
    await runWell([...pip, work, '-r', required], options);
    await rm(work, { recursive: true });
  });
  await symlink(join(folder, 'venv'), join(program.folder, 'venv'));
}

/** A module whose requirement on the SDK is replaced by this checkout's, built. */
export async function installGo(program: Program): Promise<void> {
  const env = { ...program.environment, GOFLAGS: '-mod=mod', GOTOOLCHAIN: 'local' };
  const options = { cwd: program.folder, env };
  const files = await readdir(program.folder);
  if (!files.includes('go.mod')) throw new Error(`${program.folder} has no go.mod`);
  await runWell(['go', 'mod', 'edit', '-replace', `github.com/stasis-iac/stasis/sdk=${SDK}`], options);
  await runWell(['go', 'mod', 'tidy'], options);
  await runWell(['go', 'build', '-o', 'program', '.'], options);
  const project = join(program.folder, 'Pulumi.yaml');
  const text = await readFile(project, 'utf8');
  // The program that was built is run, so that its build is this one and no other.
  await writeFile(
    project,
    text.replace('runtime: go\n', 'runtime:\n  name: go\n  options:\n    binary: ./program\n'),
  );
}

/** An SDK to build in: the checkout stays as it is. */
async function copyOf(beside: string, language: string): Promise<string> {
  const folder = join(beside, `sdk-${language}`);
  await mkdir(folder);
  await cp(join(SDK, language), folder, { recursive: true });
  return folder;
}
