import { type ChildProcess, execFile, spawn } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { existsSync } from 'node:fs';
import { chmod, mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { delimiter, join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { promisify } from 'node:util';
import pg from 'pg';
import { guard } from './guardian.ts';
import { type Account, endServer, giveTo, hasEnded, onFreePort, unprivileged } from './server-process.ts';

const runFile = promisify(execFile);

export interface PostgresServerOptions {
  /** Folder of `postgres` and `initdb`. Default: of `version`, else of the newest one found. */
  readonly binDir?: string;
  /** Major version, `15`. */
  readonly version?: number;
  /** Lines of postgresql.conf beside those that a throw-away server gets (`fsync = off` and the like). */
  readonly settings?: Readonly<Record<string, string | number>>;
  /** Superuser and its password. Default `postgres` and a random one. */
  readonly user?: string;
  readonly password?: string;
  /** PEM files; the server then speaks TLS. `only` refuses every other connection. */
  readonly tls?: { readonly certFile: string; readonly keyFile: string; readonly only?: boolean };
  /** Further arguments of initdb: `['--locale=C', '--encoding=SQL_ASCII']`. Default: UTF8 and C.UTF-8. */
  readonly initdb?: readonly string[];
  /** Parent of the server's folder. Default: the system's temporary folder. */
  readonly parent?: string;
}

export interface PostgresServer {
  /** As the superuser, to this database; `postgres` by default. */
  url(database?: string): string;
  readonly superUrl: string;
  readonly user: string;
  readonly password: string;
  readonly port: number;
  /** The server's folder: `data/`, `log`. */
  readonly folder: string;
  readonly binDir: string;
  /** `15.18`. */
  readonly version: string;
  /** Of the postmaster. */
  readonly pid: number;
  /** Runs SQL as the superuser on a connection of its own; several statements are fine without values. */
  query(sql: string, options?: { database?: string; values?: unknown[] }): Promise<Record<string, unknown>[]>;
  /** Ends it at once, as a crash would, and leaves its folder. */
  kill(): Promise<void>;
  /** Starts it again on the same port after `kill`. */
  restart(): Promise<void>;
  /** Ends it and removes its folder. Idempotent. */
  stop(): Promise<void>;
  [Symbol.asyncDispose](): Promise<void>;
}

export interface PostgresBinaries {
  readonly binDir: string;
  /** `15.18`. */
  readonly version: string;
  readonly major: number;
}

/** Every folder of Postgres server programs on this machine, newest first: Debian's, and STASIS_POSTGRES_BIN's (a path list). */
export async function findPostgres(): Promise<readonly PostgresBinaries[]> {
  const debian = '/usr/lib/postgresql';
  const majors = existsSync(debian) ? await readdir(debian) : [];
  const folders = [
    ...(process.env.STASIS_POSTGRES_BIN ?? '').split(delimiter).filter((folder) => folder !== ''),
    ...majors.map((major) => join(debian, major, 'bin')),
  ].filter((folder) => existsSync(join(folder, 'postgres')) && existsSync(join(folder, 'initdb')));
  const found = await Promise.all(folders.map(describeBinaries));
  return found.sort((a, b) => b.major - a.major);
}

async function describeBinaries(binDir: string): Promise<PostgresBinaries> {
  const { stdout } = await runFile(join(binDir, 'postgres'), ['--version']);
  const version = /(\d+(?:\.\d+)*)/.exec(stdout)?.[1] ?? '0';
  return { binDir, version, major: Number.parseInt(version, 10) };
}

/**
 * Starts a real, throw-away server on a free loopback port, never as root: as `postgres` or `nobody` when we are.
 * The caller ends it; should this process end without that, its guardian does.
 */
export async function startPostgres(options: PostgresServerOptions = {}): Promise<PostgresServer> {
  const binaries = await chooseBinaries(options);
  const account = await unprivileged('postgres');
  const folder = await mkdtemp(join(options.parent ?? tmpdir(), 'stasis-pg-'));
  const server = new Server(binaries, account, folder, options);
  try {
    await server.initialize();
    await server.start();
  } catch (error) {
    await server.stop();
    throw error;
  }
  return server;
}

async function chooseBinaries(options: PostgresServerOptions): Promise<PostgresBinaries> {
  if (options.binDir !== undefined) return describeBinaries(options.binDir);
  const found = await findPostgres();
  const chosen = found.find((entry) => options.version === undefined || entry.major === options.version);
  if (chosen) return chosen;
  const have = found.map((entry) => entry.version).join(', ') || 'none';
  throw new Error(
    `PostgreSQL ${options.version ?? ''} server programs are not on this machine (found: ${have})`,
  );
}

class Server implements PostgresServer {
  readonly user: string;
  readonly password: string;
  readonly folder: string;
  port = 0;
  private readonly binaries: PostgresBinaries;
  private readonly account: Account;
  private readonly options: PostgresServerOptions;
  private child: ChildProcess | undefined;

  constructor(binaries: PostgresBinaries, account: Account, folder: string, options: PostgresServerOptions) {
    this.binaries = binaries;
    this.account = account;
    this.folder = folder;
    this.options = options;
    this.user = options.user ?? 'postgres';
    this.password = options.password ?? randomBytes(12).toString('hex');
  }

  get binDir(): string {
    return this.binaries.binDir;
  }

  get version(): string {
    return this.binaries.version;
  }

  get pid(): number {
    return this.child?.pid ?? 0;
  }

  get superUrl(): string {
    return this.url();
  }

  url(database = 'postgres'): string {
    const login = `${encodeURIComponent(this.user)}:${encodeURIComponent(this.password)}`;
    return `postgres://${login}@127.0.0.1:${this.port}/${encodeURIComponent(database)}`;
  }

  async query(
    sql: string,
    options: { database?: string; values?: unknown[] } = {},
  ): Promise<Record<string, unknown>[]> {
    const ssl = this.options.tls ? { rejectUnauthorized: false } : false;
    const client = new pg.Client({
      connectionString: this.url(options.database),
      ssl,
      connectionTimeoutMillis: 10_000,
    });
    client.on('error', () => undefined);
    await client.connect();
    try {
      const result: pg.QueryResult | pg.QueryResult[] = await client.query(sql, options.values);
      return Array.isArray(result) ? (result.at(-1)?.rows ?? []) : result.rows;
    } finally {
      await client.end();
    }
  }

  async initialize(): Promise<void> {
    await giveTo(this.account, this.folder);
    const passwordFile = join(this.folder, 'initdb-password');
    await writeFile(passwordFile, `${this.password}\n`, { mode: 0o600 });
    await giveTo(this.account, passwordFile);
    const locale = this.options.initdb ?? ['--encoding=UTF8', '--locale=C.UTF-8'];
    await runFile(
      join(this.binDir, 'initdb'),
      [
        ...['-D', join(this.folder, 'data'), '-U', this.user, '--auth=scram-sha-256', '--no-sync'],
        ...['--pwfile', passwordFile, ...locale],
      ],
      { ...this.account, cwd: this.folder, env: this.environment(), timeout: 120_000 },
    );
    await rm(passwordFile);
    const { tls } = this.options;
    if (!tls) return;
    for (const [source, name] of [
      [tls.certFile, 'server.crt'],
      [tls.keyFile, 'server.key'],
    ] as const) {
      const copy = join(this.folder, 'data', name);
      await writeFile(copy, await readFile(source), { mode: 0o600 });
      await chmod(copy, 0o600);
      await giveTo(this.account, copy);
    }
    if (!tls.only) return;
    const rules = 'hostssl all all 127.0.0.1/32 scram-sha-256\nhostssl all all ::1/128 scram-sha-256\n';
    await writeFile(join(this.folder, 'data', 'pg_hba.conf'), rules);
  }

  async start(): Promise<void> {
    const launch = (port: number): Promise<void> => {
      this.port = port;
      return this.launch();
    };
    await onFreePort(launch, () => this.end('SIGKILL'));
  }

  private async launch(): Promise<void> {
    const settings: Record<string, string | number> = {
      listen_addresses: '127.0.0.1',
      port: this.port,
      unix_socket_directories: '',
      fsync: 'off',
      shared_buffers: '64MB',
      max_connections: 100,
      logging_collector: 'off',
      log_min_messages: 'warning',
      ...(this.options.tls ? { ssl: 'on' } : {}),
      ...this.options.settings,
    };
    const args = Object.entries(settings).flatMap(([name, value]) => ['-c', `${name}=${value}`]);
    const child = spawn(join(this.binDir, 'postgres'), ['-D', join(this.folder, 'data'), ...args], {
      ...this.account,
      cwd: this.folder,
      env: this.environment(),
      stdio: ['ignore', 'ignore', 'pipe'],
      // Its own process group, so that a Ctrl-C in the terminal reaches only us, and we end it in order.
      detached: true,
    });
    this.child = child;
    guard(child, { signal: 'SIGQUIT', folder: this.folder });
    let log = '';
    child.stderr?.on('data', (chunk: Buffer) => {
      log = (log + chunk.toString()).slice(-8192);
    });
    await this.untilReady(child, () => log);
  }

  private async untilReady(child: ChildProcess, log: () => string): Promise<void> {
    const deadline = Date.now() + 60_000;
    for (;;) {
      if (hasEnded(child)) throw new Error(`PostgreSQL ${this.version} did not start: ${log()}`);
      try {
        await this.query('SELECT 1');
        return;
      } catch (error) {
        if (Date.now() > deadline)
          throw new Error(`PostgreSQL ${this.version} does not answer: ${log()}`, { cause: error });
      }
      await sleep(30);
    }
  }

  async kill(): Promise<void> {
    await this.end('SIGQUIT');
  }

  async restart(): Promise<void> {
    await this.end('SIGINT');
    await this.launch();
  }

  async stop(): Promise<void> {
    // Its folder goes with it: there is nothing to be written down.
    await this.end('SIGQUIT');
    await rm(this.folder, { recursive: true, force: true, maxRetries: 5 });
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.stop();
  }

  /** SIGINT ends sessions and shuts down, SIGQUIT is a crash. */
  private async end(signal: NodeJS.Signals): Promise<void> {
    const child = this.child;
    this.child = undefined;
    await endServer(child, signal, 15_000);
  }

  private environment(): Record<string, string> {
    return { PATH: process.env.PATH ?? '/usr/bin:/bin', LANG: 'C.UTF-8', TZ: 'UTC' };
  }
}
