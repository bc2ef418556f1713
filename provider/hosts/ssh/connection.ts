import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { writeFile } from 'node:fs/promises';
import type { Socket } from 'node:net';
import { join } from 'node:path';
import type { Readable } from 'node:stream';
import { StasisError, throwIfAborted } from '../../core/errors.ts';
import { within } from '../../core/wait.ts';
import { STDERR_KEPT_BYTES, Tail } from '../shared/tail.ts';
import { CONNECT_S, hops, knownHostsText, sshArguments } from './arguments.ts';
import { connectFault, connectionLost, lastLine } from './faults.ts';
import { BEAT_MS, KEEPER } from './remote.ts';
import type { SshSpec } from './spec.ts';

/** Login, and the start of a shell on a busy machine. */
export const OPEN_MS = (CONNECT_S + 10) * 1_000;
const COMMAND_MS = 10_000;
const CLOSE_MS = 2_000;

/**
 * With keys given as text an agent of ours holds them, in memory alone, and ends with the client. The keys come first
 * on the client's own input, one after the other; their sizes are the arguments before `--`.
 */
const WITH_AGENT =
  'while [ "$1" != -- ]; do dd bs=1 count="$1" 2>/dev/null | ssh-add -q - || exit 1; shift; done; shift; exec ssh "$@"';

/** One login to a host, which many sessions share: OpenSSH's client in its role as a master of others. */
export class Connection {
  /** The folder on the host in which our sessions find what they run. */
  readonly remoteFolder: string;
  /** How many sessions use it, or are about to. */
  sessions = 0;
  private readonly hostName: string;
  private readonly master: ChildProcess;
  private readonly socketPath: string;
  private readonly stderr: Tail;
  private readonly beat: NodeJS.Timeout;
  private over = false;

  private constructor(
    hostName: string,
    master: ChildProcess,
    socketPath: string,
    remoteFolder: string,
    stderr: Tail,
  ) {
    this.hostName = hostName;
    this.master = master;
    this.socketPath = socketPath;
    this.remoteFolder = remoteFolder;
    this.stderr = stderr;
    this.beat = setInterval(() => master.stdin?.write('.'), BEAT_MS);
    const end = (): void => {
      this.over = true;
      clearInterval(this.beat);
    };
    master.once('close', end);
    // The end of its first session is the end of the connection, even while others make the client linger.
    master.stdout?.once('end', end);
    this.letGo();
  }

  /**
   * @param folder private, for the control socket and known hosts; `number` tells connections in it apart
   * @throws StasisError of `connectFault`, `host.no-client`
   */
  static async open(
    hostName: string,
    spec: SshSpec,
    folder: string,
    number: number,
    signal: AbortSignal,
  ): Promise<Connection> {
    throwIfAborted(signal);
    const socketPath = join(folder, `c${number}`);
    const master = await startMaster(spec, folder, socketPath);
    const stderr = new Tail(STDERR_KEPT_BYTES);
    master.stderr?.on('data', (chunk: Uint8Array) => stderr.push(chunk));
    // The client may have gone away before it has read everything.
    master.stdin?.on('error', () => {});
    const failed = new Promise<never>((_resolve, reject) => {
      master.once('error', (cause) =>
        reject(
          new StasisError('host.no-client', `OpenSSH's client cannot be started: ${cause.message}.`, {
            hint: "Install it (Debian: openssh-client); it must be on PATH as 'ssh'.",
          }),
        ),
      );
      master.once('close', () => reject(connectFault(hostName, spec, stderr.text())));
    });
    failed.catch(() => {});
    try {
      master.stdin?.write(KEEPER);
      const said = await within(OPEN_MS, `logging in to ${hostName}`, signal, () =>
        Promise.race([readyLine(master.stdout!), failed]),
      );
      return new Connection(hostName, master, socketPath, said, stderr);
    } catch (error) {
      master.kill('SIGKILL');
      if (error instanceof StasisError && error.code === 'timeout')
        throw connectFault(hostName, spec, stderr.text());
      throw error;
    }
  }

  get lost(): boolean {
    return this.over;
  }

  /** The arguments of a client that shares this connection. Without it, such a client fails and makes none itself. */
  shared(): string[] {
    const options = [
      'ControlMaster=no',
      'ProxyCommand=false',
      'BatchMode=yes',
      'LogLevel=ERROR',
      'EscapeChar=none',
    ];
    return ['-F', 'none', '-T', '-S', this.socketPath, ...options.flatMap((option) => ['-o', option])];
  }

