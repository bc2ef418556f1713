import { execFile } from 'node:child_process';
import { createHash } from 'node:crypto';
import { join } from 'node:path';
import { promisify } from 'node:util';
import pg from 'pg';
import { postgresDriver } from '../../../provider/drivers/postgres/driver.ts';
import { everyType } from '../../support/postgres-rig.ts';
import { findPostgres, type PostgresServer, startPostgres } from '../../support/postgres-server.ts';
import { freePort } from '../../support/server-process.ts';
import type { Disturbance, DriverAdapter, Load, Refused, System, Target } from './adapter.ts';
import { ACCOUNTS, BOOKS, BooksLoad, booksOf, moneyFaults } from './books.ts';
import { postgresDisturbances } from './postgres-disturbances.ts';

const run = promisify(execFile);
const SECRET = 'conformance-secret-93ab';
const SOURCE = 'shop';

export const postgresAdapter: DriverAdapter = {
  driver: postgresDriver,
  sessions: { watch: true, hold: false, mark: 'always' },
  unavailable: async () =>
    (await findPostgres()).length > 0 ? undefined : 'no PostgreSQL server on this machine',
  // Each session is a process more on either side, and one beside the first shows all that several do.
  start: () => PostgresSystem.start(whatIsDisturbed, { jobs: 2 }),
};

/** The same with every type and kind of object beside the books: each capture and restore of it takes its time. */
export const postgresWithEverything: DriverAdapter = {
  ...postgresAdapter,
  start: () => PostgresSystem.start(everyType, {}),
};

/** What of a spec says how many sessions copy and load. */
interface Effort {
  readonly jobs?: number;
}

/** Puts something into a new database, into which the books come after it. */
type Fill = (server: PostgresServer, database: string) => Promise<void>;

/** What disturbances change beside the books, as the data set of everything has it. */
const whatIsDisturbed: Fill = async (server, database) => {
  await server.query(`CREATE DATABASE ${database}`);
  await server.query(
    `CREATE SCHEMA app; CREATE TYPE app.mood AS ENUM ('sad', 'happy');
     CREATE FUNCTION app.rank(app.mood) RETURNS integer LANGUAGE sql IMMUTABLE AS $$ SELECT length($1::text) $$;
     CREATE TABLE app.events (at date NOT NULL, what text, n integer) PARTITION BY RANGE (at);
     CREATE TABLE app.events_old PARTITION OF app.events FOR VALUES FROM (MINVALUE) TO ('2020-01-01');
     CREATE TABLE app.events_new PARTITION OF app.events FOR VALUES FROM ('2020-01-01') TO (MAXVALUE);
     CREATE INDEX events_by_what ON app.events (what);
     INSERT INTO app.events SELECT '2019-06-01'::date + g, 'e' || g % 7, g FROM generate_series(1, 500) g;
     GRANT SELECT ON app.events TO low; SELECT lo_from_bytea(70001, 'large')`,
    { database },
  );
};

class PostgresSystem implements System {
  readonly spec: { readonly url: string } & Effort;
  readonly secret = SECRET;
  readonly disturbances: readonly Disturbance[];
  readonly refused: readonly Refused[];
  private readonly server: PostgresServer;
  private readonly effort: Effort;
  private targets = 0;

  private constructor(server: PostgresServer, effort: Effort, unused: number) {
    this.server = server;
    this.effort = effort;
    this.spec = { url: server.url(SOURCE), ...effort };
    this.disturbances = postgresDisturbances(server, SOURCE);
    const local = `127.0.0.1:${server.port}`;
    this.refused = [
      {
        name: 'a wrong password',
        spec: { url: `postgres://postgres:${SECRET}-not@${local}/${SOURCE}` },
        codes: ['postgres.password', 'postgres.login'],
      },
      {
        name: 'nobody there',
        spec: { url: `postgres://postgres:${SECRET}@127.0.0.1:${unused}/${SOURCE}` },
        codes: ['postgres.unreachable'],
      },
      { name: 'no such database', spec: { url: server.url('none') }, codes: ['postgres.no-database'] },
      {
        name: 'a login that may read nothing',
        spec: { url: `postgres://low:${SECRET}@${local}/${SOURCE}` },
        codes: ['postgres.rights'],
      },
    ];
  }

  static async start(fill: Fill, effort: Effort): Promise<PostgresSystem> {
    const server = await startPostgres({ password: SECRET });
    await populate(server, fill);
    return new PostgresSystem(server, effort, await freePort());
  }

  async load(): Promise<Load> {
    const client = new pg.Client({ connectionString: this.spec.url, application_name: 'load' });
    await client.connect();
    return new BooksLoad(client);
  }

