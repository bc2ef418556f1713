import { afterAll, beforeAll, expect, jest, test } from '@jest/globals';
import { testContext } from '../../../test/support/context.ts';
import {
  capture,
  compareRunning,
  everyType,
  everyTypeOfMysql,
  host,
  restore,
  stored,
  type Taken,
} from '../../../test/support/mariadb-rig.ts';
import { findMariadb, startMariadb } from '../../../test/support/mariadb-server.ts';
import { startMysql, whyNoMysql } from '../../../test/support/mysql-server.ts';
import { describeUnless } from '../../../test/support/skipped.ts';
import type { SqlServer } from '../../../test/support/sql-server.ts';
import { compareStates } from '../../core/compare-states.ts';
import type { Comparison } from '../../core/fingerprint.ts';
import { mariadbDriver } from './driver.ts';

jest.setTimeout(180_000);

const TABLES = `
  CREATE TABLE many (id bigint PRIMARY KEY, note text, amount decimal(10,2), at datetime(3), real_one double);
  INSERT INTO many WITH RECURSIVE n (n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM n WHERE n < 900),
      m (m) AS (SELECT 0 UNION ALL SELECT m + 1 FROM m WHERE m < 9)
    SELECT n + 900 * m, IF(n % 7 = 0, NULL, CONCAT('note ', n, '\\n"x"')), n / 3, '2026-01-01', n / 7 FROM n, m;
  CREATE TABLE odd (k varchar(100) COLLATE utf8mb4_bin PRIMARY KEY, v int);
  CREATE TABLE pairs (region varchar(10), number int, v varchar(5), PRIMARY KEY (number, region));
  INSERT INTO pairs VALUES ('eu', 1, 'a'), ('us', 1, 'a'), ('eu', 2, 'a');
  CREATE TABLE bytes (k binary(4) PRIMARY KEY, v longblob);
  INSERT INTO bytes VALUES (0xff00ff00, REPEAT('x', 100000)), (0x61626364, '');
  CREATE TABLE computed (id int PRIMARY KEY, v int, twice int AS (v * 2) STORED, also int AS (v + 1) VIRTUAL);
  INSERT INTO computed (id, v) VALUES (1, 1), (2, 2);
  CREATE TABLE keyless (v int);
  INSERT INTO keyless VALUES (1), (1), (2)`;

const ODD = ['plain', '', ' a', "it's", '"', '\\', '\\n', 'tab\t', 'line\nend', '\0', 'Grüße 🐘', "'),\n('"];

const CHANGES = `
  UPDATE many SET note = 'x' WHERE id = 4711; DELETE FROM many WHERE id = 17; INSERT INTO many (id) VALUES (-5);
  UPDATE odd SET v = 1;
  UPDATE pairs SET v = 'b' WHERE region = 'us';
  UPDATE bytes SET v = CONCAT(v, 'y');
  UPDATE computed SET v = 3 WHERE id = 2;
  UPDATE keyless SET v = 3 WHERE v = 2`;

const SAID = {
  'table/bytes': '2 rows changed: k=0xff00ff00, k=abcd',
  'table/computed': '1 row changed: id=2',
  'table/keyless': '1 row missing, 1 row extra (no key names them)',
  'table/many': '1 row changed: id=4711; 1 row missing: id=17; 1 row extra: id=-5',
  'table/pairs': '1 row changed: number=1, region=us',
};

const SERVERS = [
  {
    ...{ name: 'MariaDB', missing: findMariadb() ? undefined : 'no MariaDB server on this machine' },
    ...{ start: startMariadb, fill: everyType },
  },
  { name: 'MySQL', missing: whyNoMysql(), start: startMysql, fill: everyTypeOfMysql },
];

function expectNamed({ differences }: Comparison): void {
  const rows = differences.filter(({ object }) => object.startsWith('table/'));
  const { 'table/odd': odd, ...others } = Object.fromEntries(
    rows.map(({ object, message }) => [object, message]),
  );
  expect(others).toEqual(SAID);
  expect(odd).toContain(`${ODD.length} rows changed: `);
  const named = rows.find(({ object }) => object === 'table/odd')!.within!.named;
  expect(new Set(named.map(({ name }) => name))).toEqual(
    new Set(ODD.map((key) => `k=${key === 'plain' ? key : JSON.stringify(key)}`)),
  );
}

for (const { name, missing, start, fill } of SERVERS)
  describeUnless(missing)(`rows of ${name}`, () => {
    let server: SqlServer;
    let taken: Taken;

    beforeAll(async () => {
      server = await start();
      await server.query('CREATE DATABASE shop CHARACTER SET utf8mb4');
      await server.query(TABLES, 'shop');
      const connection = await server.connect('shop');
      for (const key of ODD) await connection.query('INSERT INTO odd VALUES (?, 0)', [key]);
      await connection.end();
      taken = await capture({ url: server.url('shop') });
      await using held = await restore({ url: server.url('twin') }, taken);
      await held.release();
      await server.query(CHANGES, 'twin');
    });
    afterAll(() => server?.stop());

    test('that differ are named: a snapshot and what runs, two that run, two snapshots', async () => {
      expectNamed(await compareRunning(stored(taken), { url: server.url('twin') }));
      await using held = await mariadbDriver.observe({ url: server.url('shop') }, host, testContext());
      await using left = await held.readable!();
      expectNamed(await compareRunning(left, { url: server.url('twin') }));
      const later = await capture({ url: server.url('twin') });
      expectNamed(await compareStates(stored(taken), stored(later), testContext()));
    });

    test('that differ are named of what a restore has loaded and not yet released', async () => {
      const later = await capture({ url: server.url('twin') });
      await using held = await restore({ url: server.url('third') }, later);
      {
        await using state = await held.readable!();
        expectNamed(await compareStates(stored(taken), state, testContext()));
      }
      await held.release();
      expect(await server.query('SELECT note FROM many WHERE id = 4711', 'third')).toEqual([{ note: 'x' }]);
    });

    // inet4 and inet6 are hashed as the bytes that they are, and copied as text.
    test('of every type read in a snapshot as the server hashed them', async () => {
      await server.query('CREATE DATABASE ids');
      const uuid = name === 'MariaDB' ? 'uuid' : 'char(36)';
      await server.query(
        `CREATE TABLE ids (id ${uuid} PRIMARY KEY, v int); INSERT INTO ids VALUES (UUID(), 1)`,
        'ids',
      );
      const ids = await capture({ url: server.url('ids') });
      await server.query('UPDATE ids SET v = 2', 'ids');
      const [found] = (await compareRunning(stored(ids), { url: server.url('ids') })).differences;
      expect(found!.message).toMatch(/^1 row changed: id=[0-9a-f-]{36}$/);

      await fill(server as Parameters<typeof fill>[0], 'every');
      const every = await capture({ url: server.url('every') });
      const itemsOf = mariadbDriver.storedItems!(every.member, every.blobs);
      const { signal } = testContext();
      const read: string[] = [];
      const unread: string[] = [];
      for (const entry of every.entries) {
        const items = await itemsOf(entry);
        if (items === undefined) continue;
        const { fields, key } = items;
        await items.tree({ fields, key, depth: 1 }, { timeoutMs: 60_000, signal }).then(
          () => read.push(entry.object),
          (error) => unread.push(`${entry.object}: ${error.message}`),
        );
      }
      expect(unread).toEqual(
        name === 'MariaDB' ? ['table/addresses: its stored rows do not read as the server printed them'] : [],
      );
      expect(read.length).toBeGreaterThan(12);
    });
  });
