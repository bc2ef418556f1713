import { afterAll, beforeAll, expect, jest, test } from '@jest/globals';
import { testContext } from '../../../test/support/context.ts';
import { capture, host } from '../../../test/support/mariadb-rig.ts';
import { findMariadb, startMariadb } from '../../../test/support/mariadb-server.ts';
import { startMysql, whyNoMysql } from '../../../test/support/mysql-server.ts';
import { describeUnless } from '../../../test/support/skipped.ts';
import type { SqlServer, SqlServerOptions } from '../../../test/support/sql-server.ts';
import type { LogProgress } from '../../core/log-position.ts';
import { sleep } from '../../core/wait.ts';
import { mariadbDriver } from './driver.ts';

jest.setTimeout(120_000);

const LOGGED = { 'log-bin': 'bin' } as const;
const PRODUCTS: readonly [string, string | undefined, (options?: SqlServerOptions) => Promise<SqlServer>][] =
  [
    ['MariaDB', findMariadb() === undefined ? 'no mariadbd on this machine' : undefined, startMariadb],
    ['MySQL', whyNoMysql(), startMysql],
  ];

for (const [name, whyNot, start] of PRODUCTS)
  describeUnless(whyNot)(`the log of a ${name}`, () => {
    let server: SqlServer;
    beforeAll(async () => {
      server = await start({ settings: LOGGED });
      await server.query('CREATE DATABASE shop; CREATE TABLE shop.orders (id int PRIMARY KEY)');
    });
    afterAll(() => server?.stop());

    test('is known at the cut, and so is what was written to it since, over several files', async () => {
      const spec = { url: server.url('shop') };
      const since = (await capture(spec)).member.position!;
      const progress = (): Promise<LogProgress> => mariadbDriver.progress!(spec, host, since, testContext());
      expect(await progress()).toEqual({ atCut: since.at, now: since.at, bytes: 0, transactions: 0 });
      for (let n = 0; n < 5; n += 1) await server.query(`INSERT INTO orders VALUES (${n})`, 'shop');
      const inOne = await progress();
      expect(inOne.transactions).toBe(5);
      expect(inOne.bytes).toBeGreaterThan(5 * 50);
      const [, first] = /:(\d+)$/.exec(since.at)!;
      const [, last] = /:(\d+)$/.exec(inOne.now)!;
      expect(inOne.bytes).toBe(Number(last) - Number(first));
      await server.query('FLUSH BINARY LOGS; INSERT INTO shop.orders VALUES (100)');
      const inTwo = await progress();
      expect(inTwo.transactions).toBe(6);
      expect(inTwo.bytes).toBeGreaterThan(inOne.bytes!);
      const [file] = inTwo.now.split(':');
      // A file goes once all that is in it has been noted by the engines, a moment later.
      for (let look = 0; (await server.query('SHOW BINARY LOGS')).length > 1; look += 1) {
        if (look > 0) await sleep(250);
        expect(look).toBeLessThan(100);
        await server.query(`PURGE BINARY LOGS TO '${file}'`);
      }
      expect(await progress()).toMatchObject({ atCut: since.at, bytes: undefined, transactions: 6 });
    });

    test('of another server is not compared with it, and a server without one has none', async () => {
      const { member } = await capture({ url: server.url('shop') });
      await using other = await start({ settings: { 'skip-log-bin': true } });
      await other.query('CREATE DATABASE shop');
      const spec = { url: other.url('shop') };
      await expect(
        mariadbDriver.progress!(spec, host, member.position!, testContext()),
      ).rejects.toMatchObject({ code: 'lost-work.other-log' });
      expect((await capture(spec)).member.position).toBeUndefined();
    });
  });
