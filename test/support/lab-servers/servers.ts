import type { Host } from '../../../provider/core/host.ts';
import { on, until } from '../process/rig.ts';

/** Of every server on hosts of the lab: nobody but the lab reaches them. */
const PASSWORD = 'lab-pass-w0rd';

export type StoreKind = 'postgres' | 'redis' | 'mariadb';

export interface StoreOptions {
  /**
   * Whether what was acknowledged may be lost in a crash: `synchronous_commit = off`, an append-only file written
   * through once a second, the log of transactions likewise.
   */
  readonly relaxed?: boolean;
  /** Started so that CRIU can capture it: without asynchronous I/O of the kernel. */
  readonly capturable?: boolean;
}

/** One server on a host of the lab, reached by the host's address. It ends with the lab. */
export interface LabStore {
  readonly kind: StoreKind;
  readonly host: Host;
  readonly pidFile: string;
  /** Where all that it has on disk lies. */
  readonly folder: string;
  /** As an administrator, of its database `bank` where there are databases. */
  url(address: string): string;
}

/**
 * Starts a program as a service is started: in a session of its own, with nothing open, so that it can be captured.
 *   NAME USER COMMAND…
 */
const SERVICE = `
name=$1 user=$2; shift 2
cd /
setsid setpriv --reuid "$user" --regid "$(id -g "$user")" --init-groups "$@" < /dev/null > /dev/null 2>&1 &
echo $! > "/run/$name.pid"
`;

export function startService(host: Host, name: string, user: string, ...argv: string[]): Promise<string> {
  return on(host, SERVICE, name, user, ...argv);
}

export function startStore(kind: StoreKind, host: Host, options: StoreOptions = {}): Promise<LabStore> {
  return START[kind](host, options);
}

const START: Readonly<Record<StoreKind, (host: Host, options: StoreOptions) => Promise<LabStore>>> = {
  postgres: startPostgres,
  redis: startRedis,
  mariadb: startMariadb,
};

/** A subvolume, so that a capture of it is a snapshot. FOLDER USER */
const MAKE_FOLDER = `btrfs subvolume create "$1" > /dev/null && chown "$2:$2" "$1" && chmod 700 "$1"`;

const INIT_POSTGRES = `set -e
cat > /run/pw; chmod 644 /run/pw
setpriv --reuid postgres --regid postgres --init-groups /usr/lib/postgresql/18/bin/initdb -D "$1" \\
  --wal-segsize=1 -A scram-sha-256 -U postgres --pwfile=/run/pw --no-instructions > /dev/null
rm /run/pw
echo 'host all all all scram-sha-256' >> "$1/pg_hba.conf"
`;

async function startPostgres(host: Host, options: StoreOptions): Promise<LabStore> {
  const folder = '/srv/postgres';
  await on(host, MAKE_FOLDER, folder, 'postgres');
  await on(host, `printf %s '${PASSWORD}' | { ${INIT_POSTGRES}\n}`, folder);
  const settings = {
    listen_addresses: '*',
    unix_socket_directories: '',
    shared_buffers: '48MB',
    min_wal_size: '4MB',
    max_wal_size: '16MB',
    io_method: 'sync',
    jit: 'off',
    synchronous_commit: options.relaxed ? 'off' : 'on',
  };
  await startService(
    host,
    'postgres',
    'postgres',
    ...['/usr/lib/postgresql/18/bin/postgres', '-D', folder],
    ...Object.entries(settings).flatMap(([name, value]) => ['-c', `${name}=${value}`]),
  );
  const psql = (sql: string): Promise<string> =>
    on(host, 'PGPASSWORD=$1 psql -h 127.0.0.1 -U postgres -AtXqc "$2" postgres', PASSWORD, sql);
  await until(async () => (await psql('SELECT 1')) === '1');
  await psql('CREATE DATABASE bank');
  return {
    ...{ kind: 'postgres', host, folder, pidFile: '/run/postgres.pid' },
    url: (address) => `postgres://postgres:${PASSWORD}@${address}:5432/bank`,
  };
}

async function startRedis(host: Host, options: StoreOptions): Promise<LabStore> {
  const folder = '/srv/redis';
  await on(host, MAKE_FOLDER, folder, 'redis');
  await startService(
    host,
    'redis',
    'redis',
    ...['redis-server', '--dir', folder, '--save', '', '--bind', '0.0.0.0', '--requirepass', PASSWORD],
    ...(options.relaxed ? ['--appendonly', 'yes', '--appendfsync', 'everysec'] : []),
  );
  const cli = (command: string): Promise<string> =>
    on(host, 'REDISCLI_AUTH=$1 redis-cli $2', PASSWORD, command);
  await until(async () => (await cli('ping')) === 'PONG');
  return {
    ...{ kind: 'redis', host, folder, pidFile: '/run/redis.pid' },
    url: (address) => `redis://:${PASSWORD}@${address}:6379`,
  };
}

/** As little on disk as it makes do with: every capture of its folder has all of it. */
const MARIADB_FILES = '--innodb-log-file-size=8M --innodb-undo-tablespaces=0 --innodb-buffer-pool-size=16M';

const INIT_MARIADB = `set -e
mariadb-install-db --no-defaults --user=mysql --datadir="$1" --auth-root-authentication-method=normal \\
  --skip-test-db --skip-name-resolve --innodb-flush-log-at-trx-commit=0 ${MARIADB_FILES} > /dev/null
`;

async function startMariadb(host: Host, options: StoreOptions): Promise<LabStore> {
  const folder = '/srv/mariadb';
  // Outside of the folder: a restore makes the socket anew, which is then another file.
  const socket = '/run/mysqld/bank.sock';
  await on(host, 'chown mysql: /run/mysqld');
  await on(host, MAKE_FOLDER, folder, 'mysql');
  await on(host, INIT_MARIADB, folder);
  await startService(
    host,
    'mariadb',
    'mysql',
    ...['mariadbd', '--no-defaults', `--datadir=${folder}`, `--socket=${socket}`, '--bind-address=0.0.0.0'],
    ...['--log-bin', '--server-id=1', '--skip-name-resolve', ...MARIADB_FILES.split(' ')],
    `--innodb-flush-log-at-trx-commit=${options.relaxed ? 2 : 1}`,
    ...(options.capturable
      ? ['--innodb-use-native-aio=0', '--thread-handling=one-thread-per-connection']
      : []),
  );
  const sql = (text: string): Promise<string> =>
    on(host, 'mariadb --no-defaults --socket="$1" -u root -NBe "$2"', socket, text);
  await until(async () => (await sql('SELECT 1')) === '1');
  await sql(
    `CREATE USER bank@'%' IDENTIFIED BY '${PASSWORD}'; GRANT ALL ON *.* TO bank@'%' WITH GRANT OPTION`,
  );
  await sql('CREATE DATABASE bank');
  return {
    ...{ kind: 'mariadb', host, folder, pidFile: '/run/mariadb.pid' },
    url: (address) => `mariadb://bank:${PASSWORD}@${address}:3306/bank`,
  };
}
