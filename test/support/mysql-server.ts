import { execFile } from 'node:child_process';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { accountOfMysql, copyOfData, findMysql } from '../../scripts/setup/mysql.ts';
import { type SqlServer, type SqlServerOptions, startServer } from './sql-server.ts';

const runFile = promisify(execFile);

export type MysqlServer = SqlServer;

/** Why no server of MySQL can be started here. */
export function whyNoMysql(): string | undefined {
  return findMysql() === undefined ? 'no MySQL server here: npm run setup fetches it' : undefined;
}

/** A MySQL with GTIDs, out of the cache: when we are root it becomes `mysql` or `nobody`. See `startServer`. */
export async function startMysql(options: SqlServerOptions = {}): Promise<MysqlServer> {
  const found = findMysql();
  if (found === undefined) throw new Error(whyNoMysql());
  const [program = '', ...first] = found.server;
  const account = await accountOfMysql();
  const { stdout } = await runFile(program, [...first, '--version']);
  return startServer(
    {
      title: 'MySQL',
      version: /Ver (\d+(?:\.\d+)*)/.exec(stdout)?.[1] ?? '0',
      scheme: 'mysql',
      // With no defaults at all a server would not read what SET PERSIST has kept, either.
      command: found.server.map((word) => (word === '--no-defaults' ? '--defaults-file=/dev/null' : word)),
      // It gives up being root by itself, once it has read its programs.
      account: {},
      settings: {
        'gtid-mode': 'ON',
        'enforce-gtid-consistency': 'ON',
        mysqlx: 'OFF',
        'innodb-redo-log-capacity': '32M',
        ...(account === undefined ? {} : { user: account.name }),
      },
      firstLogin: (_, folder) => ({ socketPath: join(folder, 'socket'), user: 'root' }),
      setPassword: (password) =>
        `CREATE USER root@'127.0.0.1' IDENTIFIED BY '${password}'; GRANT ALL PRIVILEGES ON *.* TO root@'127.0.0.1' WITH GRANT OPTION`,
      initialize: (folder) => copyOfData(found, join(folder, 'data')),
    },
    options,
  );
}
