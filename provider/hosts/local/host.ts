import { spawn as spawnProcess } from 'node:child_process';
import { constants } from 'node:fs';
import { access, stat } from 'node:fs/promises';
import { constants as os } from 'node:os';
import { delimiter, join, resolve } from 'node:path';
import { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { abortReason, StasisError, throwIfAborted } from '../../core/errors.ts';
import type { Host, RunResult, Spawned, SpawnOptions } from '../../core/host.ts';
import { runBy } from '../shared/collect.ts';
import { readFile, temporaryFolder, writeFile } from '../shared/files.ts';
import { takeLease } from '../shared/lease.ts';
import { STDERR_KEPT_BYTES, Tail } from '../shared/tail.ts';

/** How long a command may take to end after SIGTERM before it is killed. */
const TERMINATE_MS = 2_000;

/** The machine that this process runs on. */
export function localHost(): Host {
  const spawn: Host['spawn'] = async (argv, options) => start(argv, options);
  const run: Host['run'] = (argv, options) => runBy(spawn, argv, options);
  const commands = { name: 'local', run, spawn };
  return {
    ...commands,
    which,
    read: (path, options) => readFile(commands, path, options),
    write: (path, content, options) => writeFile(commands, path, content, options),
    temporaryFolder: (options) => temporaryFolder(commands, options),
    lease: (rescue, ttlMs, options) => takeLease(commands, rescue, ttlMs, options),
  };
}

function start(argv: readonly string[], options: SpawnOptions): Spawned {
  throwIfAborted(options.signal);
  const [program, ...rest] = argv;
  if (program === undefined) throw new RangeError('an empty command');
  const child = spawnProcess(program, rest, {
    cwd: options.cwd,
    env: { ...baseEnvironment(), ...options.env },
    stdio: ['pipe', 'pipe', 'pipe'],
    // A process group of its own: Ctrl-C in a terminal goes to all of a group at once, and a command that it has ended
    // would be taken for one that failed, before we know that we are to stop. We end it ourselves.
    detached: true,
  });
  const stderr = new Tail(STDERR_KEPT_BYTES);
  child.stderr.on('data', (chunk: Uint8Array) => stderr.push(chunk));

  let killTimer: NodeJS.Timeout | undefined;
  const kill = (): void => {
    if (child.exitCode !== null || child.signalCode !== null) return;
    signalGroup(child.pid, 'SIGTERM');
    killTimer ??= setTimeout(() => signalGroup(child.pid, 'SIGKILL'), TERMINATE_MS);
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

/** To a command and all that it has started. */
function signalGroup(pid: number | undefined, signal: NodeJS.Signals): void {
  if (pid === undefined) return;
  try {
    process.kill(-pid, signal);
  } catch {
    // The last of them has ended meanwhile.
  }
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
    if (await isProgram(candidate)) return candidate;
  }
  return undefined;
}

async function isProgram(path: string): Promise<boolean> {
  try {
    await access(path, constants.X_OK);
    return (await stat(path)).isFile();
  } catch {
    return false;
  }
}
