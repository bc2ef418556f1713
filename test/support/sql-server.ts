import { type ChildProcess, spawn } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import mysql from 'mysql2/promise';
import { sleep } from '../../provider/core/wait.ts';
import { guard } from './guardian.ts';
import { type Account, endServer, hasEnded, onFreePort } from './server-process.ts';

export interface SqlServerOptions {
  /** Settings of the server, by their names on its command line. `true` for one without a value. */
  readonly settings?: Readonly<Record<string, string | number | true>>;
  /** Of the administrator `root`. A random one unless given. */
  readonly password?: string;
}

export interface SqlServer {
  /** As the administrator, or as the user given. */
  url(database?: string, user?: string, password?: string): string;
  readonly password: string;
  readonly port: number;
  readonly folder: string;
  /** `10.11.19`. */
  readonly version: string;
  readonly pid: number;
  /** Runs SQL as the administrator on a connection of its own. Returns the rows of the last statement. */
  query(sql: string, database?: string): Promise<Record<string, unknown>[]>;
  connect(database?: string): Promise<mysql.Connection>;
  /** Ends it at once, as a crash would, and leaves its folder. */
  kill(): Promise<void>;
  /** Starts it again on the same port after `kill`. */
  restart(): Promise<void>;
  /** Ends it and removes its folder. Idempotent. */
  stop(): Promise<void>;
  [Symbol.asyncDispose](): Promise<void>;
}

/** What is different from one kind of server to the other, when one is started. */
export interface ServerKind {
  readonly title: string;
  /** `10.11.19`. */
  readonly version: string;
  readonly scheme: 'mariadb' | 'mysql';
  /** The program and what comes before the arguments of this start. */
  readonly command: readonly string[];
  /** Whom it is started as. */
  readonly account: Account;
  readonly settings: Settings;
  /** Makes a folder of data. */
  initialize(folder: string): Promise<void>;
  /** Where the administrator logs in for the first time, without a password. */
  firstLogin(port: number, folder: string): mysql.ConnectionOptions;
  /** Makes root@127.0.0.1, with all privileges, have the password. */
  setPassword(password: string): string;
}

export type Settings = Readonly<Record<string, string | number | true>>;

/**
 * Starts a real, throw-away server on a free loopback port, which never runs as root. The caller ends it; should this
 * process end without that, its guardian does.
 */
export async function startServer(kind: ServerKind, options: SqlServerOptions): Promise<SqlServer> {
  const folder = await mkdtemp(join(tmpdir(), `stasis-${kind.scheme}-`));
  const server = new Server(kind, folder, options);
  try {
    await kind.initialize(folder);
    await server.start();
  } catch (error) {
    await server.stop();
    throw error;
  }
  return server;
}

export const ENVIRONMENT: Readonly<Record<string, string>> = {
  PATH: process.env.PATH ?? '/usr/sbin:/usr/bin:/bin',
  LANG: 'C.UTF-8',
  TZ: 'UTC',
};

class Server implements SqlServer {
  readonly password: string;
  readonly folder: string;
  readonly version: string;
  port = 0;
  private readonly kind: ServerKind;
  private readonly options: SqlServerOptions;
  private child: ChildProcess | undefined;

  constructor(kind: ServerKind, folder: string, options: SqlServerOptions) {
    this.kind = kind;
    this.version = kind.version;
    this.folder = folder;
    this.options = options;
    this.password = options.password ?? randomBytes(12).toString('hex');
  }

  get pid(): number {
    return this.child?.pid ?? 0;
  }

  url(database = '', user = 'root', password = this.password): string {
    return `${this.kind.scheme}://${user}:${encodeURIComponent(password)}@127.0.0.1:${this.port}/${database}`;
  }

  connect(database?: string): Promise<mysql.Connection> {
    return mysql.createConnection({
      ...{ host: '127.0.0.1', port: this.port, user: 'root', password: this.password, database },
      ...{ multipleStatements: true, connectTimeout: 10_000, dateStrings: true, decimalNumbers: true },
    });
  }

  async query(sql: string, database?: string): Promise<Record<string, unknown>[]> {
    const connection = await this.connect(database);
    try {
      const [rows] = await connection.query(sql);
      const last: unknown = Array.isArray(rows) && Array.isArray(rows.at(-1)) ? rows.at(-1) : rows;
      return Array.isArray(last) ? (last as Record<string, unknown>[]) : [];
    } finally {
      await connection.end();
    }
  }

  async start(): Promise<void> {
    const launch = async (port: number): Promise<void> => {
      this.port = port;
      await this.launch(this.kind.firstLogin(port, this.folder));
    };
    await onFreePort(launch, () => this.end('SIGKILL'));
    const connection = await mysql.createConnection({
      ...this.kind.firstLogin(this.port, this.folder),
      multipleStatements: true,
    });
    await connection.query(this.kind.setPassword(this.password));
    await connection.end();
  }

  private async launch(login: mysql.ConnectionOptions): Promise<void> {
    const settings: Settings = {
      'bind-address': '127.0.0.1',
      port: this.port,
      socket: join(this.folder, 'socket'),
      datadir: join(this.folder, 'data'),
      'pid-file': join(this.folder, 'pid'),
      // Of its own: a server that starts removes all temporary tables that lie there, and who uses one crashes.
      tmpdir: this.folder,
      'skip-name-resolve': true,
      'log-bin': 'binlog',
      'server-id': 1,
      'innodb-flush-log-at-trx-commit': 0,
      'sync-binlog': 0,
      'innodb-flush-method': 'nosync',
      'innodb-buffer-pool-size': '64M',
      'performance-schema': 'OFF',
      ...this.kind.settings,
      ...this.options.settings,
    };
    const args = Object.entries(settings).map(([name, value]) =>
      value === true ? `--${name}` : `--${name}=${value}`,
    );
    const [program = '', ...first] = this.kind.command;
    const child = spawn(program, [...first, ...args], {
      ...this.kind.account,
      cwd: this.folder,
      env: ENVIRONMENT,
      stdio: ['ignore', 'ignore', 'pipe'],
      // Its own process group, so that a Ctrl-C in the terminal reaches only us, and we end it in order.
      detached: true,
    });
    this.child = child;
    guard(child, { folder: this.folder });
    let log = '';
    child.stderr?.on('data', (chunk: Buffer) => {
      log = (log + chunk.toString()).slice(-8192);
    });
    await this.untilReady(child, login, () => log);
  }

  private async untilReady(
    child: ChildProcess,
    login: mysql.ConnectionOptions,
    log: () => string,
  ): Promise<void> {
    const deadline = Date.now() + 60_000;
    for (;;) {
      if (hasEnded(child)) throw new Error(`${this.kind.title} ${this.version} did not start: ${log()}`);
      try {
        const connection = await mysql.createConnection(login);
        await connection.end();
        return;
      } catch (error) {
        if (Date.now() > deadline)
          throw new Error(`${this.kind.title} does not answer: ${log()}`, { cause: error });
      }
      await sleep(30);
    }
  }

  kill(): Promise<void> {
    return this.end('SIGKILL');
  }

  async restart(): Promise<void> {
    await this.end('SIGTERM');
    await this.launch({ host: '127.0.0.1', port: this.port, user: 'root', password: this.password });
  }

  async stop(): Promise<void> {
    // Its folder goes with it: there is nothing to be written down.
    await this.end('SIGKILL');
    await rm(this.folder, { recursive: true, force: true, maxRetries: 5 });
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.stop();
  }

  private async end(signal: NodeJS.Signals): Promise<void> {
    const child = this.child;
    this.child = undefined;
    await endServer(child, signal, 15_000);
  }
}
