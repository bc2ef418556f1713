import { type ChildProcess, execFile, spawn } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { existsSync } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { delimiter, dirname, join } from 'node:path';
import { promisify } from 'node:util';
import mysql from 'mysql2/promise';
import { sleep } from '../../provider/core/wait.ts';
import { guard } from './guardian.ts';
import { type Account, endServer, giveTo, hasEnded, onFreePort, unprivileged } from './server-process.ts';

const runFile = promisify(execFile);

export interface MariadbServerOptions {
  /** Settings of the server, by their names on its command line. `true` for one without a value. */
  readonly settings?: Readonly<Record<string, string | number | true>>;
  /** Of the administrator `root`. A random one unless given. */
  readonly password?: string;
}

export interface MariadbServer {
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

/** Folders of MariaDB's server programs: PATH, Debian's, and STASIS_MARIADB_BIN's. */
export function findMariadb(): string | undefined {
  const folders = [
    process.env.STASIS_MARIADB_BIN ?? '',
    ...(process.env.PATH ?? '').split(delimiter),
    '/usr/sbin',
  ];
  return folders
    .map((folder) => join(folder, 'mariadbd'))
    .find((path) => path !== 'mariadbd' && existsSync(path));
}

/**
 * Starts a real, throw-away server on a free loopback port, never as root: as `mysql` or `nobody` when we are. The
 * caller ends it; should this process end without that, its guardian does.
 */
export async function startMariadb(options: MariadbServerOptions = {}): Promise<MariadbServer> {
  const program = findMariadb();
  if (program === undefined) throw new Error('no mariadbd on this machine');
  const { stdout } = await runFile(program, ['--no-defaults', '--version']);
  const folder = await mkdtemp(join(tmpdir(), 'stasis-mariadb-'));
  const version = /Ver (\d+(?:\.\d+)*)/.exec(stdout)?.[1] ?? '0';
  const server = new Server(program, version, await unprivileged('mysql'), folder, options);
  try {
    await server.initialize();
    await server.start();
  } catch (error) {
    await server.stop();
    throw error;
  }
  return server;
}

class Server implements MariadbServer {
  readonly password: string;
  readonly folder: string;
  readonly version: string;
  port = 0;
  private readonly program: string;
  private readonly account: Account;
  private readonly options: MariadbServerOptions;
  private child: ChildProcess | undefined;

  constructor(
    program: string,
    version: string,
    account: Account,
    folder: string,
    options: MariadbServerOptions,
  ) {
    this.program = program;
    this.version = version;
    this.account = account;
    this.folder = folder;
    this.options = options;
    this.password = options.password ?? randomBytes(12).toString('hex');
  }

  get pid(): number {
    return this.child?.pid ?? 0;
  }

  url(database = '', user = 'root', password = this.password): string {
    return `mariadb://${user}:${encodeURIComponent(password)}@127.0.0.1:${this.port}/${database}`;
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

  async initialize(): Promise<void> {
    await giveTo(this.account, this.folder);
    const installers = [dirname(this.program), '/usr/bin', '/usr/local/bin'].map((folder) =>
      join(folder, 'mariadb-install-db'),
    );
    await runFile(
      installers.find((path) => existsSync(path)) ?? 'mariadb-install-db',
      [
        ...[
          '--no-defaults',
          `--datadir=${join(this.folder, 'data')}`,
          `--tmpdir=${this.folder}`,
          '--auth-root-authentication-method=normal',
        ],
        ...['--skip-test-db', '--skip-name-resolve', '--innodb-flush-log-at-trx-commit=0'],
      ],
      { ...this.account, cwd: this.folder, env: this.environment(), timeout: 120_000 },
    );
  }

  async start(): Promise<void> {
    const launch = async (port: number): Promise<void> => {
      this.port = port;
      await this.launch('');
    };
    await onFreePort(launch, () => this.end('SIGKILL'));
    const connection = await mysql.createConnection({ host: '127.0.0.1', port: this.port, user: 'root' });
    await connection.query(`SET PASSWORD FOR root@'127.0.0.1' = PASSWORD('${this.password}')`);
    await connection.end();
  }

  private async launch(password: string): Promise<void> {
    const settings: Record<string, string | number | true> = {
      'bind-address': '127.0.0.1',
      port: this.port,
      socket: join(this.folder, 'socket'),
      datadir: join(this.folder, 'data'),
      // Of its own: a server that starts removes all temporary tables that lie there, and who uses one crashes.
      tmpdir: this.folder,
      'skip-name-resolve': true,
      'log-bin': 'binlog',
      'server-id': 1,
      'innodb-flush-log-at-trx-commit': 0,
      'sync-binlog': 0,
      'sync-frm': 'OFF',
      'innodb-flush-method': 'nosync',
      'innodb-buffer-pool-size': '64M',
      'innodb-log-file-size': '32M',
      'performance-schema': 'OFF',
      ...this.options.settings,
    };
    const args = Object.entries(settings).map(([name, value]) =>
      value === true ? `--${name}` : `--${name}=${value}`,
    );
    const child = spawn(this.program, ['--no-defaults', ...args], {
      ...this.account,
      cwd: this.folder,
      env: this.environment(),
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
    await this.untilReady(child, password, () => log);
  }

  private async untilReady(child: ChildProcess, password: string, log: () => string): Promise<void> {
    const deadline = Date.now() + 60_000;
    for (;;) {
      if (hasEnded(child)) throw new Error(`MariaDB ${this.version} did not start: ${log()}`);
      try {
        const connection = await mysql.createConnection({
          host: '127.0.0.1',
          port: this.port,
          user: 'root',
          password,
        });
        await connection.end();
        return;
      } catch (error) {
        if (Date.now() > deadline) throw new Error(`MariaDB does not answer: ${log()}`, { cause: error });
      }
      await sleep(30);
    }
  }

  kill(): Promise<void> {
    return this.end('SIGKILL');
  }

  async restart(): Promise<void> {
    await this.end('SIGTERM');
    await this.launch(this.password);
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

  private environment(): Record<string, string> {
    return { PATH: process.env.PATH ?? '/usr/sbin:/usr/bin:/bin', LANG: 'C.UTF-8', TZ: 'UTC' };
  }
}
