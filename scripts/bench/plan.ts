import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { installPlugin } from '../../provider/engines/terraform/install.ts';
import { which } from '../setup/programs.ts';
import { findTool } from '../setup/tools.ts';
import { type Figure, median, shareOf } from './figure.ts';

const ROOT = join(import.meta.dirname, '../..');
const ROUNDS = 9;

const OURS = `
terraform {
  required_providers {
    stasis = { source = "stasis-iac/stasis" }
  }
}
resource "stasis_snapshot" "bench" {
  name    = "bench"
  members = { folder = { files = { path = "./folder" } } }
  store   = { path = "./store" }
}
`;

const PEER = `
resource "terraform_data" "bench" {
  input = { name = "bench" }
}
`;

/** A plan with nothing to do, of one Snapshot against one `terraform_data`. */
export async function benchPlan(): Promise<readonly Figure[]> {
  const program = (await which('terraform')) ?? (await findTofu());
  if (program === undefined) {
    console.error('plan: skipped, neither terraform nor tofu is on this machine');
    return [];
  }
  const root = await mkdtemp(join(tmpdir(), 'stasis-bench-'));
  try {
    const engine = program.endsWith('tofu') ? 'opentofu' : 'terraform';
    await installPlugin({ engine, root: ROOT, home: root });
    const ours = await applied(program, root, 'ours', OURS);
    const peer = await applied(program, root, 'peer', PEER);
    const oursMs: number[] = [];
    const peerMs: number[] = [];
    for (let round = 0; round < ROUNDS; round += 1) {
      oursMs.push(await planMs(program, root, ours));
      peerMs.push(await planMs(program, root, peer));
    }
    return [
      shareOf(
        {
          name: 'empty plan',
          unit: 'ms',
          ours: median(oursMs),
          peer: median(peerMs),
          peerName: 'empty plan of terraform_data',
        },
        2,
      ),
    ];
  } finally {
    await rm(root, { recursive: true, force: true });
  }
}

async function findTofu(): Promise<string | undefined> {
  const found = await findTool('tofu');
  return typeof found === 'string' ? found : undefined;
}

async function applied(program: string, home: string, name: string, hcl: string): Promise<string> {
  const folder = join(home, name);
  await mkdir(join(folder, 'folder'), { recursive: true });
  await writeFile(join(folder, 'folder/file'), 'x');
  await writeFile(join(folder, 'main.tf'), hcl);
  await run(program, ['init', '-input=false'], folder, home, 0);
  await run(program, ['apply', '-auto-approve', '-input=false'], folder, home, 0);
  return folder;
}

/** The plan must really be empty: exit status 0 of -detailed-exitcode. */
async function planMs(program: string, home: string, folder: string): Promise<number> {
  const startNs = process.hrtime.bigint();
  await run(program, ['plan', '-detailed-exitcode', '-input=false'], folder, home, 0);
  return Number(process.hrtime.bigint() - startNs) / 1e6;
}

async function run(
  program: string,
  args: readonly string[],
  cwd: string,
  home: string,
  expected: number,
): Promise<void> {
  const child = spawn(program, args, {
    cwd,
    env: { PATH: process.env.PATH, HOME: home, CHECKPOINT_DISABLE: '1' },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  const output: Buffer[] = [];
  child.stdout.on('data', (chunk: Buffer) => output.push(chunk));
  child.stderr.on('data', (chunk: Buffer) => output.push(chunk));
  const [code] = (await once(child, 'close')) as [number];
  if (code !== expected)
    throw new Error(`${program} ${args[0]} ended with ${code}: ${Buffer.concat(output).toString()}`);
}
