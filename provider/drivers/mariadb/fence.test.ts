import type { Readable } from 'node:stream';
import { afterAll, beforeAll, describe, expect, jest, test } from '@jest/globals';
import mysql from 'mysql2/promise';
import { testContext } from '../../../test/support/context.ts';
import { capture, compareWith, host, observed, replay } from '../../../test/support/mariadb-rig.ts';
import { findMariadb, startMariadb } from '../../../test/support/mariadb-server.ts';
import { until } from '../../../test/support/process/rig.ts';
import { describeUnless } from '../../../test/support/skipped.ts';
import { SQL_FAMILY } from '../../../test/support/sql-family.ts';
import type { SqlServer } from '../../../test/support/sql-server.ts';
import type { StasisError } from '../../core/errors.ts';
import { sleep } from '../../core/wait.ts';
import { mariadbDriver } from './driver.ts';
import { mariadbSpec } from './spec.ts';

jest.setTimeout(120_000);
const context = testContext();
const { obstacles, raise } = mariadbDriver.fence!;
/** ER_OPTION_PREVENTS_STATEMENT */
const READ_ONLY = 1290;

async function problems(url: string): Promise<StasisError[]> {
  return [...(await obstacles(mariadbSpec.parse({ url }), host, context))];
}

async function codes(url: string): Promise<string[]> {
  return (await problems(url)).map(({ code, severity }) => `${severity} ${code}`).sort();
}

function as(server: SqlServer, user: string): Promise<mysql.Connection> {
  return mysql.createConnection({
    uri: server.url('shop', user, user).replace('mariadb:', 'mysql:'),
    multipleStatements: true,
  });
}

/** 0 where the statement was taken. */
function refusal(connection: mysql.Connection, sql: string): Promise<unknown> {
  return connection.query(sql).then(
    () => 0,
    (error: { errno?: number; message: string }) => error.errno ?? error.message,
  );
}

async function makeShop(server: SqlServer): Promise<void> {
  await server.query(
    `CREATE DATABASE shop; USE shop; CREATE TABLE t (n int PRIMARY KEY); CREATE TABLE hits (n int) ENGINE=MyISAM;
     INSERT INTO t VALUES (0); INSERT INTO hits VALUES (0);
     CREATE USER app@'%' IDENTIFIED BY 'app'; GRANT ALL ON shop.* TO app@'%'`,
  );
}

