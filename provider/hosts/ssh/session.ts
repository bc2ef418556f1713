import { type ChildProcess, spawn } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { abortReason, StasisError, throwIfAborted } from '../../core/errors.ts';
import type { RunResult, Spawned, SpawnOptions } from '../../core/host.ts';
import { STDERR_KEPT_BYTES, Tail } from '../shared/tail.ts';
import type { Connection } from './connection.ts';
import { connectionLost } from './faults.ts';
import { endOf, startScript } from './remote.ts';

/** How long a command may take to end, SIGTERM and SIGKILL included, before we stop waiting for it. */
const END_MS = 6_000;

let lastNumber = 0;

/** Runs a command in a session of the connection, which counts it until it has ended. */
export function startSession(
  hostName: string,
  connection: Connection,
  argv: readonly string[],
  options: SpawnOptions,
): Spawned {
  throwIfAborted(options.signal);
  const [program] = argv;
  if (program === undefined) throw new RangeError('an empty command');
  lastNumber += 1;
  const number = lastNumber;
  const token = randomBytes(16).toString('hex');
  const script = startScript({ token, argv, env: options.env ?? {}, cwd: options.cwd });
  const run = `exec sh ${connection.remoteFolder}/run ${number} ${Buffer.byteLength(script)}`;
  const client = spawn('ssh', [...connection.shared(), '--', 'host', run], {
    stdio: ['pipe', 'pipe', 'pipe'],
  });
  const stderr = new Tail(STDERR_KEPT_BYTES);
  client.stderr.on('data', (chunk: Uint8Array) => stderr.push(chunk));

  let killed: NodeJS.Timeout | undefined;
  const kill = (): void => {
    if (killed !== undefined || hasEnded(client)) return;
    endRemotely(connection, number);
    killed = setTimeout(() => client.kill('SIGKILL'), END_MS);
  };
  options.signal.addEventListener('abort', kill, { once: true });

  const ended = new Promise<RunResult>((resolve, reject) => {
    client.once('error', (cause) =>
      reject(new StasisError('host.no-client', `OpenSSH's client cannot be started: ${cause.message}.`)),
    );
    client.once('close', () => {
      const end = endOf(token, stderr.text());
      if (end?.started) resolve({ status: end.status, stdout: '', stderr: end.stderr });
      else if (end !== undefined) reject(cannotStart(program, hostName, end.stderr));
      // Killed by force, it could not say how it ended: 128 + SIGKILL.
      else if (killed !== undefined) resolve({ status: 137, stdout: '', stderr: stderr.text() });
      else reject(lostOf(hostName, connection, stderr.text()));
    });
  }).finally(() => {
    clearTimeout(killed);
    options.signal.removeEventListener('abort', kill);
  });
  ended.catch(() => {});
  // A command that ends before it has read all its input is judged by its status, not by the broken pipe.
  pipeline(Readable.from(inputOf(script, options.stdin), { objectMode: false }), client.stdin).catch(
    () => {},
  );
  return { stdout: outputOf(client.stdout, ended, options.signal), ended, kill };
}

async function* inputOf(
  script: string,
  stdin: AsyncIterable<Uint8Array> | undefined,
): AsyncGenerator<Uint8Array> {
  yield Buffer.from(script);
  if (stdin) yield* stdin;
}

/** The stream as chunks; ends in an error when the command could not run to its end. */
async function* outputOf(
  stdout: Readable,
  ended: Promise<RunResult>,
  signal: AbortSignal,
): AsyncGenerator<Uint8Array> {
  for await (const chunk of stdout) yield chunk as Uint8Array;
  await ended;
  if (signal.aborted) throw abortReason(signal);
}

/** By a session of its own, which waits for the command's end and uses force where it does not come. */
function endRemotely(connection: Connection, number: number): void {
  const end = `exec sh ${connection.remoteFolder}/end ${number}`;
  const client = spawn('ssh', [...connection.shared(), '--', 'host', end], {
    stdio: 'ignore',
    timeout: END_MS,
  });
  client.once('error', () => {});
}

function cannotStart(program: string, hostName: string, stderr: string): StasisError {
  const said = stderr.trim().split('\n').at(-1);
  return new StasisError(
    'host.cannot-start',
    `${program} cannot be started on ${hostName}: ${said || 'it is not there'}.`,
  );
}

function lostOf(hostName: string, connection: Connection, stderr: string): StasisError {
  if (connection.lost) return connection.lostError();
  if (/Session open refused|refused by peer/.test(stderr))
    return new StasisError('host.sessions-refused', `The host ${hostName} refuses a further session.`, {
      hint: 'Its sshd allows too few on one connection: raise MaxSessions (10 by default) in sshd_config.',
    });
  return connectionLost(hostName, stderr.trim().split('\n').at(-1) ?? '');
}

function hasEnded(child: ChildProcess): boolean {
  return child.exitCode !== null || child.signalCode !== null;
}
