import { createHash } from 'node:crypto';
import { freePort } from '../../support/server-process.ts';
import type { Settings, SqlServer } from '../../support/sql-server.ts';
import type { Disturbance, Load, Refused, System, Target } from './adapter.ts';
import { BOOKS, BooksLoad, booksOf, moneyFaults } from './books.ts';

export const SECRET = 'conformance-secret-93ab';
export const SOURCE = 'shop';
/** Whom the driver logs in as, so that its sessions are known from all others. */
export const USER = 'keeper';

/** What one kind of server says in other words than the other. */
export interface Dialect {
  /** As the URL begins. */
  readonly scheme: string;
  start(settings: Settings): Promise<SqlServer>;
  /** Makes SOURCE with the books and something of every kind, and who logs in: USER, `low` and `some`, all with SECRET. */
  populate(server: SqlServer): Promise<void>;
  /** Makes a database of somebody else's. */
  theirs(database: string): string;
  disturbances(server: SqlServer): Disturbance[];
  /** All that is in a database, as the server's own client program tells it. */
  dump(server: SqlServer, database: string): Promise<string>;
}

export class SqlSystem implements System {
  readonly spec: { readonly url: string };
  readonly secret = SECRET;
  readonly disturbances: readonly Disturbance[];
  readonly refused: readonly Refused[];
  private readonly server: SqlServer;
  private readonly dialect: Dialect;
  private targets = 0;

  private constructor(dialect: Dialect, server: SqlServer, unused: number) {
    this.dialect = dialect;
    this.server = server;
    this.spec = { url: server.url(SOURCE, USER, SECRET) };
    this.disturbances = dialect.disturbances(server);
    this.refused = [
      {
        name: 'a wrong password',
        spec: { url: server.url(SOURCE, USER, `${SECRET}-not`) },
        codes: ['mariadb.password'],
      },
      {
        name: 'nobody there',
        spec: { url: `${dialect.scheme}://${USER}:${SECRET}@127.0.0.1:${unused}/${SOURCE}` },
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

  static async start(dialect: Dialect): Promise<SqlSystem> {
    const server = await dialect.start({ 'max-connections': 100 });
    try {
      await dialect.populate(server);
      return new SqlSystem(dialect, server, await freePort());
    } catch (error) {
      await server.stop();
      throw error;
    }
  }

  async load(): Promise<Load> {
    return new BooksLoad(await this.server.connect(SOURCE));
  }

  async emptyTarget(): Promise<Target> {
    this.targets += 1;
    return new SqlTarget(this.dialect, this.server, `target_${this.targets}`);
  }

  async filledTarget(): Promise<Target> {
    const target = await this.emptyTarget();
    const database = `target_${this.targets}`;
    await this.server.query(this.dialect.theirs(database));
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

/** Disturbances by statements of an administrator's, each of which is told how many there were before. */
export function disturbing(
  server: SqlServer,
): (name: string, changes: boolean, statement: (turn: number) => string) => Disturbance {
  let turn = 0;
  return (name, changes, statement) => ({
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
}

/** Kept out by locks for too long, or chosen as the one to give way in a deadlock. */
function isTurnedAway(error: unknown): boolean {
  return [1205, 1213].includes(Number(Reflect.get(Object(error), 'errno')));
}

/** Sessions of ours, and databases that were loaded beside another. */
async function residueOn(server: SqlServer): Promise<string[]> {
  // The catalog of MySQL fails while somebody runs a statement with bytes that are no text.
  const sessions = (await server.query('SHOW PROCESSLIST')).filter(({ User }) =>
    [USER, 'low', 'some'].includes(String(User)),
  );
  const databases = await server.query(
    "SELECT SCHEMA_NAME AS name FROM information_schema.SCHEMATA WHERE SCHEMA_NAME LIKE 'stasis%'",
  );
  return [
    ...sessions.map(({ Id, State, Info }) => `a session (${Id}, ${State}): ${String(Info).slice(0, 80)}`),
    ...databases.map(({ name }) => `a database: ${name}`),
  ];
}

class SqlTarget implements Target {
  readonly spec: { readonly url: string };
  private readonly dialect: Dialect;
  private readonly server: SqlServer;
  private readonly database: string;

  constructor(dialect: Dialect, server: SqlServer, database: string) {
    this.dialect = dialect;
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
    const dumped = await this.dialect.dump(this.server, this.database);
    return createHash('sha256').update(dumped).update(JSON.stringify(shared)).digest('hex');
  }

  residue(): Promise<readonly string[]> {
    return residueOn(this.server);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.server.query(`DROP DATABASE IF EXISTS ${this.database}`);
  }
}
