import { execFile } from 'node:child_process';
import { access, cp, mkdir, readFile, rename, rm } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import { promisify } from 'node:util';
import { alone, cacheFolder } from './cache.ts';
import { say } from './say.ts';
import type { Missing } from './tools.ts';

/**
 * Command lines of others that are npm packages, and too large to be dependencies of ours. Each has a package.json and
 * a lock file in scripts/engines, and is installed from them into `<cache>/tools/NAME-VERSION`.
 */
const NPM_TOOLS = {
  'cdktf-cli': { title: "CDKTF's command line", program: 'cdktf' },
  'cdktn-cli': { title: "CDK Terrain's command line", program: 'cdktn' },
} as const;

export type NpmToolName = keyof typeof NPM_TOOLS;

/** How long an installation may take: some hundred packages. */
const INSTALL_MS = 900_000;

/** The path of the tool's program, which our Node runs, if it is here already. */
export async function findNpmTool(name: NpmToolName): Promise<string | Missing> {
  const path = await programOf(name);
  const here = await access(path).then(
    () => true,
    () => false,
  );
  return here ? path : { tool: name, reason: `${NPM_TOOLS[name].title} is not installed` };
}

/** The same, installed now if it is not here. Never throws for a tool that cannot be had. */
export async function ensureNpmTool(name: NpmToolName): Promise<string | Missing> {
  const found = await findNpmTool(name);
  if (typeof found === 'string') return found;
  const path = await programOf(name);
  return alone(basename(folderOf(path)), async () => {
    if (typeof (await findNpmTool(name)) === 'string') return path;
    say(`installing ${NPM_TOOLS[name].title} with npm, once, into ${cacheFolder()} (a minute)`);
    try {
      await install(name, folderOf(path));
      return path;
    } catch (error) {
      const why = error instanceof Error ? error.message.trim().split('\n').slice(-3).join(' / ') : error;
      return { tool: name, reason: `${NPM_TOOLS[name].title} could not be installed: ${why}` };
    }
  });
}

/** It is whole or not there: what a killed installation leaves, the next one removes. */
async function install(name: NpmToolName, folder: string): Promise<void> {
  const scratch = join(cacheFolder(), `install-${name}`);
  await rm(scratch, { recursive: true, force: true });
  await mkdir(dirname(folder), { recursive: true });
  await cp(sourceOf(name), scratch, { recursive: true });
  try {
    // Peers are what a command that compiles for other languages would need; no package runs a script of its own.
    const flags = ['--legacy-peer-deps', '--ignore-scripts', '--no-fund', '--no-audit', '--loglevel=error'];
    await promisify(execFile)('npm', ['ci', ...flags], { cwd: scratch, timeout: INSTALL_MS });
    await rm(folder, { recursive: true, force: true });
    await rename(scratch, folder);
  } finally {
    await rm(scratch, { recursive: true, force: true });
  }
}

async function programOf(name: NpmToolName): Promise<string> {
  const manifest = JSON.parse(await readFile(join(sourceOf(name), 'package.json'), 'utf8'));
  const folder = join(cacheFolder(), 'tools', `${name}-${manifest.dependencies[name]}`);
  return join(folder, 'node_modules/.bin', NPM_TOOLS[name].program);
}

function folderOf(program: string): string {
  return dirname(dirname(dirname(program)));
}

function sourceOf(name: NpmToolName): string {
  return join(import.meta.dirname, '../engines', name);
}
