import { type ChildProcess, spawn } from 'node:child_process';
import { mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

/** The launcher that users call. */
export const STASIS = join(import.meta.dirname, '../../../bin/stasis');

/** No command of a test takes this long on a busy machine. */
const RUN_MS = 120_000;

export interface Ran {
  readonly status: number | null;
  readonly signal: NodeJS.Signals | null;
  readonly stdout: string;
  readonly stderr: string;
  /** stdout as the one JSON object that it has to be. */
  json(): Record<string, unknown>;
}

export interface RunOptions {
  readonly cwd: string;
  readonly env?: Readonly<Record<string, string>>;
  readonly stdin?: string;
  /** Called once it runs. Its process group is its own, as a terminal's foreground job is. */
  readonly started?: (child: Running) => void;
}

export interface Running {
  readonly pid: number;
  /** To the whole group, as Ctrl-C in a terminal. */
  interrupt(): void;
  /** To the process alone. */
  kill(signal: NodeJS.Signals): void;
  /** What was said on stderr so far. */
  stderr(): string;
}

/** Runs the command line as a user would, without anything of our environment but PATH. */
export async function stasis(args: readonly string[], options: RunOptions): Promise<Ran> {
  const child = spawn(STASIS, args, {
    cwd: options.cwd,
    env: {
      PATH: process.env.PATH ?? '/usr/bin:/bin',
      HOME: process.env.HOME ?? options.cwd,
      LANG: 'C.UTF-8',
      ...options.env,
    },
    detached: true,
    stdio: ['pipe', 'pipe', 'pipe'],
  });
  const [stdout, stderr] = [collect(child.stdout), collect(child.stderr)];
  child.stdin.on('error', () => {});
  child.stdin.end(options.stdin ?? '');
  const timer = setTimeout(() => killGroup(child, 'SIGKILL'), RUN_MS);
  const closed = new Promise<[number | null, NodeJS.Signals | null]>((resolve, reject) => {
    child.once('error', reject);
    child.once('close', (status, signal) => resolve([status, signal]));
  });
  options.started?.({
    pid: child.pid ?? 0,
    interrupt: () => killGroup(child, 'SIGINT'),
    kill: (signal) => void child.kill(signal),
    stderr,
  });
  const [status, signal] = await closed;
  clearTimeout(timer);
  return { status, signal, stdout: stdout(), stderr: stderr(), json: () => onlyObject(stdout()) };
}

function killGroup(child: ChildProcess, signal: NodeJS.Signals): void {
  try {
    if (child.pid !== undefined) process.kill(-child.pid, signal);
  } catch {
    // It has ended already.
  }
}

function collect(stream: NodeJS.ReadableStream): () => string {
  const chunks: Buffer[] = [];
  stream.on('data', (chunk: Buffer) => chunks.push(chunk));
  return () => Buffer.concat(chunks).toString();
}

function onlyObject(text: string): Record<string, unknown> {
  const lines = text.split('\n').filter((line) => line !== '');
  if (lines.length !== 1)
    throw new Error(`expected one JSON object on stdout, found ${lines.length} lines: ${text}`);
  const value: unknown = JSON.parse(lines[0]!);
  if (typeof value !== 'object' || value === null || Array.isArray(value))
    throw new Error(`no object: ${text}`);
  return value as Record<string, unknown>;
}

/** An error as `--json` shows it. */
export interface Refused {
  readonly code: string;
  readonly message: string;
  readonly hint?: string;
  readonly at: readonly string[];
  readonly file?: string;
  readonly line?: number;
}

/** @throws Error with all that was said when it did not end so */
export function expectStatus(ran: Ran, status: number): void {
  if (ran.status === status) return;
  throw new Error(`ended with ${ran.status ?? ran.signal}, not ${status}:\n${ran.stdout}\n${ran.stderr}`);
}

/** A folder for one test, with a place for files of inputs. */
export class Workspace implements AsyncDisposable {
  readonly folder: string;

  private constructor(folder: string) {
    this.folder = folder;
  }

  static async create(): Promise<Workspace> {
    return new Workspace(await mkdtemp(join(tmpdir(), 'stasis-cli-')));
  }

  path(...parts: string[]): string {
    return join(this.folder, ...parts);
  }

  /** Writes a file of inputs; JSON is YAML. */
  async inputs(name: string, values: unknown): Promise<string> {
    await writeFile(
      this.path(name),
      typeof values === 'string' ? values : JSON.stringify(values, undefined, 2),
    );
    return name;
  }

  run(args: readonly string[], options: Omit<RunOptions, 'cwd'> = {}): Promise<Ran> {
    return stasis(args, { cwd: this.folder, ...options });
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await rm(this.folder, { recursive: true, force: true, maxRetries: 5 });
  }
}

/** Every file below a folder whose bytes hold one of these texts. */
export async function filesHolding(folder: string, texts: readonly string[]): Promise<string[]> {
  const found: string[] = [];
  for (const entry of await readdir(folder, { recursive: true, withFileTypes: true })) {
    if (!entry.isFile()) continue;
    const path = join(entry.parentPath, entry.name);
    const bytes = await readFile(path).catch(() => Buffer.alloc(0));
    if (texts.some((text) => bytes.includes(text))) found.push(path);
  }
  return found;
}