describe.each(SQL_FAMILY)('a fence of $title', ({ title, missing, start }) => {
  describeUnless(missing)('and what it does', () => {
    let server: SqlServer;
    beforeAll(async () => {
      server = await start();
      await makeShop(server);
    });
    afterAll(() => server?.stop());

    const spec = () => mariadbSpec.parse({ url: server.url('shop') });

    async function raised(): Promise<unknown[]> {
      const entries: unknown[] = [];
      await raise(spec(), host, async (entry) => void entries.push(entry), context);
      return entries;
    }

    async function lifted(entries: readonly unknown[]): Promise<void> {
      for (const entry of entries) await mariadbDriver.undo(spec(), host, entry, context);
    }

    async function settings(): Promise<unknown> {
      const kept = title === 'MySQL' ? 'SELECT * FROM performance_schema.persisted_variables' : 'SELECT 1';
      return [await server.query("SHOW GLOBAL VARIABLES LIKE '%read\\_only'"), await server.query(kept)];
    }

    test('takes nothing that is under way and nothing that begins later, is read and captured, and lifted', async () => {
      const before = await settings();
      const [open, locking, writing] = await Promise.all([
        as(server, 'app'),
        as(server, 'app'),
        as(server, 'app'),
      ]);
      for (const one of [open, locking, writing]) one.on('error', () => undefined);
      await open.query('BEGIN');
      await open.query('INSERT INTO t VALUES (-1)');
      await locking.query('LOCK TABLES hits WRITE');
      let acknowledged = 0;
      const writer = (async () => {
        for (let n = 1; ; n += 1) {
          await writing.query(`INSERT INTO t VALUES (${n})`);
          acknowledged = n;
        }
      })().catch((error: { errno?: number }) => error.errno ?? 'lost');
      while (acknowledged < 5) await sleep(5);

      const entries = await raised();
      const until = acknowledged;
      expect(await refusal(open, 'COMMIT')).not.toBe(0);
      expect(await refusal(locking, 'INSERT INTO hits VALUES (1)')).not.toBe(0);
      const late = await as(server, 'app');
      for (const statement of [
        'INSERT INTO t VALUES (-2)',
        'INSERT INTO hits VALUES (2)',
        'CREATE TABLE u (n int)',
      ])
        expect([statement, await refusal(late, statement)]).toEqual([statement, READ_ONLY]);
      const [[row]] = await late.query<mysql.RowDataPacket[]>(
        'SELECT MAX(n) AS most, MIN(n) AS least FROM t',
      );
      expect(row).toEqual({ most: until, least: 0 });
      await writer;
      expect(acknowledged).toBe(until);

      const taken = await capture(spec());
      expect(await compareWith(taken, replay(await observed(spec())))).toMatchObject({
        differences: [],
        equal: taken.entries.length,
      });

      await lifted(entries);
      expect(await refusal(late, 'DELETE FROM t WHERE n > 0')).toBe(0);
      expect(await settings()).toEqual(before);
      for (const one of [open, locking, writing, late]) one.destroy();
    });

    test('does not wait for a client that was frozen in the middle of a transaction, and of an answer', async () => {
      const client = await as(server, 'app');
      client.on('error', () => undefined);
      await client.query('BEGIN');
      await client.query('INSERT INTO t VALUES (-9)');
      // It reads no more, as one that is frozen: the server waits in the middle of what it sends.
      (Reflect.get(Reflect.get(client, 'connection') as object, 'stream') as Readable).pause();
      void client
        .query(
          `INSERT INTO t VALUES (-10); SELECT REPEAT('x', 1000000) ${"UNION ALL SELECT REPEAT('y', 1000000) ".repeat(50)}`,
        )
        .catch(() => undefined);
      await until(async () =>
        (await server.query('SHOW PROCESSLIST')).some(({ State }) => /net|send/i.test(String(State))),
      );
      const entries = await raised();
      expect(await server.query('SELECT n FROM shop.t WHERE n < 0')).toEqual([]);
      await lifted(entries);
      client.destroy();
    });

    test('of two databases of one server is raised by both at once', async () => {
      const entries: unknown[] = [];
      const note = async (entry: unknown): Promise<void> => void entries.push(entry);
      await server.query('CREATE DATABASE shelf');
      const specs = ['shop', 'shelf'].map((name) => mariadbSpec.parse({ url: server.url(name) }));
      await Promise.all(specs.map((one) => raise(one, host, note, context)));
      const app = await as(server, 'app');
      expect(await refusal(app, 'INSERT INTO t VALUES (-6)')).toBe(READ_ONLY);
      await lifted(entries);
      expect(await refusal(app, 'CREATE TABLE later (n int)')).toBe(0);
      app.destroy();
      await server.query('DROP DATABASE shelf; DROP TABLE shop.later');
    });

    test('is raised twice and lifted in any order, and leaves on what was on', async () => {
      for (const reversed of [false, true]) {
        const before = await settings();
        const entries = [...(await raised()), ...(await raised())];
        await lifted(reversed ? entries.toReversed() : entries);
        await lifted(entries);
        expect(await settings()).toEqual(before);
      }
      await server.query('SET GLOBAL read_only = ON');
      const before = await settings();
      await lifted(await raised());
      expect(await settings()).toEqual(before);
      await server.query('SET GLOBAL read_only = OFF');
    });

    test('is kept from being raised by what writes without a session', async () => {
      expect(await codes(server.url('shop'))).toEqual([]);
      const client = await server.connect('shop');
      await client.query("XA START 'later'; INSERT INTO t VALUES (-3); XA END 'later'; XA PREPARE 'later'");
      await client.end();
      await server.query(
        title === 'MySQL'
          ? `CHANGE REPLICATION SOURCE TO SOURCE_HOST = '127.0.0.1', SOURCE_PORT = 1, SOURCE_USER = 'x'; START REPLICA`
          : `CHANGE MASTER TO MASTER_HOST = '127.0.0.1', MASTER_PORT = 1, MASTER_USER = 'x'; START SLAVE`,
      );
      const found = (await problems(server.url('shop'))).map(({ message }) => message).sort();
      expect(found).toEqual([
        'A fence does not keep a replication from another server from writing.',
        'A fence does not keep prepared XA transactions from writing.',
      ]);
      await server.query(
        title === 'MySQL' ? 'STOP REPLICA; RESET REPLICA ALL' : 'STOP SLAVE; RESET SLAVE ALL',
      );
      await server.query("XA ROLLBACK 'later'");
      expect(await codes(server.url('shop'))).toEqual([]);
    });

    test('needs rights, which the hint grants, and concerns the whole server, which is told', async () => {
      await server.query(`CREATE DATABASE other; CREATE USER mover@'%' IDENTIFIED BY 'mover';
        GRANT SELECT, SHOW VIEW, TRIGGER, EVENT, LOCK TABLES ON shop.* TO mover@'%'`);
      const url = server.url('shop', 'mover', 'mover');
      const [problem] = await problems(url);
      expect(problem?.code).toBe('mariadb.fence-rights');
      for (const statement of problem!.hint!.replace(/\.$/, '').split('; '))
        await server.query(statement.replace('TO mover@%', "TO mover@'%'"));
      expect((await codes(url)).filter((code) => code !== 'warning mariadb.fence-passing')).toEqual([]);
      const entries: unknown[] = [];
      const own = mariadbSpec.parse({ url });
      await raise(own, host, async (entry) => void entries.push(entry), context);
      const app = await as(server, 'app');
      expect(await refusal(app, 'INSERT INTO t VALUES (-4)')).toBe(READ_ONLY);
      for (const entry of entries) await mariadbDriver.undo(own, host, entry, context);
      expect(await refusal(app, 'INSERT INTO t VALUES (-4)')).toBe(0);
      app.destroy();
      await server.query('GRANT SELECT ON other.* TO mover');
      expect(await codes(url)).toContain('warning mariadb.fence-whole-server');
      await server.query('DROP DATABASE other; DROP USER mover');
    });

    if (title === 'MySQL')
      test('holds when the server is started anew, and is lifted then', async () => {
        const before = await settings();
        const entries = await raised();
        await server.restart();
        expect(await refusal(await server.connect('shop'), 'INSERT INTO t VALUES (-5)')).toBe(READ_ONLY);
        await lifted(entries);
        expect(await settings()).toEqual(before);
        await server.restart();
        expect(await settings()).toEqual(before);
      });
  });
});

