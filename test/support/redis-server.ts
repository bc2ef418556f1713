import { type ChildProcess, execFile, spawn } from 'node:child_process';
import { existsSync } from 'node:fs';
import { chmod, copyFile, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { delimiter, dirname, join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { promisify } from 'node:util';
import { guard } from './guardian.ts';
import { type Account, endServer, giveTo, hasEnded, onFreePort, unprivileged } from './server-process.ts';

const runFile = promisify(execFile);

export interface RedisServerOptions {
  /** Path of `redis-server` or `valkey-server`. Default: the machine's own. */
  readonly binary?: string;
  /** Of the user `default`. Without it the server asks for none. */
  readonly password?: string;
  /** ACL users, as in redis.conf after `user`: `app on >secret ~* +@read`. */
  readonly users?: readonly string[];
  /** Lines of redis.conf: `{ appendonly: 'yes', save: '60 1' }`. Persistence is off unless said. */
  readonly config?: Readonly<Record<string, string | number>>;
  /** Runs it as a Sentinel, which watches nothing. */
  readonly sentinel?: boolean;
  /** PEM files; the port then speaks TLS only. */
  readonly tls?: { readonly certFile: string; readonly keyFile: string; readonly caFile: string };
  /** Parent of the server's folder. Default: the system's temporary folder. */
  readonly parent?: string;
}

export interface RedisServer {
  /** With the password of `default`, if it has one: `redis://:secret@127.0.0.1:40123`. */
  readonly url: string;
  readonly port: number;
  readonly password: string | undefined;
  /** The server's folder: `redis.conf`, `dump.rdb`. */
  readonly folder: string;
  /** `7.0.15`; of Valkey its own: `9.1.2`. */
  readonly version: string;
  readonly product: 'redis' | 'valkey';
  readonly pid: number;
  /** As another login: `urlFor('app', 'secret')`. */
  urlFor(user: string, password: string): string;
  /** Runs redis-cli with these arguments as `default` and returns what it prints, without the last line's end. */
  cli(...args: string[]): Promise<string>;
  /** Feeds redis-cli lines of commands on stdin: quick for many of them. */
  feed(lines: string): Promise<string>;
  /** Ends it at once, as a crash would, and leaves its folder. */
  kill(): Promise<void>;
  /** Ends it and removes its folder. Idempotent. */
  stop(): Promise<void>;
  [Symbol.asyncDispose](): Promise<void>;
}

export interface RedisBinary {
  readonly path: string;
  readonly product: 'redis' | 'valkey';
  readonly version: string;
}

/** Server programs on this machine: Debian's, and those of STASIS_REDIS_BIN (a path list of programs). */
export async function findRedis(): Promise<readonly RedisBinary[]> {
  const listed = (process.env.STASIS_REDIS_BIN ?? '').split(delimiter).filter((path) => path !== '');
  const usual = ['/usr/bin', '/usr/local/bin', '/usr/local/sbin', '/usr/sbin'].flatMap((folder) => [
    join(folder, 'redis-server'),
    join(folder, 'valkey-server'),
  ]);
  return Promise.all([...listed, ...usual].filter((path) => existsSync(path)).map(describeRedis));
}

/** @throws Error when the program does not run on this machine. */
export async function describeRedis(path: string): Promise<RedisBinary> {
  const { stdout } = await runFile(path, ['--version'], { timeout: 10_000 });
  const version = /v=(\d+(?:\.\d+)*)/.exec(stdout)?.[1] ?? '0';
  return { path, product: /^valkey/i.test(stdout) ? 'valkey' : 'redis', version };
}

/**
 * Starts a real, throw-away server on a free loopback port, never as root: as `redis` or `nobody` when we are.
 * The caller ends it; should this process end without that, its guardian does.
 */
export async function startRedis(options: RedisServerOptions = {}): Promise<RedisServer> {
  const binary = options.binary ? await describeRedis(options.binary) : (await findRedis())[0];
  if (!binary) throw new Error('redis-server is not on this machine (Debian: apt-get install redis-server)');
  const account = await unprivileged('redis');
  const folder = await mkdtemp(join(options.parent ?? tmpdir(), 'stasis-redis-'));
  const server = new Server(binary, account, folder, options);
  try {
    await server.start();
  } catch (error) {
    await server.stop();
    throw error;
  }
  return server;
}

class Server implements RedisServer {
  readonly folder: string;
  readonly password: string | undefined;
  port = 0;
  private readonly binary: RedisBinary;
  private readonly account: Account;
  private readonly options: RedisServerOptions;
  private child: ChildProcess | undefined;

  constructor(binary: RedisBinary, account: Account, folder: string, options: RedisServerOptions) {
    this.binary = binary;
    this.account = account;
    this.folder = folder;
    this.options = options;
    this.password = options.password;
  }

  get version(): string {
    return this.binary.version;
  }

  get product(): 'redis' | 'valkey' {
    return this.binary.product;
  }

  get pid(): number {
    return this.child?.pid ?? 0;
  }

  get url(): string {
    return this.address(this.password === undefined ? '' : `:${encodeURIComponent(this.password)}@`);
  }

  urlFor(user: string, password: string): string {
    return this.address(`${encodeURIComponent(user)}:${encodeURIComponent(password)}@`);
  }

  private address(login: string): string {
    return `${this.options.tls ? 'rediss' : 'redis'}://${login}127.0.0.1:${this.port}`;
  }

  cli(...args: string[]): Promise<string> {
    return this.runCli(args);
  }

  feed(lines: string): Promise<string> {
    return this.runCli([], lines);
  }

  private async runCli(args: readonly string[], stdin = ''): Promise<string> {
    const { tls } = this.options;
    const secure = tls ? ['--tls', '--cacert', tls.caFile] : [];
    const child = spawn(this.cliPath(), ['-h', '127.0.0.1', '-p', String(this.port), ...secure, ...args], {
      env: {
        PATH: process.env.PATH ?? '/usr/bin:/bin',
        ...(this.password === undefined ? {} : { REDISCLI_AUTH: this.password }),
      },
      stdio: ['pipe', 'pipe', 'pipe'],
      timeout: 120_000,
    });
    const output: Buffer[] = [];
    child.stdout.on('data', (chunk: Buffer) => output.push(chunk));
    child.stderr.on('data', (chunk: Buffer) => output.push(chunk));
    child.stdin.on('error', () => undefined);
    child.stdin.end(stdin);
    const status = await new Promise<number | null>((resolve, reject) => {
      child.once('error', reject);
      child.once('close', resolve);
    });
    const text = Buffer.concat(output).toString().replace(/\n$/, '');
    if (status !== 0) throw new Error(`redis-cli ${args[0] ?? ''} ended with ${status}: ${text}`);
    return text;
  }

  private cliPath(): string {
    const beside = join(dirname(this.binary.path), `${this.product}-cli`);
    return ['/usr/bin/redis-cli', '/usr/bin/valkey-cli', beside].find(existsSync) ?? 'redis-cli';
  }

  async start(): Promise<void> {
    const launch = async (port: number): Promise<void> => {
      this.port = port;
      await this.configure();
      await this.launch();
    };
    await onFreePort(launch, () => this.end('SIGKILL'));
  }

  /** The password goes into a file that only the server reads, not into argv. */
  private async configure(): Promise<void> {
    const { tls, users = [], password } = this.options;
    const settings: Record<string, string | number> = {
      bind: '127.0.0.1',
      port: tls ? 0 : this.port,
      dir: this.folder,
      ...(this.options.sentinel ? {} : { save: '""', appendonly: 'no' }),
      daemonize: 'no',
      logfile: join(this.folder, 'log'),
      ...(password === undefined ? {} : { requirepass: `"${password}"` }),
      ...this.options.config,
    };
    if (tls) {
      const files = { cert: tls.certFile, key: tls.keyFile, 'ca-cert': tls.caFile };
      settings['tls-port'] = this.port;
      settings['tls-auth-clients'] = 'no';
      for (const [name, source] of Object.entries(files)) {
        const copy = join(this.folder, `${name}.pem`);
        await writeFile(copy, await readFile(source), { mode: 0o600 });
        await giveTo(this.account, copy);
        settings[`tls-${name}-file`] = copy;
      }
    }
    const lines = [
      ...Object.entries(settings).map(([name, value]) => `${name} ${value}`),
      ...users.map((user) => `user ${user}`),
    ];
    const file = join(this.folder, 'redis.conf');
    await writeFile(file, `${lines.join('\n')}\n`, { mode: 0o600 });
    await chmod(this.folder, 0o700);
    await giveTo(this.account, file);
    await giveTo(this.account, this.folder);
  }

  /** A program in a folder that only root may enter (a cache at home) is run from a copy. */
  private async program(): Promise<string> {
    const { path } = this.binary;
    if (this.account.uid === undefined || path.startsWith('/usr/')) return path;
    const copy = join(this.folder, 'server');
    await copyFile(path, copy);
    await chmod(copy, 0o755);
    return copy;
  }

  private async launch(): Promise<void> {
    const args = [join(this.folder, 'redis.conf'), ...(this.options.sentinel ? ['--sentinel'] : [])];
    const child = spawn(await this.program(), args, {
      ...this.account,
      cwd: this.folder,
      env: { PATH: process.env.PATH ?? '/usr/bin:/bin', LANG: 'C.UTF-8', TZ: 'UTC' },
      stdio: ['ignore', 'pipe', 'pipe'],
      // Its own process group, so that a Ctrl-C in the terminal reaches only us, and we end it in order.
      detached: true,
    });
    this.child = child;
    guard(child, { folder: this.folder });
    let said = '';
    for (const stream of [child.stdout, child.stderr])
      stream?.on('data', (chunk: Buffer) => {
        said = (said + chunk.toString()).slice(-8192);
      });
    const deadline = Date.now() + 30_000;
    for (;;) {
      if (hasEnded(child))
        throw new Error(
          `${this.product} ${this.version} did not start: ${said}${await readFile(join(this.folder, 'log'), 'utf8').catch(() => '')}`,
        );
      const answer = await this.cli('ping').catch((error: Error) => error.message);
      if (/PONG|NOAUTH|NOPERM|WRONGPASS/.test(answer)) return;
      if (Date.now() > deadline)
        throw new Error(`${this.product} ${this.version} does not answer: ${answer}`);
      await sleep(20);
    }
  }

  async kill(): Promise<void> {
    await this.end('SIGKILL');
  }

  async stop(): Promise<void> {
    await this.end('SIGTERM');
    await rm(this.folder, { recursive: true, force: true, maxRetries: 5 });
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.stop();
  }

  private async end(signal: NodeJS.Signals): Promise<void> {
    const child = this.child;
    this.child = undefined;
    await endServer(child, signal, 10_000);
  }
}
