import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { findPulumi, type PulumiTools } from '../engines/pulumi.ts';
import { type Figure, shareOf } from './figure.ts';
import { buildSmallest } from './pulumi/peer.ts';
import { readyMs } from './pulumi/ready.ts';
import { Stack } from './pulumi/stack.ts';
import { inTurns } from './run.ts';

const ROOT = join(import.meta.dirname, '../..');
const READY_ROUNDS = 15;
const ROUNDS = 7;
const PEER = 'the smallest provider';

/** Our provider against the smallest that can be written on the same stubs. */
export async function benchPulumi(): Promise<readonly Figure[]> {
  const root = await mkdtemp(join(tmpdir(), 'stasis-bench-'));
  try {
    const smallest = await buildSmallest(root);
    const tools = await findPulumi('yaml');
    const figures = [await benchReady(root, smallest.program)];
    if ('reason' in tools) console.error(`pulumi: previews and updates skipped, ${tools.reason}`);
    else figures.push(...(await benchNothingToDo(root, smallest.folder, tools)));
    return figures;
  } finally {
    await rm(root, { recursive: true, force: true });
  }
}

async function benchReady(root: string, smallest: string): Promise<Figure> {
  const env = { PATH: process.env.PATH, HOME: root, NODE_COMPILE_CACHE: join(root, 'compiled') };
  const ours = join(ROOT, 'bin/pulumi-resource-stasis');
  const taken = await inTurns(READY_ROUNDS, [() => readyMs(ours, env), () => readyMs(smallest, env)]);
  return shareOf(
    { name: 'Pulumi provider: start to ready', unit: 'ms', ours: taken[0]!, peer: taken[1]!, peerName: PEER },
    1.5,
  );
}

async function benchNothingToDo(
  root: string,
  smallest: string,
  tools: PulumiTools,
): Promise<readonly Figure[]> {
  const ours = await Stack.create(
    tools,
    join(root, 'of-ours'),
    `resources:
  bench:
    type: stasis:Snapshot
    properties: { members: { folder: { files: { path: ./folder } } }, store: { path: ./store } }
`,
    { stasis: join(ROOT, 'bin') },
  );
  await mkdir(join(ours.folder, 'folder'));
  await writeFile(join(ours.folder, 'folder/file'), 'x');
  const peer = await Stack.create(
    tools,
    join(root, 'of-the-peer'),
    `resources:
  bench: { type: smallest:index:Thing, properties: { name: bench } }
`,
    { smallest },
  );
  for (const stack of [ours, peer]) {
    await stack.run('stack', 'init', 'bench');
    await stack.run('up', '--yes', '--skip-preview');
  }
  const figures: Figure[] = [];
  const commands = { preview: ['preview'], up: ['up', '--yes', '--skip-preview'] };
  for (const [name, command] of Object.entries(commands)) {
    const nothing = [...command, '--expect-no-changes'];
    const taken = await inTurns(ROUNDS, [() => ours.run(...nothing), () => peer.run(...nothing)]);
    const measured = { unit: 'ms', ours: taken[0]!, peer: taken[1]!, peerName: `the same of ${PEER}` };
    figures.push(shareOf({ name: `Pulumi ${name} with nothing to do`, ...measured }, 1.3));
  }
  return figures;
}
