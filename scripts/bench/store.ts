import { execFile } from 'node:child_process';
import { link, mkdir, mkdtemp, readdir, rm, stat } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { build } from 'esbuild';
import { ensureTool } from '../setup/tools.ts';
import { type Figure, median, shareOf, timesBetter } from './figure.ts';
import { changeOnePercent, DATA_SETS, type DataSet } from './store/data.ts';
import { type Measurement, measure } from './store/measure.ts';

const run = promisify(execFile);
const ROOT = join(import.meta.dirname, '../..');
const ROUNDS = 3;
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
 * each in a process of its own, in turns, the median of three rounds.
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
        for (const [place, contender] of contenders.entries())
          rounds[place]!.push(await measureRound(contender, join(folder, 'work'), files, set));
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
  // The same name both times, as a user would have it; and both files in the page cache.
  const image = join(folder, 'image');
  await Promise.all(
    [files.before, files.after].map((file) =>
      run('cat', [file], { encoding: 'buffer', maxBuffer: 1 }).catch(() => {}),
    ),
  );
  await link(files.before, image);
  const first = await contender.capture(folder, image, set);
  await rm(image);
  await link(files.after, image);
  const second = await contender.capture(folder, image, set);
  const storedMB = (await bytesBelow(join(folder, 'store'))) / 1e6;
  const out = join(folder, 'out');
  await mkdir(out);
  const restore = await contender.restore(folder, join(out, 'image'));
  await insistOnEqual(files.after, out);
  return { first, second, restore, storedMB };
}

/** A capture that is fast because it is wrong is no figure. */
async function insistOnEqual(expected: string, out: string): Promise<void> {
  const found = (await readdir(out, { recursive: true })).find((name) => name.endsWith('image'));
  await run('cmp', [expected, join(out, found ?? 'image')], { timeout: 120_000 });
}

async function bytesBelow(folder: string): Promise<number> {
  let sizeBytes = 0;
  for (const name of await readdir(folder, { recursive: true })) {
    const entry = await stat(join(folder, name));
    if (entry.isFile()) sizeBytes += entry.size;
  }
  return sizeBytes;
}

/** The store as it is shipped: bundled, under the Node that we bring. */
async function ours(folder: string): Promise<Contender> {
  const outdir = join(folder, 'bundle');
  await build({
    absWorkingDir: ROOT,
    entryPoints: { ours: 'scripts/bench/store/ours.ts', 'pack-worker': 'provider/stores/pack/worker.ts' },
    outdir,
    outExtension: { '.js': '.mjs' },
    bundle: true,
    format: 'esm',
    platform: 'node',
    target: 'node24',
    logLevel: 'warning',
  });
  const argv = [process.execPath, join(outdir, 'ours.mjs')];
  // Its cache begins anew with each round, as restic's does.
  const at = (cwd: string) => ({ cwd, env: { XDG_CACHE_HOME: join(cwd, 'cache') } });
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

/** CPU time too, as wall time means little on a machine that is busy with other things. */
function report(set: string, contender: string, rounds: readonly Round[]): void {
  const cells = PHASES.map((phase) => {
    const of = (value: (measurement: Measurement) => number): string =>
      median(rounds.map((round) => value(round[phase]))).toFixed(2);
    const peakMB = Math.max(...rounds.map((round) => round[phase].peakMB)).toFixed(0);
    return `${phase} ${of(({ wallS }) => wallS)} s (CPU ${of(({ cpuS }) => cpuS)} s, ${peakMB} MB)`;
  });
  console.error(`  ${set}, ${contender}: ${cells.join(', ')}`);
}