  lostError(): StasisError {
    return connectionLost(this.hostName, lastLine(this.stderr.text()));
  }

  /** Opens a Unix socket of this machine that leads to what the host reaches there. */
  async forward(path: string, address: string, port: number | undefined, signal: AbortSignal): Promise<void> {
    const far = port === undefined ? address : `${address.includes(':') ? `[${address}]` : address}:${port}`;
    const child = spawn('ssh', [...this.shared(), '-O', 'forward', '-L', `${path}:${far}`, 'host'], {
      stdio: ['ignore', 'ignore', 'pipe'],
      timeout: COMMAND_MS,
    });
    const said = new Tail(STDERR_KEPT_BYTES);
    child.stderr.on('data', (chunk: Uint8Array) => said.push(chunk));
    const [status] = await once(child, 'close', { signal });
    if (status === 0) return;
    if (this.over) throw this.lostError();
    throw new StasisError(
      'host.no-forwarding',
      `The host ${this.hostName} forwards no connections: ${lastLine(said.text())}.`,
    );
  }

  /** Only sessions in use keep this process alive. */
  letGo(): void {
    this.beat.unref();
    this.master.unref();
    for (const stream of [this.master.stdin, this.master.stdout, this.master.stderr])
      (stream as Socket | null)?.unref();
  }

  async close(): Promise<void> {
    clearInterval(this.beat);
    if (this.master.exitCode !== null || this.master.signalCode !== null) return;
    const closed = once(this.master, 'close');
    this.master.stdin?.end();
    const timer = setTimeout(() => this.master.kill('SIGTERM'), CLOSE_MS);
    await closed;
    clearTimeout(timer);
  }
}

async function startMaster(spec: SshSpec, folder: string, socketPath: string): Promise<ChildProcess> {
  const way = hops(spec);
  const knownHosts = (index: number): string => join(folder, `known-${index}`);
  for (const [index, { hostKey }] of way.entries())
    if (hostKey !== undefined) await writeFile(knownHosts(index), knownHostsText(hostKey));
  const keys = way.flatMap(({ privateKey }) => (privateKey === undefined ? [] : [pem(privateKey)]));
  const shared = ['-M', '-S', socketPath, '-o', 'ControlPersist=no'];
  const size = Buffer.byteLength(KEEPER);
  const args = [
    ...shared,
    ...sshArguments(spec, { knownHosts, agent: keys.length > 0 }),
    `exec sh -c 'eval "$(dd bs=1 count=${size} 2>/dev/null)"'`,
  ];
  if (keys.length === 0)
    return spawn('ssh', args, { stdio: ['pipe', 'pipe', 'pipe'], env: clientEnvironment() });
  const sizes = keys.map((key) => String(Buffer.byteLength(key)));
  const child = spawn('ssh-agent', ['sh', '-c', WITH_AGENT, 'sh', ...sizes, '--', ...args], {
    stdio: ['pipe', 'pipe', 'pipe'],
    env: clientEnvironment(),
  });
  child.stdin.write(keys.join(''));
  return child;
}

/** OpenSSH reads no key whose last line does not end. */
function pem(key: string): string {
  return `${key.trim().replaceAll('\r\n', '\n')}\n`;
}

/** Nothing that could hold a secret of ours; the user's agent stays in reach. */
function clientEnvironment(): Record<string, string> {
  const kept: Record<string, string> = { LC_ALL: 'C' };
  for (const name of ['PATH', 'HOME', 'USER', 'LOGNAME', 'TMPDIR', 'SSH_AUTH_SOCK']) {
    const value = process.env[name];
    if (value !== undefined) kept[name] = value;
  }
  return kept;
}

/** The folder that the keeper says it has made; never resolves where it says nothing. */
function readyLine(stdout: Readable): Promise<string> {
  const { promise, resolve } = Promise.withResolvers<string>();
  let said = '';
  stdout.on('data', (chunk: Uint8Array) => {
    said += Buffer.from(chunk).toString('utf8');
    const folder = /^ready (\/[^\n]*)\n/m.exec(said)?.[1];
    if (folder !== undefined) resolve(folder);
  });
  return promise;
}
