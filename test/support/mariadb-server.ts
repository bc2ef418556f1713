import { execFile } from 'node:child_process';
import { existsSync } from 'node:fs';
import { delimiter, dirname, join } from 'node:path';
import { promisify } from 'node:util';
import { giveTo, unprivileged } from './server-process.ts';
import { ENVIRONMENT, type SqlServer, type SqlServerOptions, startServer } from './sql-server.ts';

const runFile = promisify(execFile);

export type MariadbServer = SqlServer;

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

/** A MariaDB of this machine: as `mysql` or `nobody` when we are root. See `startServer`. */
export async function startMariadb(options: SqlServerOptions = {}): Promise<MariadbServer> {
  const program = findMariadb();
  if (program === undefined) throw new Error('no mariadbd on this machine');
  const { stdout } = await runFile(program, ['--no-defaults', '--version']);
  const account = await unprivileged('mysql');
  return startServer(
    {
      title: 'MariaDB',
      version: /Ver (\d+(?:\.\d+)*)/.exec(stdout)?.[1] ?? '0',
      scheme: 'mariadb',
      command: [program, '--no-defaults'],
      account,
      settings: { 'sync-frm': 'OFF', 'innodb-log-file-size': '32M' },
      firstLogin: (port) => ({ host: '127.0.0.1', port, user: 'root' }),
      setPassword: (password) => `SET PASSWORD FOR root@'127.0.0.1' = PASSWORD('${password}')`,
      initialize: async (folder) => {
        await giveTo(account, folder);
        const installers = [dirname(program), '/usr/bin', '/usr/local/bin'].map((each) =>
          join(each, 'mariadb-install-db'),
        );
        await runFile(
          installers.find((path) => existsSync(path)) ?? 'mariadb-install-db',
          [
            ...['--no-defaults', `--datadir=${join(folder, 'data')}`, `--tmpdir=${folder}`],
            ...['--auth-root-authentication-method=normal', '--skip-test-db', '--skip-name-resolve'],
            '--innodb-flush-log-at-trx-commit=0',
          ],
          { ...account, cwd: folder, env: ENVIRONMENT, timeout: 120_000 },
        );
      },
    },
    options,
  );
}