  async emptyTarget(): Promise<Target> {
    this.targets += 1;
    return new PostgresTarget(this.server, `target_${this.targets}`, this.effort);
  }

  async filledTarget(): Promise<Target> {
    const target = await this.emptyTarget();
    const database = `target_${this.targets}`;
    await this.server.query(`CREATE DATABASE ${database}`);
    await this.server.query('CREATE TABLE theirs AS SELECT generate_series(1, 10) AS n', { database });
    return target;
  }

  residue(): Promise<readonly string[]> {
    return residueOn(this.server);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.server.stop();
  }
}

async function populate(server: PostgresServer, fill: Fill): Promise<void> {
  await server.query(`CREATE ROLE low LOGIN PASSWORD '${SECRET}'`);
  await fill(server, SOURCE);
  const database = SOURCE;
  await server.query(
    `CREATE TABLE account (id integer PRIMARY KEY, balance bigint NOT NULL);
     INSERT INTO account SELECT n, 100 FROM generate_series(1, ${ACCOUNTS}) AS n;
     CREATE TABLE ledger (n bigint PRIMARY KEY, amount bigint NOT NULL);
     CREATE TABLE state (n bigint NOT NULL, base bigint NOT NULL);
     INSERT INTO state VALUES (0, 0);
     CREATE TABLE fixed (id integer PRIMARY KEY, word text);
     INSERT INTO fixed SELECT n, repeat('word ', n) FROM generate_series(1, 500) AS n;
     CREATE SEQUENCE ticket;
     CREATE TABLE bulky AS SELECT n, md5(n::text) AS filler FROM generate_series(1, 5000) AS n;
     CREATE VIEW rich AS SELECT * FROM account WHERE balance > 100`,
    { database },
  );
}

/** Sessions of ours, and databases that were loaded beside another. */
async function residueOn(server: PostgresServer): Promise<string[]> {
  const sessions = await server.query(
    "SELECT pid, state, query FROM pg_stat_activity WHERE application_name ~* 'stasis|pg_dump|pg_restore'",
  );
  const databases = await server.query("SELECT datname FROM pg_database WHERE datname ~ 'stasis'");
  return [
    ...sessions.map(({ pid, state, query }) => `a session (${pid}, ${state}): ${String(query).slice(0, 80)}`),
    ...databases.map(({ datname }) => `a database: ${datname}`),
  ];
}

class PostgresTarget implements Target {
  readonly spec: { readonly url: string } & Effort;
  private readonly server: PostgresServer;
  private readonly database: string;

  constructor(server: PostgresServer, database: string, effort: Effort) {
    this.server = server;
    this.database = database;
    this.spec = { url: server.url(database), ...effort };
  }

  async faults(): Promise<readonly string[]> {
    const { database } = this;
    const [found] = await this.server.query(BOOKS, { database });
    const books = booksOf(found);
    const { n, base, entries, first, last, fixed, bulky } = books;
    const faults = moneyFaults(books);
    if (entries !== n - base || (entries > 0 && (first !== base + 1 || last !== n)))
      faults.push(`the ledger has ${entries} entries (${first} to ${last}), the state is ${base} to ${n}`);
    if (fixed !== 500 || bulky !== 5000) faults.push(`${fixed} fixed and ${bulky} bulky rows`);
    return faults;
  }

  async mutate(): Promise<string> {
    await this.server.query("UPDATE fixed SET word = 'changed' WHERE id = 7", { database: this.database });
    return 'table/public.fixed';
  }

  async state(): Promise<string> {
    if (!(await this.exists())) return 'absent';
    const { stdout } = await run(
      join(this.server.binDir, 'pg_dump'),
      ['--dbname', this.server.url(this.database)],
      {
        maxBuffer: 1 << 28,
      },
    );
    const [shared] = await this.server.query(
      `SELECT pg_get_userbyid(datdba) AS owner, datconnlimit, datacl::text, shobj_description(oid, 'pg_database') AS comment
       FROM pg_database WHERE datname = '${this.database}'`,
    );
    // Newer versions of pg_dump frame their output with a random key.
    const dump = stdout.replace(/^\\(un)?restrict .*$/gm, '');
    return createHash('sha256').update(dump).update(JSON.stringify(shared)).digest('hex');
  }

  private async exists(): Promise<boolean> {
    return (await this.server.query(`SELECT FROM pg_database WHERE datname = '${this.database}'`)).length > 0;
  }

  residue(): Promise<readonly string[]> {
    return residueOn(this.server);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.server.query(`DROP DATABASE IF EXISTS ${this.database} WITH (FORCE)`);
  }
}
