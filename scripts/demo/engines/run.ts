import { spawn } from 'node:child_process';
import { once } from 'node:events';

/** How long a command may take to end after it was asked to. */
const END_MS = 20_000;

export interface Ran {
  readonly status: number | null;
  readonly stdout: string;
  /** What it printed, both streams as they came, the last part of it. */
  readonly output: string;
}

const OUTPUT_KEPT = 20_000;

/**
 * Runs a command to its end. It gets a process group of its own: a Ctrl-C in the terminal reaches only us, and we
 * pass on one, since two would tell Terraform to drop everything.
 */
export async function run(
  argv: readonly string[],
  options: {
    readonly cwd: string;
    readonly env: NodeJS.ProcessEnv;
    readonly signal: AbortSignal;
    /** What it reads from stdin, which is empty unless said. */
    readonly input?: string;
  },
): Promise<Ran> {
  options.signal.throwIfAborted();
  const [program = '', ...args] = argv;
  const child = spawn(program, args, {
    cwd: options.cwd,
    env: options.env,
    stdio: ['pipe', 'pipe', 'pipe'],
    detached: true,
  });
  // A command that ends before it has read all says why itself.
  child.stdin.on('error', () => undefined);
  child.stdin.end(options.input);
  let killer: NodeJS.Timeout | undefined;
  const interrupt = (): void => {
    child.kill('SIGINT');
    killer = setTimeout(() => child.kill('SIGKILL'), END_MS);
  };
  options.signal.addEventListener('abort', interrupt, { once: true });
  let stdout = '';
  let output = '';
  child.stdout.on('data', (chunk: Buffer) => {
    stdout += chunk.toString();
  });
  for (const stream of [child.stdout, child.stderr])
    stream.on('data', (chunk: Buffer) => {
      output = (output + chunk.toString()).slice(-OUTPUT_KEPT);
    });
  try {
    const [status] = await once(child, 'close');
    options.signal.throwIfAborted();
    return { status, stdout, output };
  } finally {
    clearTimeout(killer);
    options.signal.removeEventListener('abort', interrupt);
  }
}

/** The same, and anything but success is an error with what the command printed. */
export async function runWell(argv: readonly string[], options: Parameters<typeof run>[1]): Promise<Ran> {
  const ran = await run(argv, options);
  if (ran.status !== 0)
    throw new Error(`${argv.slice(0, 2).join(' ')} ended with ${ran.status}:\n${ran.output.trim()}`);
  return ran;
}
