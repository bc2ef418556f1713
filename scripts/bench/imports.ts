import { cp, mkdir, mkdtemp, rm, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { build } from 'esbuild';
import { which } from '../setup/programs.ts';
import { type Figure, shareOf } from './figure.ts';
import { inTurns, timedRun } from './run.ts';

const ROOT = join(import.meta.dirname, '../..');
const ROUNDS = 9;

/** How long a program waits for our SDK, against Pulumi's own alone. */
export async function benchImports(): Promise<readonly Figure[]> {
  const root = await mkdtemp(join(tmpdir(), 'stasis-bench-'));
  try {
    return [await benchNode(root), ...(await benchPython(root))];
  } finally {
    await rm(root, { recursive: true, force: true });
  }
}

/** The SDK as it is published: CommonJS, file by file, beside the package that it needs. */
async function benchNode(root: string): Promise<Figure> {
  const folder = join(root, 'node');
  const sdk = join(folder, 'node_modules/@stasis-iac/stasis');
  await build({
    absWorkingDir: join(ROOT, 'sdk/nodejs'),
    entryPoints: ['**/*.ts'],
    outdir: join(sdk, 'bin'),
    format: 'cjs',
    platform: 'node',
    target: 'node20',
    logLevel: 'warning',
  });
  for (const to of [sdk, join(sdk, 'bin')])
    await cp(join(ROOT, 'sdk/nodejs/package.json'), join(to, 'package.json'));
  await symlink(join(ROOT, 'node_modules/@pulumi'), join(folder, 'node_modules/@pulumi'));
  const load = (name: string) => () =>
    timedRun([process.execPath, '-e', `require(${JSON.stringify(name)})`], { cwd: folder, env: process.env });
  const [ours = 0, peer = 0] = await inTurns(ROUNDS, [
    load(join(sdk, 'bin/index.js')),
    load(join(ROOT, 'node_modules/@pulumi/pulumi')),
  ]);
  return shareOf({
    name: 'import of the Node SDK',
    unit: 'ms',
    ours,
    peer,
    peerName: '@pulumi/pulumi alone',
  });
}

/** In a virtual environment, as the SDK's page says. */
async function benchPython(root: string): Promise<readonly Figure[]> {
  const folder = join(root, 'python');
  await mkdir(folder);
  await writeFile(join(folder, 'empty.py'), '');
  const python = await which('python3');
  const at = { cwd: folder, env: process.env };
  try {
    if (python === undefined) throw new Error('python3 is not on PATH');
    await timedRun([python, '-m', 'venv', 'venv'], at);
    await cp(join(ROOT, 'sdk/python'), join(folder, 'sdk'), { recursive: true });
    const pip = ['venv/bin/python', '-m', 'pip', '--disable-pip-version-check', 'install', '--quiet'];
    await timedRun([...pip, './sdk'], at);
  } catch (error) {
    const [reason] = (error instanceof Error ? error.message : String(error)).split('\n');
    console.error(`imports: the Python SDK skipped, ${reason}`);
    return [];
  }
  const load = (name: string) => () => timedRun(['venv/bin/python', '-c', `import ${name}`], at);
  const [ours = 0, peer = 0] = await inTurns(ROUNDS, [load('pulumi_stasis'), load('pulumi')]);
  return [shareOf({ name: 'import of the Python SDK', unit: 'ms', ours, peer, peerName: 'pulumi alone' })];
}
