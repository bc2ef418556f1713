import { execFile } from 'node:child_process';

export interface RunOptions {
  readonly cwd: string;
  readonly env?: Readonly<Record<string, string>>;
  /** What it reads from its stdin. */
  readonly input?: string;
  /** After so long it is ended. */
  readonly timeoutMs?: number;
}

export interface Ran {
  /** null when it did not end by itself. */
  readonly status: number | null;
  readonly stdout: string;
  /** Both streams. */
  readonly all: string;
}

/** A build from scratch on a busy machine of two cores. */
const TIMEOUT_MS = 600_000;
const OUTPUT_MAX_BYTES = 64 << 20;

/** Runs a command to its end, bounded in time. */
export async function run(argv: readonly string[], options: RunOptions): Promise<Ran> {
  const [program = '', ...args] = argv;
  return new Promise((resolve) => {
    const child = execFile(
      program,
      args,
      {
        cwd: options.cwd,
        env: { ...process.env, ...options.env },
        timeout: options.timeoutMs ?? TIMEOUT_MS,
        maxBuffer: OUTPUT_MAX_BYTES,
      },
      (error, stdout, stderr) => {
        const status = error === null ? 0 : typeof error.code === 'number' ? error.code : null;
        const reason = status === null && error !== null ? `\n${error.message}` : '';
        resolve({ status, stdout, all: `${stdout}${stderr}${reason}` });
      },
    );
    child.stdin?.end(options.input);
  });
}

/** The same; anything but success is an error with what was printed. */
export async function runWell(argv: readonly string[], options: RunOptions): Promise<Ran> {
  const ran = await run(argv, options);
  if (ran.status !== 0)
    throw new Error(`${argv.slice(0, 4).join(' ')} ended with ${ran.status}:\n${ran.all}`);
  return ran;
}
