import { afterAll, beforeAll, expect, jest, test } from '@jest/globals';
import { testContext } from '../../../test/support/context.ts';
import {
  capture,
  compareWith,
  everyType,
  host,
  replay,
  restore,
  restoreAndCompare,
  type Taken,
} from '../../../test/support/mariadb-rig.ts';
import { findMariadb, type MariadbServer, startMariadb } from '../../../test/support/mariadb-server.ts';
import { describeUnless } from '../../../test/support/skipped.ts';
import { mariadbDriver } from './driver.ts';

jest.setTimeout(120_000);
const suite = describeUnless(findMariadb() ? undefined : 'no MariaDB server on this machine');

suite('a restored MariaDB', () => {
  let server: MariadbServer;
  let taken: Taken;
  beforeAll(async () => {
    server = await startMariadb();
    await everyType(server, 'shop');
    taken = await capture({ url: server.url('shop') });
  });
  afterAll(() => server.stop());

  test('has every value of every type as it was, by the server’s own checksum', async () => {
    const comparison = await restoreAndCompare({ url: server.url('twin') }, taken);
    expect(comparison).toMatchObject({ differences: [], equal: taken.entries.length });
    const tables = (
      await server.query(
        "SELECT TABLE_NAME AS name FROM information_schema.TABLES WHERE TABLE_SCHEMA = 'shop' AND TABLE_TYPE = 'BASE TABLE'",
      )
    ).map(({ name }) => String(name));
    expect(tables.length).toBeGreaterThan(12);
    for (const table of tables) {
      const quoted = `\`${table.replaceAll('`', '``')}\``;
      const sums = await server.query(`CHECKSUM TABLE shop.${quoted}, twin.${quoted} EXTENDED`);
      expect([table, sums[1]?.Checksum]).toEqual([table, sums[0]?.Checksum]);
    }
    const signs = await server.query(
      'SELECT 1 / NULLIF(f, 0) AS none, CONCAT(f) AS f, CONCAT(d) AS d FROM twin.numbers WHERE id = 4',
    );
    expect(signs).toEqual(
      await server.query(
        'SELECT 1 / NULLIF(f, 0) AS none, CONCAT(f) AS f, CONCAT(d) AS d FROM shop.numbers WHERE id = 4',
      ),
    );
  });

  test('works like the one that was captured: numbers go on, code runs, keys hold', async () => {
    await restoreAndCompare({ url: server.url('works') }, taken, { restoreId: 'works' });
    const [next] = await server.query('SELECT NEXTVAL(ticket) AS n', 'works');
    const [original] = await server.query('SELECT next_not_cached_value AS n FROM shop.ticket');
    expect(next?.n).toBe(original?.n);
    await server.query("INSERT INTO numbered (word) VALUES ('three')", 'works');
    await server.query("INSERT INTO notes (word) VALUES ('later')", 'works');
    expect(await server.query("SELECT id FROM notes WHERE word = 'later'", 'works')).toEqual([{ id: 3 }]);
    expect(await server.query('SELECT r FROM a_first ORDER BY r LIMIT 1', 'works')).toEqual([{ r: 2 }]);
    await expect(server.query('INSERT INTO child VALUES (9, 99)', 'works')).rejects.toThrow(/foreign key/);
    await expect(server.query('INSERT INTO computed (b) VALUES (1000)', 'works')).rejects.toThrow(/small/);
    const [events] = await server.query(
      "SELECT GROUP_CONCAT(EVENT_NAME, '=', STATUS ORDER BY EVENT_NAME) AS e FROM information_schema.EVENTS WHERE EVENT_SCHEMA = 'works'",
    );
    expect(events?.e).toBe('nightly=ENABLED,off=DISABLED');
  });

  test('of several databases has what refers from one to another', async () => {
    await server.query(
      `CREATE DATABASE one; CREATE DATABASE two; CREATE TABLE one.p (id int PRIMARY KEY); INSERT INTO one.p VALUES (1), (2);
       CREATE TABLE two.c (id int PRIMARY KEY, p int, FOREIGN KEY (p) REFERENCES one.p (id)); INSERT INTO two.c VALUES (1, 1);
       CREATE VIEW one.both_of AS SELECT p.id, c.id AS c FROM one.p JOIN two.c ON c.p = p.id`,
    );
    const spec = { url: server.url(), databases: ['one', 'two'] };
    const both = await capture(spec);
    expect(both.entries.map(({ object }) => object)).toEqual(
      expect.arrayContaining(['db/one/table/p', 'db/two/table/c']),
    );
    await server.query('INSERT INTO two.c VALUES (2, 2); DELETE FROM two.c WHERE id = 1');
    expect(await restoreAndCompare(spec, both, { overwrite: true })).toMatchObject({ differences: [] });
    expect(await server.query('SELECT * FROM one.both_of')).toEqual([{ id: 1, c: 1 }]);
    await expect(server.query('INSERT INTO two.c VALUES (3, 3)')).rejects.toThrow(/foreign key/);
    const again = await capture(spec);
    expect(await compareWith(both, replay(again.entries))).toMatchObject({ differenceCount: 0 });
  });

  test('is refused where it cannot be, at the place that the user wrote', async () => {
    const problems = async (spec: { url: string; databases?: string[] }, member = taken.member) =>
      (await mariadbDriver.planRestore(spec, host, member, testContext())).problems.map(({ code, at }) => [
        code,
        at.join('.'),
      ]);
    const content = taken.member.content as {
      release: [number, number];
      collations: string[];
      engines: string[];
      undeclared: string[];
    };
    const other = (change: Partial<typeof content>) => ({
      ...taken.member,
      content: { ...content, ...change },
    });
    const url = server.url('new');
    expect(await problems({ url })).toEqual([]);
    expect(await problems({ url }, other({ release: [99, 0] }))).toEqual([['mariadb.target-older', 'url']]);
    expect(await problems({ url }, other({ collations: ['klingon_ci'] }))).toEqual([
      ['mariadb.collation-missing', 'url'],
    ]);
    expect(await problems({ url }, other({ engines: ['Quantum'] }))).toEqual([
      ['mariadb.engine-missing', 'url'],
    ]);
    expect(await problems({ url }, { ...taken.member, contentVersion: 99 })).toEqual([
      ['mariadb.newer-content', 'url'],
    ]);
    expect(await problems({ url }, other({ undeclared: ['shop.f'] }))).toEqual([
      ['mariadb.function-creators', 'url'],
    ]);
    expect(await problems({ url, databases: ['a', 'b'] })).toEqual([
      ['mariadb.databases-differ', 'databases'],
    ]);
    await server.query(
      "CREATE USER only@'127.0.0.1' IDENTIFIED BY 'x'; GRANT ALL PRIVILEGES ON new.* TO only@'127.0.0.1'",
    );
    expect(await problems({ url: server.url('new', 'only', 'x') })).toEqual([['mariadb.rights', 'url']]);
    await server.query("GRANT ALL PRIVILEGES ON `stasis\\_%`.* TO only@'127.0.0.1'");
    expect(await problems({ url: server.url('new', 'only', 'x') })).toEqual([]);
  });

  test.each(['before the tables move', 'after the tables have moved'])(
    'that died %s is taken back, with all code',
    async (when) => {
      await server.query(
        `CREATE OR REPLACE DATABASE theirs CHARACTER SET latin1 COMMENT 'mine'; USE theirs; CREATE TABLE t (n int);
       INSERT INTO t VALUES (1); CREATE VIEW v AS SELECT n FROM t; CREATE FUNCTION f () RETURNS int NO SQL RETURN 1;
       CREATE TRIGGER tr BEFORE INSERT ON t FOR EACH ROW SET NEW.n = f();
       CREATE EVENT ev ON SCHEDULE EVERY 1 DAY STARTS '2030-01-01 00:00:00' DO DELETE FROM t`,
      );
      const spec = { url: server.url('theirs') };
      const before = await capture(spec);
      const journal: unknown[] = [];
      // Another's transaction on the table keeps the rename waiting; a function in the way breaks what comes after it.
      const blocker = await server.connect('theirs');
      const early = when.startsWith('before');
      const held = await restore(spec, taken, {
        overwrite: true,
        restoreId: when,
        journal: async (entry) => {
          journal.push(JSON.parse(JSON.stringify(entry)));
          if (journal.length === 2)
            await blocker.query(
              early ? 'BEGIN; SELECT * FROM t' : 'CREATE FUNCTION lengthy () RETURNS int NO SQL RETURN 0',
            );
        },
      });
      const code = await held.release().catch((error: { code: string }) => error.code);
      expect(code).toBe(early ? 'mariadb.target-in-use' : 'mariadb.load-failed');
      await blocker.end();
      expect(journal.length).toBe(2);
      for (const entry of journal.toReversed()) await mariadbDriver.undo(spec, host, entry, testContext());
      await held[Symbol.asyncDispose]();
      const after = await capture(spec);
      expect(await compareWith(before, replay(after.entries))).toMatchObject({ differences: [] });
      const left = await server.query(
        "SELECT SCHEMA_NAME FROM information_schema.SCHEMATA WHERE SCHEMA_NAME LIKE 'stasis%'",
      );
      expect(left).toEqual([]);
    },
  );
});
