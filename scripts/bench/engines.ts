import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { installPlugin } from '../../provider/engines/terraform/install.ts';
import { findPulumi } from '../engines/pulumi.ts';
import { which } from '../setup/programs.ts';
import { findTool } from '../setup/tools.ts';
import { type Figure, shareOf } from './figure.ts';
import { Stack } from './pulumi/stack.ts';
import { inTurns, timedRun } from './run.ts';

const ROOT = join(import.meta.dirname, '../..');
const ROUNDS = 7;
const FILES = 200;
const FILE_BYTES = 40_000;

/** One way of capturing the folder: each call makes another generation. @returns milliseconds */
type Capture = () => Promise<number>;

/** What an engine adds to a capture: the whole of an apply against the command line for the same folder. */
export async function benchEngines(): Promise<readonly Figure[]> {
  const root = await mkdtemp(join(tmpdir(), 'stasis-bench-'));
  try {
    const folder = join(root, 'folder');
    await mkdir(folder);
    for (let index = 0; index < FILES; index += 1)
      await writeFile(join(folder, `f${index}`), Buffer.alloc(FILE_BYTES, `${index} `));
    const line = await commandLine(join(root, 'line'), folder);
    const ways = { 'Terraform apply': terraform, 'Pulumi up': pulumi };
    const figures: Figure[] = [];
    for (const [name, prepare] of Object.entries(ways)) {
      const capture = await prepare(join(root, name.split(' ')[0]!), folder);
      if (typeof capture === 'string') {
        console.error(`engines: ${name} skipped, ${capture}`);
        continue;
      }
      const [ours = 0, peer = 0] = await inTurns(ROUNDS, [capture, line]);
      const measured = { unit: 'ms', ours, peer, peerName: 'the same by stasis capture' };
      figures.push(shareOf({ name: `${name} that captures`, ...measured }));
    }
    return figures;
  } finally {
    await rm(root, { recursive: true, force: true });
  }
}

async function commandLine(root: string, folder: string): Promise<Capture> {
  await mkdir(root);
  const yaml = `name: bench\nmembers: { folder: { files: { path: ${folder} } } }\nstore: { path: ./store }\n`;
  await writeFile(join(root, 'app.yaml'), yaml);
  const argv = [join(ROOT, 'bin/stasis'), 'capture', '-f', 'app.yaml', '--json'];
  return () => timedRun(argv, { cwd: root, env: { PATH: process.env.PATH, HOME: root } });
}

async function terraform(root: string, folder: string): Promise<Capture | string> {
  const tofu = await findTool('tofu');
  const program = (await which('terraform')) ?? tofu;
  if (typeof program !== 'string') return program.reason;
  await installPlugin({ engine: program === tofu ? 'opentofu' : 'terraform', root: ROOT, home: root });
  const write = (round: number) =>
    writeFile(
      join(root, 'main.tf'),
      `terraform {
  required_providers {
    stasis = { source = "stasis-iac/stasis" }
  }
}
resource "stasis_snapshot" "bench" {
  name     = "bench"
  members  = { folder = { files = { path = "${folder}" } } }
  store    = { path = "./store" }
  triggers = { round = "${round}" }
}
`,
    );
  const options = { cwd: root, env: { PATH: process.env.PATH, HOME: root, CHECKPOINT_DISABLE: '1' } };
  return counted(write, ['init', '-input=false'], (...args) => timedRun([program, ...args], options), [
    'apply',
    '-auto-approve',
    '-input=false',
  ]);
}

async function pulumi(root: string, folder: string): Promise<Capture | string> {
  const tools = await findPulumi('yaml');
  if ('reason' in tools) return tools.reason;
  const program = (round: number) => `resources:
  bench:
    type: stasis:Snapshot
    properties:
      members: { folder: { files: { path: ${folder} } } }
      store: { path: ./store }
      triggers: { round: "${round}" }
`;
  const stack = await Stack.create(tools, root, program(0), { stasis: join(ROOT, 'bin') });
  return counted(
    (round) => stack.write(program(round)),
    ['stack', 'init', 'bench'],
    (...args) => stack.run(...args),
    ['up', '--yes', '--skip-preview'],
  );
}

/** Captures again and again, each time after another trigger. */
async function counted(
  write: (round: number) => Promise<void>,
  first: readonly string[],
  run: (...args: readonly string[]) => Promise<number>,
  capture: readonly string[],
): Promise<Capture> {
  let round = 0;
  await write(round);
  await run(...first);
  return async () => {
    round += 1;
    await write(round);
    return run(...capture);
  };
}
