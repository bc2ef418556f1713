import { findMariadb, startMariadb } from './mariadb-server.ts';
import { startMysql, whyNoMysql } from './mysql-server.ts';
import type { SqlServer, SqlServerOptions } from './sql-server.ts';

/** Each kind of server that the driver `mariadb` is for, for tests of what holds of both. */
export const SQL_FAMILY: readonly {
  readonly title: string;
  /** Why this machine cannot run it. */
  readonly missing: string | undefined;
  /** An engine without transactions beside MyISAM. */
  readonly engine: string;
  start(options?: SqlServerOptions): Promise<SqlServer>;
}[] = [
  {
    title: 'MariaDB',
    missing: findMariadb() ? undefined : 'no MariaDB server on this machine',
    engine: 'Aria',
    start: startMariadb,
  },
  { title: 'MySQL', missing: whyNoMysql(), engine: 'MEMORY', start: startMysql },
];