describeUnless(findMariadb() ? undefined : 'no MariaDB server on this machine')(
  'what passes read_only of MariaDB',
  () => {
    let server: SqlServer;
    beforeAll(async () => {
      server = await startMariadb({ settings: { 'event-scheduler': 'ON' } });
      await makeShop(server);
      await server.query(`CREATE ROLE keeper; GRANT READ_ONLY ADMIN ON *.* TO keeper;
      CREATE USER clerk@'%' IDENTIFIED BY 'clerk'; GRANT ALL ON shop.* TO clerk@'%'; GRANT keeper TO clerk@'%';
      SET DEFAULT ROLE keeper FOR clerk@'%'`);
    });
    afterAll(() => server?.stop());

    test('is named: accounts by their roles, sessions of theirs, procedures and events', async () => {
      expect(await codes(server.url('shop'))).toEqual(['warning mariadb.fence-passing']);
      const session = await as(server, 'clerk');
      expect(await codes(server.url('shop'))).toEqual([
        'error mariadb.fence-passed',
        'warning mariadb.fence-passing',
      ]);
      await session.end();
      await server.query(`CREATE PROCEDURE shop.p() INSERT INTO t VALUES (1);
      CREATE EVENT shop.e ON SCHEDULE EVERY 1 DAY STARTS NOW() + INTERVAL 1 DAY DO INSERT INTO t VALUES (1)`);
      const [found] = (await problems(server.url('shop'))).filter(({ severity }) => severity === 'error');
      expect(found).toMatchObject({
        code: 'mariadb.fence-goes-on',
        message:
          'A fence does not keep the event shop.e, the procedure shop.p from writing, whose definer has READ_ONLY ADMIN.',
      });
      await server.query('ALTER PROCEDURE shop.p SQL SECURITY INVOKER; ALTER EVENT shop.e DISABLE');
      expect(await codes(server.url('shop'))).toEqual(['warning mariadb.fence-passing']);
    });

    test('keeps the fence from being raised where it comes back, and is let go then', async () => {
      const stop = new AbortController();
      const coming = (async () => {
        while (!stop.signal.aborted) {
          const session = await as(server, 'clerk').catch(() => undefined);
          session?.on('error', () => undefined);
          while (!stop.signal.aborted && (await session?.query('SELECT 1').catch(() => undefined)))
            await sleep(5);
        }
      })();
      const entries: unknown[] = [];
      const spec = mariadbSpec.parse({ url: server.url('shop') });
      const thrown = await raise(spec, host, async (entry) => void entries.push(entry), context).catch(
        (error: unknown) => error,
      );
      stop.abort();
      await coming;
      expect(thrown).toMatchObject({ code: 'mariadb.not-fenced', message: expect.stringContaining('clerk') });
      for (const entry of entries) await mariadbDriver.undo(spec, host, entry, context);
      const app = await as(server, 'app');
      expect(await refusal(app, 'INSERT INTO t VALUES (9)')).toBe(0);
      app.destroy();
    });
  },
);
