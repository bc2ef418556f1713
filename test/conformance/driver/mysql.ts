import { execFile } from 'node:child_process';
import { promisify } from 'node:util';
import { mariadbDriver } from '../../../provider/drivers/mariadb/driver.ts';
import { findMysql } from '../../../scripts/setup/mysql.ts';
import { startMysql, whyNoMysql } from '../../support/mysql-server.ts';
import { makeNumbers } from '../../support/numbers.ts';
import type { SqlServer } from '../../support/sql-server.ts';
import type { Disturbance, DriverAdapter } from './adapter.ts';
import { ACCOUNTS } from './books.ts';
import { type Dialect, disturbing, SECRET, SOURCE, SqlSystem, USER } from './sql-system.ts';

const run = promisify(execFile);

const dialect: Dialect = {
  scheme: 'mysql',
  start: (settings) => startMysql({ settings }),
  populate,
  theirs: (database) => `CREATE DATABASE ${database} CHARACTER SET latin2`,
  disturbances: disturbancesOf,
  dump: async (server, database) => {
    const [program = '', ...first] = findMysql()!.dump;
    const { stdout } = await run(
      program,
      [
        ...[...first, '--host=127.0.0.1', `--port=${server.port}`, '--user=root', '--set-gtid-purged=OFF'],
        ...['--routines', '--events', '--triggers', '--hex-blob', '--skip-dump-date', '--no-tablespaces'],
        database,
      ],
      { maxBuffer: 1 << 28, env: { ...process.env, MYSQL_PWD: server.password } },
    );
    return stdout;
  },
};

/** The same driver on a server of MySQL, whose users log in by caching_sha2_password. */
export const mysqlAdapter: DriverAdapter = {
  driver: mariadbDriver,
  sessions: { watch: true, hold: false, mark: 'always' },
  unavailable: async () => whyNoMysql(),
  start: () => SqlSystem.start(dialect),
};

/** `from` to `to` of a table of numbers. */
const numbers = (from: number, to: number): string => `numbers_to.n WHERE n BETWEEN ${from} AND ${to}`;

async function populate(server: SqlServer): Promise<void> {
  await makeNumbers(server);
  await server.query(
    `CREATE DATABASE ${SOURCE} CHARACTER SET utf8mb4; CREATE DATABASE elsewhere; CREATE TABLE elsewhere.q (n int) ENGINE=MERGE`,
  );
  await server.query(
    `CREATE USER ${USER}@'127.0.0.1' IDENTIFIED BY '${SECRET}'; GRANT ALL PRIVILEGES ON *.* TO ${USER}@'127.0.0.1';
     CREATE USER low@'127.0.0.1' IDENTIFIED BY '${SECRET}'; CREATE USER some@'127.0.0.1' IDENTIFIED BY '${SECRET}';
     CREATE TABLE account (id integer PRIMARY KEY, balance bigint NOT NULL);
     INSERT INTO account SELECT n, 100 FROM ${numbers(1, ACCOUNTS)};
     CREATE TABLE ledger (n bigint PRIMARY KEY, amount bigint NOT NULL);
     CREATE TABLE state (n bigint NOT NULL, base bigint NOT NULL);
     INSERT INTO state VALUES (0, 0);
     CREATE TABLE fixed (id integer PRIMARY KEY, word text, raw varbinary(50), f float, e enum ('a', 'b'), at timestamp(6) NULL, j json);
     INSERT INTO fixed SELECT n, repeat('wörd ', n), CHAR(n, 39, 92, 10, 0), n / 7, 1 + n % 2, '2026-01-01', JSON_OBJECT('n', n) FROM ${numbers(1, 500)};
     CREATE TABLE bulky AS SELECT n, sha2(n, 224) AS filler FROM ${numbers(1, 5_000)};
     CREATE TABLE events (id int NOT NULL PRIMARY KEY, n int)
       PARTITION BY RANGE (id) (PARTITION p1 VALUES LESS THAN (1000), PARTITION p2 VALUES LESS THAN MAXVALUE);
     INSERT INTO events SELECT n * 10, n FROM ${numbers(1, 150)};
     CREATE TABLE notes (id int AUTO_INCREMENT PRIMARY KEY, word text, KEY ((lower(left(word, 20))))); INSERT INTO notes (word) VALUES ('one');
     CREATE FUNCTION rank_of (m int) RETURNS int DETERMINISTIC RETURN m;
     CREATE TRIGGER bulky_in BEFORE INSERT ON notes FOR EACH ROW SET NEW.word = CONCAT(NEW.word, '.');
     CREATE VIEW rich AS SELECT id, rank_of(balance) AS r FROM account WHERE balance > 100;
     CREATE EVENT nightly ON SCHEDULE EVERY 1 DAY STARTS '2030-01-01 00:00:00' DO DELETE FROM notes;
     GRANT SELECT ON account TO some@'127.0.0.1'`,
    SOURCE,
  );
}

