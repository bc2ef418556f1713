import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { testContext } from '../../../test/support/context.ts';
import { capture, host } from '../../../test/support/postgres-rig.ts';
import { type PostgresServer, startPostgres } from '../../../test/support/postgres-server.ts';
import { postgresDriver } from './driver.ts';
import { finishedBetween } from './log-position.ts';

const MINUTES = 60_000;
let server: PostgresServer;

beforeAll(async () => {
  server = await startPostgres({ settings: { autovacuum: 'off' } });
  await server.query('CREATE DATABASE shop');
  await server.query('CREATE TABLE orders (id int)', { database: 'shop' });
}, MINUTES);
afterAll(() => server?.stop());

describe('the log of a Postgres', () => {
  test(
    'is known at the cut, and so is what was written to it since, transaction by transaction',
    async () => {
      const spec = { url: server.url('shop') };
      const { member } = await capture(spec);
      const since = member.position!;
      const progress = () => postgresDriver.progress!(spec, host, since, testContext());
      expect(await progress()).toMatchObject({ atCut: since.at, transactions: 0 });
      for (let n = 0; n < 7; n += 1)
        await server.query(`INSERT INTO orders VALUES (${n})`, { database: 'shop' });
      const found = await progress();
      const [own] = await server.query(`SELECT pg_wal_lsn_diff('${found.now}', '${since.at}')::int AS bytes`);
      expect(found).toEqual({ atCut: since.at, now: found.now, bytes: own!.bytes, transactions: 7 });
      expect(found.bytes).toBeGreaterThan(7 * 50);
    },
    MINUTES,
  );

  test(
    'of another server is not compared with it',
    async () => {
      const { member } = await capture({ url: server.url('shop') });
      await using other = await startPostgres();
      const asked = postgresDriver.progress!({ url: other.url() }, host, member.position!, testContext());
      await expect(asked).rejects.toMatchObject({ code: 'lost-work.other-log' });
    },
    MINUTES,
  );
});

test('transactions that ran at the first snapshot have ended since, those that run at the second have not', () => {
  expect(finishedBetween('10:10:', '10:10:')).toBe(0);
  expect(finishedBetween('8:12:8,10', '12:12:')).toBe(2);
  expect(finishedBetween('10:10:', '10:13:10,12')).toBe(1);
});
