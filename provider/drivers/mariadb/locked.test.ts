import { afterAll, beforeAll, describe, expect, jest, test } from '@jest/globals';
import type mysql from 'mysql2/promise';
import { memoryBlobs, testContext } from '../../../test/support/context.ts';
import { copied, host, restoreAndCompare } from '../../../test/support/mariadb-rig.ts';
import { describeUnless } from '../../../test/support/skipped.ts';
import { SQL_FAMILY } from '../../../test/support/sql-family.ts';
import type { SqlServer } from '../../../test/support/sql-server.ts';
import { sleep } from '../../core/wait.ts';
import { mariadbDriver } from './driver.ts';

/** Tables without transactions, and servers whose log proves nothing. */
jest.setTimeout(120_000);

describe.each(SQL_FAMILY)('of $title', ({ missing, engine, start }) => {
  describeUnless(missing)('tables of engines without transactions', () => {
    let server: SqlServer;
    beforeAll(async () => {
      server = await start();
      await server.query(
        `CREATE DATABASE old; USE old; CREATE TABLE hits (n int) ENGINE=MyISAM; INSERT INTO hits VALUES (0);
       CREATE TABLE visits (n int) ENGINE=${engine}; INSERT INTO visits VALUES (0);
       CREATE TABLE orders (n int PRIMARY KEY); INSERT INTO orders VALUES (1)`,
      );
    });
    afterAll(() => server.stop());

    test('are locked while they are read, and the hold carries the position of the log at both ends', async () => {
      const spec = { url: server.url('old') };
      const context = testContext();
      const ending = new AbortController();
      const client = await server.connect('old');
      const counts = { hits: 0 };
      const counting = counted(client, counts, ending.signal);
      await using session = await mariadbDriver.prepare(spec, host, context);
      expect(session.watch).toBeUndefined();
      const hold = session.hold!;
      await hold.freeze(5_000, context.signal);
      const before = counts.hits;
      const [mark] = await session.mark!.take(context.signal);
      await sleep(50);
      const evidence = await hold.evidence(context.signal);
      // One write may have been acknowledged while our own answer was under way.
      expect(counts.hits - before).toBeLessThanOrEqual(1);
      await hold.thaw();
      expect(
        new Set([...evidence.readings.map(({ value }) => value), evidence.captured, mark?.epoch]).size,
      ).toBe(1);
      for (const { expected, observed } of evidence.conditions) expect(observed).toBe(expected);
      const taken = await copied(session, spec);
      while (counts.hits < before + 5) await sleep(5);
      ending.abort();
      await counting;
      expect(await restoreAndCompare({ url: server.url('new') }, taken)).toMatchObject({ differences: [] });
      const [restored] = await server.query('SELECT h.n AS hits, v.n AS visits FROM hits h, visits v', 'new');
      expect([0, 1]).toContain(Number(restored?.hits) - Number(restored?.visits));
      expect([before, before + 1]).toContain(Number(restored?.hits));
    });

    test('an ended session of ours, or a write to another table, makes the hold worth nothing', async () => {
      const context = testContext();
      await using session = await mariadbDriver.prepare({ url: server.url('old') }, host, context);
      const hold = session.hold!;
      await hold.freeze(5_000, context.signal);
      await session.mark!.take(context.signal);
      await server.query('UPDATE orders SET n = n + 1', 'old');
      const moved = await hold.evidence(context.signal);
      expect(moved.readings[0]?.value).not.toBe(moved.readings[1]?.value);
      const [locker] = await server.query(
        "SELECT ID FROM information_schema.PROCESSLIST WHERE COMMAND = 'Sleep' AND ID IN (SELECT MAX(ID) FROM information_schema.PROCESSLIST WHERE USER = 'root' AND ID <> CONNECTION_ID())",
      );
      await server.query(`KILL ${locker?.ID}`);
      const broken = await hold.evidence(context.signal);
      expect(broken.conditions[0]?.observed).toBe('not locked');
      await hold.thaw();
      await server.query('UPDATE hits SET n = n + 1', 'old');
    });

    test('a lease ends the lock when we never do', async () => {
      const context = testContext();
      await using session = await mariadbDriver.prepare({ url: server.url('old') }, host, context);
      await session.hold!.freeze(1_000, context.signal);
      const started = Date.now();
      await server.query('SET lock_wait_timeout = 20; UPDATE hits SET n = n + 1', 'old');
      expect(Date.now() - started).toBeLessThan(15_000);
    });

    test('without a log that proves stillness they are refused by name, and InnoDB is marked in one session', async () => {
      await using silent = await start({ settings: { 'skip-log-bin': true } });
      await silent.query(
        'CREATE DATABASE a; CREATE TABLE a.t (n int) ENGINE=MyISAM; CREATE DATABASE b; CREATE TABLE b.t (n int); INSERT INTO b.t VALUES (7)',
      );
      const refused = await mariadbDriver.plan({ url: silent.url('a') }, host, testContext());
      expect(refused.problems.find(({ code }) => code === 'mariadb.engine')?.message).toContain('`a`.`t`');
      const spec = { url: silent.url('b') };
      const planned = await mariadbDriver.plan(spec, host, testContext());
      expect(planned.problems.map(({ code, severity }) => [code, severity])).toEqual([
        ['mariadb.no-epoch', 'warning'],
      ]);
      const context = testContext();
      await using session = await mariadbDriver.prepare(spec, host, context);
      expect([session.watch, session.hold]).toEqual([undefined, undefined]);
      const marks = [
        await session.mark!.take(context.signal),
        await session.mark!.take(context.signal),
      ].flat();
      expect(marks.map(({ epoch }) => epoch)).toEqual([undefined, undefined]);
      expect(new Set(marks.map(({ act }) => act)).size).toBe(2);
      await session.copy(memoryBlobs());
    });
  });
});

/** Each hit is counted first, then the visit. */
async function counted(
  client: mysql.Connection,
  counts: { hits: number },
  signal: AbortSignal,
): Promise<void> {
  while (!signal.aborted) {
    await client.query('UPDATE hits SET n = n + 1');
    counts.hits += 1;
    await client.query('UPDATE visits SET n = n + 1');
    await sleep(1);
  }
  await client.end();
}
