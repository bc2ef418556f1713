import { describe, expect, jest, test } from '@jest/globals';
import { testContext } from '../../../test/support/context.ts';
import { host } from '../../../test/support/mariadb-rig.ts';
import { describeUnless } from '../../../test/support/skipped.ts';
import { SQL_FAMILY } from '../../../test/support/sql-family.ts';
import { mariadbDriver } from './driver.ts';

jest.setTimeout(120_000);

describe.each(SQL_FAMILY)('of $title', ({ missing, start }) => {
  describeUnless(missing)('a question', () => {
    test('is asked as it was written, of what the cut shows', async () => {
      await using server = await start();
      await server.query(
        "CREATE DATABASE shop; CREATE TABLE shop.t (n int PRIMARY KEY, w varchar(9) CHARACTER SET latin1); INSERT INTO shop.t VALUES (1, 'é')",
      );
      const context = testContext();
      await using session = await mariadbDriver.prepare({ url: server.url('shop') }, host, context);
      await session.mark!.take(context.signal);
      await server.query("INSERT INTO shop.t VALUES (2, 'é')");
      const question = { kind: 'sql' as const, words: ["SELECT n, w, '日本' FROM t WHERE w = 'é'"] };
      const options = { signal: context.signal, timeoutMs: 10_000 };
      expect(await session.markAnswers!.answer(question, options)).toEqual({ rows: [['1', 'é', '日本']] });
    });
  });
});