/** What breaks naive captures of a MySQL. */
function disturbancesOf(server: SqlServer): Disturbance[] {
  const sql = disturbing(server);
  return [
    // While `base` is odd, the table may be empty: TRUNCATE is no part of a transaction.
    sql(
      'TRUNCATE',
      true,
      (n) => `UPDATE state SET base = 2 * ${n} + 1; TRUNCATE bulky;
        BEGIN; INSERT INTO bulky SELECT n, sha2(n, 224) FROM ${numbers(1, 5_000)}; UPDATE state SET base = 2 * ${n} + 2; COMMIT`,
    ),
    sql('DDL: a table more', true, (n) => `CREATE TABLE more_${n} AS SELECT 1 AS a`),
    sql(
      'DDL: a column more, with values',
      true,
      (n) => `ALTER TABLE fixed ADD COLUMN extra_${n} integer DEFAULT (${n} + 1), ALGORITHM=COPY`,
    ),
    sql(
      'DDL: a column more, at once',
      true,
      (n) => `ALTER TABLE fixed ADD COLUMN instant_${n} integer DEFAULT ${n}, ALGORITHM=INSTANT`,
    ),
    sql(
      'DDL: a table replaced',
      true,
      () =>
        `DROP TABLE IF EXISTS next; CREATE TABLE next AS SELECT n, sha2(n * 2, 224) AS filler FROM ${numbers(1, 5_000)};
         RENAME TABLE bulky TO last, next TO bulky; DROP TABLE last`,
    ),
    sql(
      'DDL: two tables change places',
      true,
      () =>
        'RENAME TABLE fixed TO tmp, bulky TO fixed, tmp TO bulky; RENAME TABLE fixed TO tmp, bulky TO fixed, tmp TO bulky',
    ),
    sql(
      'DDL: another trigger',
      true,
      (n) =>
        `DROP TRIGGER IF EXISTS bulky_in; CREATE TRIGGER bulky_in BEFORE INSERT ON notes FOR EACH ROW SET NEW.word = '${n}'`,
    ),
    sql('temporary tables', false, () => 'CREATE TEMPORARY TABLE x AS SELECT 1 AS a; DROP TEMPORARY TABLE x'),
    sql(
      'FLUSH TABLES WITH READ LOCK',
      false,
      () => 'FLUSH TABLES WITH READ LOCK; DO SLEEP(0.1); UNLOCK TABLES',
    ),
    sql('OPTIMIZE TABLE', false, () => 'OPTIMIZE TABLE fixed'),
    sql('FLUSH BINARY LOGS', false, () => 'FLUSH BINARY LOGS'),
    sql(
      'an XA transaction',
      true,
      (n) =>
        `XA START 'x${n}'; INSERT INTO notes (word) VALUES ('xa'); XA END 'x${n}'; XA PREPARE 'x${n}'; DO SLEEP(0.05); XA COMMIT 'x${n}'`,
    ),
    sql(
      'a rolled back insert',
      false,
      () => "START TRANSACTION; INSERT INTO notes (word) VALUES ('gone'); ROLLBACK",
    ),
    { name: 'the end of all our sessions', changes: false, disturb: () => endAll(server) },
  ];
}

async function endAll(server: SqlServer): Promise<void> {
  const sessions = (await server.query('SHOW PROCESSLIST')).filter(({ User }) => User === USER);
  // One that has ended meanwhile is no loss.
  for (const { Id } of sessions) await server.query(`KILL CONNECTION ${Id}`).catch(() => {});
}
