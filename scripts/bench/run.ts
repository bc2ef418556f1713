import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { median } from './figure.ts';

/** No command that is measured takes longer, on a busy machine either. */
const TIMEOUT_MS = 240_000;

export interface RunOptions {
  readonly cwd: string;
  readonly env: Readonly<Record<string, string | undefined>>;
}

/** How long a command takes that must succeed, or end with another status that is expected. @throws Error with what it printed, otherwise */
export async function timedRun(
  argv: readonly string[],
  { cwd, env }: RunOptions,
  expected = 0,
): Promise<number> {
  const [program = '', ...args] = argv;
  const startNs = process.hrtime.bigint();
  const child = spawn(program, args, { cwd, env, stdio: ['ignore', 'pipe', 'pipe'], timeout: TIMEOUT_MS });
  const output: Buffer[] = [];
  child.stdout.on('data', (chunk: Buffer) => output.push(chunk));
  child.stderr.on('data', (chunk: Buffer) => output.push(chunk));
  const [status] = (await once(child, 'close')) as [number | null];
  if (status !== expected)
    throw new Error(`${program} ${args.join(' ')} ended with ${status}: ${Buffer.concat(output).toString()}`);
  return Number(process.hrtime.bigint() - startNs) / 1e6;
}

/** The median of each, measured in turns, after one round that only warms up. */
export async function inTurns(
  rounds: number,
  measures: readonly (() => Promise<number>)[],
): Promise<readonly number[]> {
  const taken = measures.map((): number[] => []);
  for (let round = 0; round <= rounds; round += 1)
    for (const [place, measure] of measures.entries()) {
      const tookMs = await measure();
      if (round > 0) taken[place]!.push(tookMs);
    }
  return taken.map(median);
}
