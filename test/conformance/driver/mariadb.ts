import { execFile } from 'node:child_process';
import { promisify } from 'node:util';
import { mariadbDriver } from '../../../provider/drivers/mariadb/driver.ts';
import { findMariadb, startMariadb } from '../../support/mariadb-server.ts';
import type { SqlServer } from '../../support/sql-server.ts';
import type { Disturbance, DriverAdapter } from './adapter.ts';
import { ACCOUNTS } from './books.ts';
import { type Dialect, disturbing, SECRET, SOURCE, SqlSystem, USER } from './sql-system.ts';

const run = promisify(execFile);

const dialect: Dialect = {
  scheme: 'mariadb',
  start: (settings) => startMariadb({ settings }),
  populate,
  theirs: (database) => `CREATE DATABASE ${database} CHARACTER SET latin2 COMMENT 'theirs'`,
  disturbances: disturbancesOf,
  dump: async (server, database) => {
    const { stdout } = await run(
      'mariadb-dump',
      [
        ...['--no-defaults', '--host=127.0.0.1', `--port=${server.port}`, '--user=root'],
        ...['--routines', '--events', '--triggers', '--hex-blob', '--skip-dump-date', database],
      ],
      { maxBuffer: 1 << 28, env: { ...process.env, MYSQL_PWD: server.password } },
    );
    return stdout;
  },
};

export const mariadbAdapter: DriverAdapter = {
  driver: mariadbDriver,
  sessions: { watch: true, hold: false, mark: 'always' },
  unavailable: async () => (findMariadb() === undefined ? 'no MariaDB server on this machine' : undefined),
  start: () => SqlSystem.start(dialect),
};

async function populate(server: SqlServer): Promise<void> {
  await server.query(`CREATE DATABASE ${SOURCE} CHARACTER SET utf8mb4 COMMENT 'the shop'; CREATE DATABASE elsewhere;
    CREATE TABLE elsewhere.q (n int) ENGINE=MERGE`);
  await server.query(
    `CREATE USER ${USER}@'127.0.0.1' IDENTIFIED BY '${SECRET}'; GRANT ALL PRIVILEGES ON *.* TO ${USER}@'127.0.0.1';
     CREATE USER low@'127.0.0.1' IDENTIFIED BY '${SECRET}'; CREATE USER some@'127.0.0.1' IDENTIFIED BY '${SECRET}';
     CREATE TABLE account (id integer PRIMARY KEY, balance bigint NOT NULL);
     INSERT INTO account SELECT seq, 100 FROM seq_1_to_${ACCOUNTS};
     CREATE TABLE ledger (n bigint PRIMARY KEY, amount bigint NOT NULL);
     CREATE TABLE state (n bigint NOT NULL, base bigint NOT NULL);
     INSERT INTO state VALUES (0, 0);
     CREATE TABLE fixed (id integer PRIMARY KEY, word text, raw varbinary(50), f float, e enum ('a', 'b'), at timestamp(6) NULL);
     INSERT INTO fixed SELECT seq, repeat('wörd ', seq), CHAR(seq, 39, 92, 10, 0), seq / 7, 1 + seq % 2, '2026-01-01' FROM seq_1_to_500;
     CREATE TABLE bulky AS SELECT seq AS n, md5(seq) AS filler FROM seq_1_to_5000;
     CREATE TABLE events (id int NOT NULL PRIMARY KEY, n int)
       PARTITION BY RANGE (id) (PARTITION p1 VALUES LESS THAN (1000), PARTITION p2 VALUES LESS THAN MAXVALUE);
     INSERT INTO events SELECT seq * 10, seq FROM seq_1_to_150;
     CREATE SEQUENCE ticket; CREATE TABLE notes (id int AUTO_INCREMENT PRIMARY KEY, word text); INSERT INTO notes (word) VALUES ('one');
     CREATE FUNCTION rank_of (m int) RETURNS int DETERMINISTIC RETURN m;
     CREATE TRIGGER bulky_in BEFORE INSERT ON notes FOR EACH ROW SET NEW.word = CONCAT(NEW.word, '.');
     CREATE VIEW rich AS SELECT id, rank_of(balance) AS r FROM account WHERE balance > 100;
     CREATE EVENT nightly ON SCHEDULE EVERY 1 DAY STARTS '2030-01-01 00:00:00' DO DELETE FROM notes;
     GRANT SELECT ON account TO some@'127.0.0.1'`,
    SOURCE,
  );
}

/** What breaks naive captures of a MariaDB. */
function disturbancesOf(server: SqlServer): Disturbance[] {
  const sql = disturbing(server);
  return [
    // While `base` is odd, the table may be empty: TRUNCATE is no part of a transaction.
    sql(
      'TRUNCATE',
      true,
      (n) => `UPDATE state SET base = 2 * ${n} + 1; TRUNCATE bulky;
        BEGIN; INSERT INTO bulky SELECT seq, md5(seq) FROM seq_1_to_5000; UPDATE state SET base = 2 * ${n} + 2; COMMIT`,
    ),
    sql('DDL: a table more', true, (n) => `CREATE TABLE more_${n} AS SELECT 1 AS a`),
    sql(
      'DDL: a column more, with values',
      true,
      (n) => `ALTER TABLE fixed ADD COLUMN extra_${n} integer DEFAULT (${n} + 1), ALGORITHM=COPY`,
    ),
    sql(
      'DDL: a table replaced',
      true,
      () => 'CREATE OR REPLACE TABLE bulky AS SELECT seq AS n, md5(seq * 2) AS filler FROM seq_1_to_5000',
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
      (n) => `CREATE OR REPLACE TRIGGER bulky_in BEFORE INSERT ON notes FOR EACH ROW SET NEW.word = '${n}'`,
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
      'nextval and a rolled back insert',
      false,
      () => "SELECT NEXTVAL(ticket); START TRANSACTION; INSERT INTO notes (word) VALUES ('gone'); ROLLBACK",
    ),
    sql('the end of all our sessions', false, () => `KILL HARD USER ${USER}`),
  ];
}
