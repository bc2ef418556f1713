import { execFile } from 'node:child_process';
import { createHash } from 'node:crypto';
import { promisify } from 'node:util';
import { mariadbDriver } from '../../../provider/drivers/mariadb/driver.ts';
import { findMariadb, type MariadbServer, startMariadb } from '../../support/mariadb-server.ts';
import { freePort } from '../../support/server-process.ts';
import type { Disturbance, DriverAdapter, Load, Refused, System, Target } from './adapter.ts';
import { ACCOUNTS, BOOKS, BooksLoad, booksOf, moneyFaults } from './books.ts';

const run = promisify(execFile);
const SECRET = 'conformance-secret-93ab';
const SOURCE = 'shop';
/** Whom the driver logs in as, so that its sessions are known from all others. */
const USER = 'keeper';

export const mariadbAdapter: DriverAdapter = {
  driver: mariadbDriver,
  unavailable: async () => (findMariadb() === undefined ? 'no MariaDB server on this machine' : undefined),
  start: () => MariadbSystem.start(),
};

class MariadbSystem implements System {
  readonly spec: { readonly url: string };
  readonly secret = SECRET;
  readonly disturbances: readonly Disturbance[];
  readonly refused: readonly Refused[];
  private readonly server: MariadbServer;
  private targets = 0;

  private constructor(server: MariadbServer, unused: number) {
    this.server = server;
    this.spec = { url: server.url(SOURCE, USER, SECRET) };
    this.disturbances = disturbancesOf(server);
    this.refused = [
      {
        name: 'a wrong password',
        spec: { url: server.url(SOURCE, USER, `${SECRET}-not`) },
        codes: ['mariadb.password'],
      },
      {
        name: 'nobody there',
        spec: { url: `mariadb://${USER}:${SECRET}@127.0.0.1:${unused}/${SOURCE}` },
        codes: ['mariadb.unreachable'],
      },
      {
        name: 'no such database',
        spec: { url: server.url('none', USER, SECRET) },
        codes: ['mariadb.no-database'],
      },
      {
        name: 'a login that may read nothing',
        spec: { url: server.url(SOURCE, 'low', SECRET) },
        codes: ['mariadb.rights'],
      },
      {
        name: 'a login that may read some tables only',
        spec: { url: server.url(SOURCE, 'some', SECRET) },
        codes: ['mariadb.rights'],
      },
      {
        name: 'a table whose rows lie elsewhere',
        spec: { url: server.url('elsewhere', USER, SECRET) },
        codes: ['mariadb.engine'],
      },
    ];
  }

  static async start(): Promise<MariadbSystem> {
    const server = await startMariadb({ settings: { 'max-connections': 100 } });
    await populate(server);
    return new MariadbSystem(server, await freePort());
  }

  async load(): Promise<Load> {
    return new BooksLoad(await this.server.connect(SOURCE));
  }

  async emptyTarget(): Promise<Target> {
    this.targets += 1;
    return new MariadbTarget(this.server, `target_${this.targets}`);
  }

  async filledTarget(): Promise<Target> {
    const target = await this.emptyTarget();
    const database = `target_${this.targets}`;
    await this.server.query(`CREATE DATABASE ${database} CHARACTER SET latin2 COMMENT 'theirs'`);
    await this.server.query(
      `CREATE TABLE theirs (n int PRIMARY KEY); INSERT INTO theirs VALUES (1), (2), (3);
       CREATE TABLE bulky (n int REFERENCES theirs (n));
       CREATE VIEW seen AS SELECT n FROM theirs; CREATE FUNCTION twice (n int) RETURNS int DETERMINISTIC RETURN 2 * n;
       CREATE TRIGGER counted BEFORE INSERT ON theirs FOR EACH ROW SET NEW.n = twice(NEW.n);
       CREATE EVENT nightly ON SCHEDULE EVERY 1 DAY STARTS '2030-01-01 00:00:00' DO DELETE FROM theirs`,
      database,
    );
    return target;
  }

  residue(): Promise<readonly string[]> {
    return residueOn(this.server);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.server.stop();
  }
}

async function populate(server: MariadbServer): Promise<void> {
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
function disturbancesOf(server: MariadbServer): Disturbance[] {
  let turn = 0;
  const sql = (name: string, changes: boolean, statement: (turn: number) => string): Disturbance => ({
    name,
    changes,
    disturb: async () => {
      turn += 1;
      // Where our own locks keep it out it fails in the end, as an impatient administrator's would.
      await server.query(`SET lock_wait_timeout = 1; ${statement(turn)}`, SOURCE).catch((error: unknown) => {
        if (!isTurnedAway(error)) throw error;
      });
    },
  });
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

/** Kept out by locks for too long, or chosen as the one to give way in a deadlock. */
function isTurnedAway(error: unknown): boolean {
  return [1205, 1213].includes(Number(Reflect.get(Object(error), 'errno')));
}

/** Sessions of ours, and databases that were loaded beside another. */
async function residueOn(server: MariadbServer): Promise<string[]> {
  const sessions = await server.query(
    `SELECT ID, STATE, INFO FROM information_schema.PROCESSLIST WHERE USER IN ('${USER}', 'low', 'some')`,
  );
  const databases = await server.query(
    "SELECT SCHEMA_NAME AS name FROM information_schema.SCHEMATA WHERE SCHEMA_NAME LIKE 'stasis%'",
  );
  return [
    ...sessions.map(({ ID, STATE, INFO }) => `a session (${ID}, ${STATE}): ${String(INFO).slice(0, 80)}`),
    ...databases.map(({ name }) => `a database: ${name}`),
  ];
}

class MariadbTarget implements Target {
  readonly spec: { readonly url: string };
  private readonly server: MariadbServer;
  private readonly database: string;

  constructor(server: MariadbServer, database: string) {
    this.server = server;
    this.database = database;
    this.spec = { url: server.url(database, USER, SECRET) };
  }

  async faults(): Promise<readonly string[]> {
    const [found] = await this.server.query(BOOKS, this.database);
    const books = booksOf(found);
    const { n, base, entries, first, last, fixed, bulky } = books;
    const faults = moneyFaults(books);
    if (entries !== n || (entries > 0 && (first !== 1 || last !== n)))
      faults.push(`the ledger has ${entries} entries (${first} to ${last}), the state is at ${n}`);
    const emptied = base % 2 === 1 && bulky === 0;
    if (fixed !== 500 || (bulky !== 5000 && !emptied)) faults.push(`${fixed} fixed and ${bulky} bulky rows`);
    return faults;
  }

  async mutate(): Promise<string> {
    await this.server.query("UPDATE fixed SET word = 'changed' WHERE id = 7", this.database);
    return 'table/fixed';
  }

  async state(): Promise<string> {
    const known = `SELECT * FROM information_schema.SCHEMATA WHERE SCHEMA_NAME = '${this.database}'`;
    const [shared] = await this.server.query(known);
    if (shared === undefined) return 'absent';
    const { stdout } = await run(
      'mariadb-dump',
      [
        ...['--no-defaults', '--host=127.0.0.1', `--port=${this.server.port}`, '--user=root'],
        ...['--routines', '--events', '--triggers', '--hex-blob', '--skip-dump-date', this.database],
      ],
      { maxBuffer: 1 << 28, env: { ...process.env, MYSQL_PWD: this.server.password } },
    );
    return createHash('sha256').update(stdout).update(JSON.stringify(shared)).digest('hex');
  }

  residue(): Promise<readonly string[]> {
    return residueOn(this.server);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.server.query(`DROP DATABASE IF EXISTS ${this.database}`);
  }
}
