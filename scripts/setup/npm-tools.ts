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
const NPM_TOOLS: Readonly<Record<NpmToolName, NpmTool>> = {
  // What it has of native code is not made for newer Nodes than 20, which it therefore brings.
  'cdktf-cli': { title: "CDKTF's command line", program: 'cdktf', node: `node-linux-${process.arch}` },
  'cdktn-cli': { title: "CDK Terrain's command line", program: 'cdktn' },
};

export type NpmToolName = 'cdktf-cli' | 'cdktn-cli';

interface NpmTool {
  readonly title: string;
  readonly program: string;
  /** The package with the Node that runs it; ours unless given. */
  readonly node?: string;
}

/** How long an installation may take: some hundred packages. */
const INSTALL_MS = 900_000;

/** How the tool is started, if it is here already: a Node, and its program. */
export async function findNpmTool(name: NpmToolName): Promise<readonly string[] | Missing> {
  const { title, program, node } = NPM_TOOLS[name];
  const modules = join(await folderOf(name), 'node_modules');
  const argv = [node ? join(modules, node, 'bin/node') : process.execPath, join(modules, '.bin', program)];
  try {
    for (const path of argv) await access(path);
    return argv;
  } catch {
    return { tool: name, reason: `${title} is not installed` };
  }
}

/** The same, installed now if it is not here. Never throws for a tool that cannot be had. */
export async function ensureNpmTool(name: NpmToolName): Promise<readonly string[] | Missing> {
  const found = await findNpmTool(name);
  if (isHere(found)) return found;
  const folder = await folderOf(name);
  return alone(basename(folder), async () => {
    const meanwhile = await findNpmTool(name);
    if (isHere(meanwhile)) return meanwhile;
    say(`installing ${NPM_TOOLS[name].title} with npm, once, into ${cacheFolder()} (a minute)`);
    try {
      await install(name, folder);
      return await findNpmTool(name);
    } catch (error) {
      const why = error instanceof Error ? error.message.trim().split('\n').slice(-3).join(' / ') : error;
      return { tool: name, reason: `${NPM_TOOLS[name].title} could not be installed: ${why}` };
    }
  });
}

export function isHere(found: readonly string[] | Missing): found is readonly string[] {
  return Array.isArray(found);
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

async function folderOf(name: NpmToolName): Promise<string> {
  const manifest = JSON.parse(await readFile(join(sourceOf(name), 'package.json'), 'utf8'));
  return join(cacheFolder(), 'tools', `${name}-${manifest.dependencies[name]}`);
}

function sourceOf(name: NpmToolName): string {
  return join(import.meta.dirname, '../engines', name);
}
