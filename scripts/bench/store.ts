import { execFile } from 'node:child_process';
import { createReadStream } from 'node:fs';
import { link, mkdir, mkdtemp, readdir, rm, stat } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { build } from 'esbuild';
import { BUNDLING } from '../build/bundle.ts';
import { ensureTool } from '../setup/tools.ts';
import { type Figure, median, shareOf, timesBetter } from './figure.ts';
import { changeOnePercent, DATA_SETS, type DataSet } from './store/data.ts';
import { type Measurement, measure } from './store/measure.ts';

const run = promisify(execFile);
const ROOT = join(import.meta.dirname, '../..');
/** Odd, so that a median is one that was measured. */
const ROUNDS = 5;
const PEAK_LIMIT_MB = 300;
/** What restic's repository is locked with; it guards nothing. */
const RESTIC_PASSWORD = 'bench';

const PHASES = ['first', 'second', 'restore'] as const;
type Phase = (typeof PHASES)[number];
type Round = Readonly<Record<Phase, Measurement>> & { readonly storedMB: number };

interface Contender {
  readonly name: string;
  /** Begins anew. */
  prepare(folder: string): Promise<void>;
  capture(folder: string, file: string, set: DataSet): Promise<Measurement>;
  restore(folder: string, file: string): Promise<Measurement>;
}

/**
 * First capture, second capture after 1 % of the pages changed, restore, and bytes stored after both, against restic:
 * each in a process of its own, in turns, the medians of ROUNDS rounds.
 */
