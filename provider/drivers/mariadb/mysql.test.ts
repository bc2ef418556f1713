import { afterAll, beforeAll, expect, jest, test } from '@jest/globals';
import { memoryBlobs, testContext } from '../../../test/support/context.ts';
import {
  capture,
  compareWith,
  everyTypeOfMysql,
  host,
  replay,
  restoreAndCompare,
  type Taken,
} from '../../../test/support/mariadb-rig.ts';
import { findMariadb, startMariadb } from '../../../test/support/mariadb-server.ts';
import { type MysqlServer, startMysql, whyNoMysql } from '../../../test/support/mysql-server.ts';
import { describeUnless, testUnless } from '../../../test/support/skipped.ts';
import { mariadbDriver } from './driver.ts';

jest.setTimeout(120_000);

/** The server's checksum of its index over an array differs from one call to the next, of one and the same table. */
const WITHOUT_CHECKSUM = 'tagged';

describeUnless(whyNoMysql())('a restored MySQL', () => {
  let server: MysqlServer;
  let taken: Taken;
  beforeAll(async () => {
    server = await startMysql();
    await everyTypeOfMysql(server, 'shop');
    taken = await capture({ url: server.url('shop') });
  });
  afterAll(() => server.stop());

  test('has every value of every type as it was, by the server’s own checksum', async () => {
    expect(taken.member.system).toEqual({ product: 'MySQL', version: server.version });
    const comparison = await restoreAndCompare({ url: server.url('twin') }, taken);
    expect(comparison).toMatchObject({ differences: [], equal: taken.entries.length });
    const tables = (
      await server.query(
        "SELECT TABLE_NAME AS name FROM information_schema.TABLES WHERE TABLE_SCHEMA = 'shop' AND TABLE_TYPE = 'BASE TABLE'",
      )
    ).map(({ name }) => String(name));
    expect(tables.length).toBeGreaterThan(16);
    for (const table of tables.filter((name) => name !== WITHOUT_CHECKSUM)) {
      const quoted = `\`${table.replaceAll('`', '``')}\``;
      const sums = await server.query(`CHECKSUM TABLE shop.${quoted}, twin.${quoted} EXTENDED`);
      expect([table, sums[1]?.Checksum]).toEqual([table, sums[0]?.Checksum]);
    }
    const kinds = (database: string) =>
      server.query(
        `SELECT id, JSON_TYPE(j) AS t, JSON_TYPE(j -> '$.a[1]') AS one, JSON_TYPE(j -> '$.a[4]') AS four, CAST(j AS char) AS j FROM ${database}.documents ORDER BY id`,
      );
    expect(await kinds('twin')).toEqual(await kinds('shop'));
    expect(await server.query('SELECT id FROM tagged WHERE 4 MEMBER OF (tags)', 'twin')).toEqual([{ id: 1 }]);
    const [definition] = await server.query('SHOW CREATE TABLE texts', 'twin');
    for (const part of [
      'lower(`c`)',
      'INVISIBLE',
      '`v` DESC',
      'utf8mb4_0900_as_cs',
      'utf8mb4_ja_0900_as_cs_ks',
    ])
      expect(definition?.['Create Table']).toContain(part);
  });

  test('works like the one that was captured: numbers go on, code runs, keys and checks hold', async () => {
    await restoreAndCompare({ url: server.url('works') }, taken, { restoreId: 'works' });
    await server.query("INSERT INTO notes (word) VALUES ('later')", 'works');
    expect(await server.query("SELECT id FROM notes WHERE word = 'later'", 'works')).toEqual([{ id: 3 }]);
    expect(await server.query('SELECT r FROM a_first ORDER BY r LIMIT 1', 'works')).toEqual([{ r: 2 }]);
    await expect(server.query('INSERT INTO child VALUES (9, 99)', 'works')).rejects.toThrow(/foreign key/);
    await expect(server.query('INSERT INTO computed (b) VALUES (1000)', 'works')).rejects.toThrow(/small/);
    await server.query('INSERT INTO computed (b) VALUES (1)', 'works');
    const [events] = await server.query(
      "SELECT GROUP_CONCAT(EVENT_NAME, '=', STATUS ORDER BY EVENT_NAME) AS e FROM information_schema.EVENTS WHERE EVENT_SCHEMA = 'works'",
    );
    expect(events?.e).toBe('nightly=ENABLED,off=DISABLED');
  });

  test('is known by the restore that filled it, which is no part of a capture of it', async () => {
    const spec = { url: server.url('known') };
    await restoreAndCompare(spec, taken, { restoreId: 'known by this' });
    const plan = await mariadbDriver.planRestore(spec, host, taken.member, testContext());
    expect(plan).toMatchObject({ problems: [], empty: false, restoredBy: 'known by this' });
    const again = await capture(spec);
    expect(await compareWith(taken, replay(again.entries))).toMatchObject({ differences: [] });
    await restoreAndCompare(spec, again, { restoreId: 'another', overwrite: true });
    const later = await mariadbDriver.planRestore(spec, host, taken.member, testContext());
    expect(later.restoredBy).toBe('another');
    await server.query('DROP DATABASE known; CREATE DATABASE known');
    const fresh = await mariadbDriver.planRestore(spec, host, taken.member, testContext());
    expect([fresh.empty, fresh.restoredBy]).toEqual([true, undefined]);
  });

  testUnless(findMariadb() ? undefined : 'no MariaDB server on this machine')(
    'is never one of the other product',
    async () => {
      await using other = await startMariadb();
      await other.query('CREATE DATABASE theirs; CREATE TABLE theirs.t (n int PRIMARY KEY)');
      const theirs = await capture({ url: other.url('theirs') });
      for (const [url, from] of [
        [other.url('new'), taken],
        [server.url('new'), theirs],
      ] as const) {
        const { problems } = await mariadbDriver.planRestore({ url }, host, from.member, testContext());
        expect(problems.map(({ code, at }) => [code, at.join('.')])).toEqual([
          ['mariadb.other-product', 'url'],
        ]);
        const restoring = restoreAndCompare({ url }, from);
        await expect(restoring).rejects.toMatchObject({ code: 'mariadb.other-product' });
      }
    },
  );
});

describeUnless(whyNoMysql())('a MySQL without GTIDs', () => {
  let server: MysqlServer;
  beforeAll(async () => {
    server = await startMysql({ settings: { 'gtid-mode': 'OFF', 'enforce-gtid-consistency': 'OFF' } });
    await server.query(
      'CREATE DATABASE shop; CREATE TABLE shop.t (n int PRIMARY KEY); INSERT INTO shop.t VALUES (7)',
    );
  });
  afterAll(() => server.stop());

  test('is marked, by one session, and the plan says what its epochs would take', async () => {
    const spec = { url: server.url('shop') };
    const { problems } = await mariadbDriver.plan(spec, host, testContext());
    expect(problems.map(({ code, severity }) => [code, severity])).toEqual([['mariadb.no-epoch', 'warning']]);
    expect(problems[0]?.message).toContain('gtid_mode is OFF');
    const context = testContext();
    await using session = await mariadbDriver.prepare(spec, host, context);
    expect([session.watch, session.hold]).toEqual([undefined, undefined]);
    const marks = await session.mark!.take(context.signal);
    expect(marks.map(({ epoch }) => epoch)).toEqual([undefined]);
    await session.copy(memoryBlobs());
  });
});
