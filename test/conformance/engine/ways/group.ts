import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';

export interface Ended {
  /** null when a signal ended it. */
  readonly status: number | null;
  readonly stdout: string;
  /** Both streams, one after the other. */
  readonly all: string;
}

/** A program in a process group of its own, as a shell gives a foreground job one. */
export interface Group {
  readonly pid: number;
  printed(): string;
  interrupt(): void;
  readonly ended: Promise<Ended>;
}

/** No command of the suite takes this long on a busy machine; what does is killed. */
const MOST_MS = 180_000;

export function startGroup(
  argv: readonly string[],
  cwd: string,
  env: Readonly<Record<string, string>>,
): Group {
  const [program = '', ...args] = argv;
  const child = spawn(program, args, { cwd, env, detached: true, stdio: ['ignore', 'pipe', 'pipe'] });
  const [stdout, stderr] = [collect(child.stdout), collect(child.stderr)];
  const timer = setTimeout(() => signal(child, 'SIGKILL'), MOST_MS);
  const ended = once(child, 'close').then(([status]): Ended => {
    clearTimeout(timer);
    return { status, stdout: stdout(), all: stdout() + stderr() };
  });
  return {
    pid: child.pid ?? 0,
    printed: () => stdout() + stderr(),
    interrupt: () => signal(child, 'SIGINT'),
    ended,
  };
}

function signal(child: ChildProcess, name: NodeJS.Signals): void {
  if (child.pid === undefined || child.exitCode !== null || child.signalCode !== null) return;
  process.kill(-child.pid, name);
}

function collect(stream: NodeJS.ReadableStream): () => string {
  const chunks: Buffer[] = [];
  stream.on('data', (chunk: Buffer) => chunks.push(chunk));
  return () => Buffer.concat(chunks).toString('utf8');
}

/** Runs what must succeed. @throws Error with all that was printed, otherwise */
export async function well(
  argv: readonly string[],
  cwd: string,
  env: Readonly<Record<string, string>>,
): Promise<Ended> {
  const ended = await startGroup(argv, cwd, env).ended;
  if (ended.status !== 0)
    throw new Error(`${argv.slice(0, 3).join(' ')} ended with ${ended.status}\n${ended.all}`);
  return ended;
}