export async function benchStore(): Promise<readonly Figure[]> {
  const folder = await mkdtemp(join(tmpdir(), 'stasis-bench-store-'));
  try {
    const contenders = [await ours(folder), await restic()] as const;
    const figures: Figure[] = [];
    let peakMB = 0;
    for (const set of DATA_SETS) {
      const files = { before: join(folder, 'before'), after: join(folder, 'after') };
      await set.make(files.before, folder);
      changeOnePercent(files.before, files.after, set.pageBytes);
      const rounds: [Round[], Round[]] = [[], []];
      for (let round = 0; round < ROUNDS; round += 1)
        for (const place of round % 2 === 0 ? [0, 1] : [1, 0])
          rounds[place]!.push(await measureRound(contenders[place]!, join(folder, 'work'), files, set));
      for (const [place, { name }] of contenders.entries()) report(set.name, name, rounds[place]!);
      figures.push(...figuresOf(set.name, rounds[0], rounds[1], contenders[1].name));
      peakMB = Math.max(peakMB, ...rounds[0].flatMap((round) => PHASES.map((phase) => round[phase].peakMB)));
    }
    const limit = { peer: PEAK_LIMIT_MB, peerName: 'the limit' };
    return [...figures, shareOf({ name: 'peak memory of the store', unit: 'MB', ours: peakMB, ...limit }, 1)];
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

async function measureRound(
  contender: Contender,
  folder: string,
  files: { readonly before: string; readonly after: string },
  set: DataSet,
): Promise<Round> {
  await rm(folder, { recursive: true, force: true });
  await mkdir(join(folder, 'store'), { recursive: true });
  await contender.prepare(folder);
  // The same name both times, as a user would have it.
  const image = join(folder, 'image');
  await link(files.before, image);
  await settle([files.before]);
  const first = await contender.capture(folder, image, set);
  await rm(image);
  await link(files.after, image);
  await settle([files.after]);
  const second = await contender.capture(folder, image, set);
  const stored = await filesBelow(join(folder, 'store'));
  const storedMB = stored.reduce((sum, { sizeBytes }) => sum + sizeBytes, 0) / 1e6;
  const out = join(folder, 'out');
  await mkdir(out);
  await settle(stored.map(({ path }) => path));
  const restore = await contender.restore(folder, join(out, 'image'));
  await insistOnEqual(files.after, out);
  return { first, second, restore, storedMB };
}

/** A capture that is fast because it is wrong is no figure. */
async function insistOnEqual(expected: string, out: string): Promise<void> {
  const found = (await readdir(out, { recursive: true })).find((name) => name.endsWith('image'));
  await run('cmp', [expected, join(out, found ?? 'image')], { timeout: 120_000 });
}

/** The same start for all: nothing waits to be written, and what is going to be read is in the page cache. */
async function settle(files: readonly string[]): Promise<void> {
  await run('sync', [], { timeout: 120_000 });
  for (const file of files) for await (const _piece of createReadStream(file, { highWaterMark: 2 ** 20 }));
}

async function filesBelow(folder: string): Promise<{ path: string; sizeBytes: number }[]> {
  const entries = await readdir(folder, { recursive: true, withFileTypes: true });
  const paths = entries
    .filter((entry) => entry.isFile())
    .map(({ parentPath, name }) => join(parentPath, name));
  return Promise.all(paths.map(async (path) => ({ path, sizeBytes: (await stat(path)).size })));
}

/** The store as it is shipped: bundled, under the Node that we bring, with the compiled code kept (bin/launch.sh). */
async function ours(folder: string): Promise<Contender> {
  const outdir = join(folder, 'bundle');
  await build({
    absWorkingDir: ROOT,
    ...BUNDLING,
    entryPoints: { ours: 'scripts/bench/store/ours.ts', 'pack-worker': 'provider/stores/pack/worker.ts' },
    outdir,
  });
  const argv = [process.execPath, join(outdir, 'ours.mjs')];
  // Its cache begins anew with each round, as restic's does; compiled code belongs to the program.
  const NODE_COMPILE_CACHE = join(folder, 'compiled');
  const at = (cwd: string) => ({ cwd, env: { XDG_CACHE_HOME: join(cwd, 'cache'), NODE_COMPILE_CACHE } });
  return {
    name: 'stasis',
    prepare: async () => {},
    capture: (cwd, file, { chunking }) =>
      measure([...argv, 'capture', join(cwd, 'store'), file, chunking], at(cwd)),
    restore: (cwd, file) => measure([...argv, 'restore', join(cwd, 'store'), file], at(cwd)),
  };
}

async function restic(): Promise<Contender> {
  const built = await ensureTool('restic');
  const program = typeof built === 'string' ? built : 'restic';
  const { stdout } = await run(program, ['version'], { timeout: 30_000 }).catch(() => {
    throw new Error(`there is nothing to measure the store against: ${(built as { reason: string }).reason}`);
  });
  const version = /restic (\S+)/.exec(stdout)?.[1] ?? 'of unknown version';
  const argvOf = (folder: string): string[] => [
    program,
    '--quiet',
    '--repo',
    join(folder, 'store'),
    '--cache-dir',
    join(folder, 'cache'),
  ];
  const env = { RESTIC_PASSWORD };
  return {
    name: `restic ${version}`,
    prepare: async (cwd) => {
      const [file, ...args] = [...argvOf(cwd), 'init'];
      await run(file!, args, { cwd, env: { ...process.env, ...env }, timeout: 60_000 });
    },
    capture: (cwd, file) => measure([...argvOf(cwd), 'backup', file], { cwd, env }),
    restore: (cwd) =>
      measure([...argvOf(cwd), 'restore', 'latest', '--target', join(cwd, 'out')], { cwd, env }),
  };
}

function figuresOf(set: string, own: readonly Round[], peers: readonly Round[], peerName: string): Figure[] {
  const seconds = (name: string, phase: Phase, target: number): Figure => {
    const of = (rounds: readonly Round[]) => median(rounds.map((round) => round[phase].wallS));
    return timesBetter(
      { name: `${set}: ${name}`, unit: 's', ours: of(own), peer: of(peers), peerName },
      target,
    );
  };
  const stored = (rounds: readonly Round[]) => median(rounds.map(({ storedMB }) => storedMB));
  return [
    seconds('first capture', 'first', 1.7),
    seconds('second capture', 'second', 5),
    seconds('restore', 'restore', 1.2),
    shareOf(
      { name: `${set}: stored after both`, unit: 'MB', ours: stored(own), peer: stored(peers), peerName },
      0.8,
    ),
  ];
}

/** How far apart the rounds are, and CPU time, as wall time alone means little on a machine that is busy otherwise. */
function report(set: string, contender: string, rounds: readonly Round[]): void {
  const cells = PHASES.map((phase) => {
    const measured = rounds.map((round) => round[phase]);
    const walls = measured.map(({ wallS }) => wallS);
    const spread = `${Math.min(...walls).toFixed(2)} to ${Math.max(...walls).toFixed(2)}`;
    const cpuS = median(measured.map((one) => one.cpuS)).toFixed(2);
    const peakMB = Math.max(...measured.map((one) => one.peakMB)).toFixed(0);
    return `${phase} ${median(walls).toFixed(2)} s (${spread}; CPU ${cpuS} s, ${peakMB} MB)`;
  });
  console.error(`  ${set}, ${contender}: ${cells.join(', ')}`);
}
