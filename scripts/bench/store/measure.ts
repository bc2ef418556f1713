import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';

export interface Measurement {
  readonly wallS: number;
  /** User and system together, as far as it was seen before the end. */
  readonly cpuS: number;
  readonly peakMB: number;
}

const POLL_MS = 10;
const TIMEOUT_MS = 600_000;
/** Of Linux on all common machines; proc_pid_stat(5) counts CPU time in it. */
const TICKS_PER_S = 100;

/** Runs a program to its end and says what it took. @throws when it fails */
export async function measure(
  argv: readonly string[],
  options: { readonly cwd: string; readonly env?: Readonly<Record<string, string>> },
): Promise<Measurement> {
  const startNs = process.hrtime.bigint();
  const child = spawn(argv[0]!, argv.slice(1), {
    cwd: options.cwd,
    env: { ...process.env, ...options.env },
    stdio: ['ignore', 'ignore', 'pipe'],
    timeout: TIMEOUT_MS,
  });
  let errors = '';
  child.stderr.on('data', (text) => {
    errors += text;
  });
  let cpuS = 0;
  let peakMB = 0;
  const poll = setInterval(() => {
    const seen = look(child.pid!);
    if (seen === undefined) return;
    cpuS = seen.cpuS;
    peakMB = Math.max(peakMB, seen.peakMB);
  }, POLL_MS);
  try {
    const [code] = await once(child, 'close');
    const wallS = Number(process.hrtime.bigint() - startNs) / 1e9;
    if (code !== 0) throw new Error(`${argv.join(' ')} failed (${code}): ${errors.slice(-500)}`);
    return { wallS, cpuS, peakMB };
  } finally {
    clearInterval(poll);
  }
}

/** VmHWM is the highest resident size so far, so polling misses only what comes in the last few ms. */
function look(pid: number): { readonly cpuS: number; readonly peakMB: number } | undefined {
  try {
    const status = readFileSync(`/proc/${pid}/status`, 'utf8');
    const stat = readFileSync(`/proc/${pid}/stat`, 'utf8');
    const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
    const peakKiB = Number(/VmHWM:\s+(\d+) kB/.exec(status)?.[1] ?? 0);
    return {
      cpuS: (Number(fields[11]) + Number(fields[12])) / TICKS_PER_S,
      peakMB: (peakKiB * 1024) / 1e6,
    };
  } catch {
    return undefined;
  }
}
