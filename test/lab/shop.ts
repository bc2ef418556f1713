import { execFile } from 'node:child_process';
import { promisify } from 'node:util';
import type { HostName, Lab } from '../../scripts/lab/lab.ts';

const run = promisify(execFile);

const START = `set -e; install -d -o postgres /srv/pg; bin=/usr/lib/postgresql/18/bin
as() { setpriv --reuid postgres --regid postgres --init-groups "$@"; }
cat > /run/pw; chmod 644 /run/pw; as $bin/initdb -D /srv/pg -A scram-sha-256 -U postgres --pwfile=/run/pw >/dev/null; rm /run/pw
as $bin/pg_ctl -D /srv/pg -w -l /srv/pg/log start >/dev/null
redis-server --daemonize yes --dir /srv --save '' --bind 127.0.0.1 --requirepass "$1" >/dev/null`;

const PASSWORD = 'pass-w0rd';
/** As they are to be reached from the host itself: they listen on its loopback only. */
export const ORDERS = `postgres://postgres:${PASSWORD}@127.0.0.1:5432/shop`;
export const SESSIONS = `redis://:${PASSWORD}@127.0.0.1:6379`;

/** Runs a shell script on a host of the lab as root; what it prints. */
export async function on(lab: Lab, host: HostName, script: string, ...args: string[]): Promise<string> {
  const child = run('ssh', [
    '-F',
    lab.sshConfig,
    host,
    `sh -c '${script.replaceAll("'", "'\\''")}' sh ${args.join(' ')}`,
  ]);
  child.child.stdin?.end(`${PASSWORD}\n`);
  return (await child).stdout.trim();
}

/** The answer of the shop's database there. */
export function psql(lab: Lab, host: HostName, sql: string): Promise<string> {
  return on(lab, host, `PGPASSWORD=${PASSWORD} psql -h 127.0.0.1 -U postgres -Atc "${sql}" shop`);
}

/** The answer of Redis there. */
export function redis(lab: Lab, host: HostName, command: string): Promise<string> {
  return on(lab, host, `redis-cli -a ${PASSWORD} ${command} 2>/dev/null`);
}

/** An empty Postgres and an empty Redis on each host; they end with the lab. */
export async function startServers(lab: Lab): Promise<void> {
  await Promise.all((['cloud', 'sovereign'] as const).map((host) => on(lab, host, START, PASSWORD)));
}

/** Orders and sessions, on `cloud`. */
export async function fillShop(lab: Lab): Promise<void> {
  await on(lab, 'cloud', `PGPASSWORD=${PASSWORD} createdb -h 127.0.0.1 -U postgres shop`);
  const orders = 'SELECT n AS id, md5(n::text) AS item FROM generate_series(1, 20000) n';
  await psql(lab, 'cloud', `CREATE TABLE orders AS ${orders}`);
  const commands = "seq 1 5000 | sed 's/.*/SET key& value&/'";
  await on(lab, 'cloud', `${commands} | redis-cli -a ${PASSWORD} --pipe 2>/dev/null`);
  const count = await redis(lab, 'cloud', 'dbsize');
  if (!count.includes('5000')) throw new Error(`Redis took ${count} of 5000 keys`);
}

/** The host has neither of them again. */
export async function emptyShop(lab: Lab, host: HostName): Promise<void> {
  await on(lab, host, `PGPASSWORD=${PASSWORD} dropdb -h 127.0.0.1 -U postgres --if-exists shop`);
  await redis(lab, host, 'flushall');
}

const START_MARIADB = `set -e; install -d -o mysql /srv/mysql
mariadb-install-db --no-defaults --user=mysql --datadir=/srv/mysql --auth-root-authentication-method=normal --skip-test-db >/dev/null
setsid mariadbd --no-defaults --user=mysql --datadir=/srv/mysql --socket=/run/mysqld/sock --bind-address=127.0.0.1 \\
  --log-bin --server-id=1 </dev/null >/dev/null 2>&1 &
until mariadb --socket=/run/mysqld/sock -u root -e "SELECT 1" >/dev/null 2>&1; do sleep 0.1; done
mariadb --socket=/run/mysqld/sock -u root -e "CREATE USER shop@127.0.0.1 IDENTIFIED BY \\"$1\\"; GRANT ALL ON *.* TO shop@127.0.0.1 WITH GRANT OPTION; CREATE DATABASE stock"`;

/** As it is to be reached from the host itself. */
export const STOCK = `mariadb://shop:${PASSWORD}@127.0.0.1:3306/stock`;

/** An empty MariaDB on each host, which logs; it ends with the lab. */
export async function startMariadbs(lab: Lab): Promise<void> {
  await Promise.all((['cloud', 'sovereign'] as const).map((host) => on(lab, host, START_MARIADB, PASSWORD)));
}

/** The answer of the stock's database there. */
export function mariadb(lab: Lab, host: HostName, sql: string): Promise<string> {
  return on(lab, host, `mariadb --socket=/run/mysqld/sock -u root -NBe "${sql}" stock`);
}
