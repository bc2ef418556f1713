import { spawn } from 'node:child_process';
import { constants } from 'node:fs';
import { access } from 'node:fs/promises';
import { constants as os } from 'node:os';
import { delimiter, join, resolve } from 'node:path';
import { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { abortReason, StasisError, throwIfAborted } from '../../core/errors.ts';
import type { Host, RunOptions, RunResult, Spawned, SpawnOptions } from '../../core/host.ts';

/** How much of a command's error output is kept, from its end. */
const STDERR_KEPT_BYTES = 64 * 1024;
/** How long a command may take to end after SIGTERM before it is killed. */
const TERMINATE_MS = 2_000;
/** What a command's collected output may be; more is an error, as `run` is for short answers. */
const STDOUT_MAX_BYTES = 64 * 1024 * 1024;

/** The machine that this process runs on. */
export function localHost(): Host {
  return { name: 'local', run, spawn: async (argv, options) => start(argv, options), which };
}

async function run(argv: readonly string[], options: RunOptions): Promise<RunResult> {
  const timeout = AbortSignal.timeout(options.timeoutMs);
  const spawned = start(argv, { ...options, signal: AbortSignal.any([options.signal, timeout]) });
  const chunks: Uint8Array[] = [];
  let sizeBytes = 0;
  try {
    for await (const chunk of spawned.stdout) {
      sizeBytes += chunk.length;
      if (sizeBytes > STDOUT_MAX_BYTES)
        throw new StasisError(
          'host.output-too-long',
          `${argv[0]} printed more than ${STDOUT_MAX_BYTES} bytes.`,
        );
      chunks.push(chunk);
    }
  } catch (error) {
    spawned.kill();
    await spawned.ended.catch(() => undefined);
    throwIfAborted(options.signal);
    if (timeout.aborted) throw timedOut(argv, options.timeoutMs);
    throw error;
  }
  const result = await spawned.ended;
  throwIfAborted(options.signal);
  if (timeout.aborted) throw timedOut(argv, options.timeoutMs);
  return { ...result, stdout: Buffer.concat(chunks).toString('utf8') };
}

function timedOut(argv: readonly string[], timeoutMs: number): StasisError {
  return new StasisError('host.timeout', `${argv[0]} did not end within ${timeoutMs} ms.`);
}

function start(argv: readonly string[], options: SpawnOptions): Spawned {
  throwIfAborted(options.signal);
  const [program, ...rest] = argv;
  if (program === undefined) throw new RangeError('an empty command');
  const child = spawn(program, rest, {
    cwd: options.cwd,
    env: { ...baseEnvironment(), ...options.env },
    stdio: ['pipe', 'pipe', 'pipe'],
  });
  const stderr = new Tail(STDERR_KEPT_BYTES);
  child.stderr.on('data', (chunk: Uint8Array) => stderr.push(chunk));

  let killTimer: NodeJS.Timeout | undefined;
  const kill = (): void => {
    if (child.exitCode !== null || child.signalCode !== null) return;
    child.kill('SIGTERM');
    killTimer ??= setTimeout(() => child.kill('SIGKILL'), TERMINATE_MS);
  };
  options.signal.addEventListener('abort', kill, { once: true });

  const ended = new Promise<RunResult>((resolve, reject) => {
    child.once('error', (cause) => {
      reject(
        new StasisError('host.cannot-start', `${program} cannot be started: ${cause.message}.`, { cause }),
      );
    });
    child.once('close', (code, signal) => {
      const status = code ?? 128 + (signal ? os.signals[signal] : 0);
      resolve({ status, stdout: '', stderr: stderr.text() });
    });
  }).finally(() => {
    clearTimeout(killTimer);
    options.signal.removeEventListener('abort', kill);
  });
  ended.catch(() => {});
  // A command that ends before it has read all its input is judged by its status, not by the broken pipe.
  pipeline(
    options.stdin ? Readable.from(options.stdin, { objectMode: false }) : Readable.from([]),
    child.stdin,
  ).catch(() => {});
  return { stdout: outputOf(child.stdout, ended, options.signal), ended, kill };
}

/** The stream as chunks; ends in an error when the command could not start or the caller's signal ended it. */
async function* outputOf(
  stdout: Readable,
  ended: Promise<RunResult>,
  signal: AbortSignal,
): AsyncGenerator<Uint8Array> {
  for await (const chunk of stdout) yield chunk as Uint8Array;
  if (signal.aborted) {
    await ended;
    throw abortReason(signal);
  }
}

/** What every command needs and nothing that could hold a secret of ours. */
function baseEnvironment(): Record<string, string> {
  const kept: Record<string, string> = { LANG: 'C.UTF-8', LC_ALL: 'C.UTF-8' };
  for (const name of ['PATH', 'HOME', 'TMPDIR', 'USER', 'LOGNAME']) {
    const value = process.env[name];
    if (value !== undefined) kept[name] = value;
  }
  return kept;
}

/** As a shell does: what has a slash is a path, seen from where we are. */
async function which(program: string, folders: readonly string[] = []): Promise<string | undefined> {
  const candidates = program.includes('/')
    ? [resolve(program)]
    : [...folders, ...(process.env.PATH ?? '').split(delimiter)]
        .filter((folder) => folder !== '')
        .map((folder) => join(folder, program));
  for (const candidate of candidates) {
    const usable = await access(candidate, constants.X_OK).then(
      () => true,
      () => false,
    );
    if (usable) return candidate;
  }
  return undefined;
}

/** Keeps the last bytes of a stream. */
class Tail {
  private chunks: Uint8Array[] = [];
  private sizeBytes = 0;
  private readonly limitBytes: number;

  constructor(limitBytes: number) {
    this.limitBytes = limitBytes;
  }

  push(chunk: Uint8Array): void {
    this.chunks.push(chunk);
    this.sizeBytes += chunk.length;
    if (this.sizeBytes > 2 * this.limitBytes) this.compact();
  }

  text(): string {
    this.compact();
    return Buffer.concat(this.chunks).toString('utf8');
  }

  private compact(): void {
    const all = Buffer.concat(this.chunks);
    const kept = all.subarray(Math.max(0, all.length - this.limitBytes));
    this.chunks = [kept];
    this.sizeBytes = kept.length;
  }
}
