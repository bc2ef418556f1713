import { afterAll, beforeAll, describe, expect, jest, test } from '@jest/globals';
import type mysql from 'mysql2/promise';
import { testContext } from '../../../test/support/context.ts';
import { copied, host } from '../../../test/support/mariadb-rig.ts';
import { describeUnless } from '../../../test/support/skipped.ts';
import { SQL_FAMILY } from '../../../test/support/sql-family.ts';
import type { SqlServer } from '../../../test/support/sql-server.ts';
import { sleep } from '../../core/wait.ts';
import { mariadbDriver } from './driver.ts';

/** What the proof of a cut rests on: others' transactions are looked at from outside, through sessions of the test. */
jest.setTimeout(120_000);
const WRITERS = 4;
const ACCOUNTS = 40;
const TABLES = 4;
const ROUNDS = 300;
/** The longest pause of a writer between two transactions. */
const PAUSE_MS = 6;
/** How long a moment in which nobody writes is looked for. */
const QUIET_MS = 60_000;
const NAMES = Array.from({ length: TABLES }, (_, index) => `account_${index}`);
const BOOKS = `SELECT CONCAT_WS(';', ${NAMES.map((name) => `(SELECT GROUP_CONCAT(balance, ':', moves ORDER BY id) FROM ${name})`).join(', ')}) AS books`;

const IDS = Array.from({ length: ACCOUNTS }, (_, index) => `(${index + 1}, 100, 0)`).join(', ');

describe.each(SQL_FAMILY)('of $title', ({ title, missing, start }) => {
  describeUnless(missing)('the position of the log', () => {
    let server: SqlServer;
    const ending = new AbortController();
    const writers: Promise<void>[] = [];
    const pace = { pauseMs: PAUSE_MS };

    beforeAll(async () => {
      server = await start();
      const tables = NAMES.map(
        (name) => `CREATE TABLE ${name} (id int PRIMARY KEY, balance bigint, moves bigint);
        INSERT INTO ${name} VALUES ${IDS}`,
      );
      await server.query(`CREATE DATABASE bank; USE bank; ${tables.join(';')}`);
      for (let writer = 0; writer < WRITERS; writer += 1)
        writers.push(moving(await server.connect('bank'), pace, ending.signal));
    });

    afterAll(async () => {
      ending.abort();
      await Promise.all(writers);
      await server.stop();
    });

    test('written and visible alike, and then the same again, proves that nothing became visible', async () => {
      const context = testContext();
      await using session = await mariadbDriver.prepare({ url: server.url('bank') }, host, context);
      const reader = await server.connect('bank');
      const seen = { still: 0, moved: 0, unprovable: 0 };
      // On a busy machine quiet moments are rare: it goes on until it has met one, with slower and slower
      // writers, but not for ever.
      const untilMs = Date.now() + QUIET_MS;
      for (let round = 0; round < ROUNDS || (seen.still === 0 && Date.now() < untilMs); round += 1) {
        if (seen.still === 0 && round >= ROUNDS / 2 && round % 25 === 0) pace.pauseMs *= 2;
        const before = await session.watch!.epoch(context.signal);
        const [first] = await reader.query(BOOKS);
        const [second] = await reader.query(BOOKS);
        const after = await session.watch!.epoch(context.signal);
        if (before.unprovable !== undefined) seen.unprovable += 1;
        else if (before.value !== after.value) seen.moved += 1;
        else {
          expect(second).toEqual(first);
          seen.still += 1;
        }
      }
      await reader.end();
      pace.pauseMs = PAUSE_MS;
      console.log(`epochs of ${title} under load: ${JSON.stringify(seen)}`);
      expect(seen.still).toBeGreaterThan(0);
      expect(seen.moved + seen.unprovable).toBeGreaterThan(0);
    });

    test('is what makes several snapshots one mark, and one session the mark where it is never quiet', async () => {
      const context = testContext();
      const spec = { url: server.url('bank') };
      const seen = { proven: 0, alone: 0 };
      for (let round = 0; round < 6; round += 1) {
        await using session = await mariadbDriver.prepare(spec, host, context);
        const marks = await session.mark!.take(context.signal);
        expect(marks.length).toBe(1);
        seen[marks[0]!.epoch === undefined ? 'alone' : 'proven'] += 1;
        const { blobs } = await copied(session, spec);
        const text = [...blobs.contents.values()]
          .map((bytes) => bytes.toString())
          .filter((each) => each.startsWith('('));
        const sums = text
          .flatMap((each) => each.trim().split('\n'))
          .map((line) => line.slice(1, -2).split(',').map(Number));
        expect(sums.length).toBe(TABLES * ACCOUNTS);
        expect(sums.reduce((sum, [, balance]) => sum + balance!, 0)).toBe(TABLES * ACCOUNTS * 100);
      }
      console.log(`marks of ${TABLES} tables of ${title} under load: ${JSON.stringify(seen)}`);
    });

    test('proves nothing while an XA transaction is prepared', async () => {
      const context = testContext();
      await using session = await mariadbDriver.prepare({ url: server.url('bank') }, host, context);
      const client = await server.connect('bank');
      await client.query(
        "CREATE TABLE IF NOT EXISTS other (n int); XA START 'x'; INSERT INTO other VALUES (1); XA END 'x'; XA PREPARE 'x'",
      );
      const reasons = new Set<string | undefined>();
      for (let look = 0; look < 50; look += 1)
        reasons.add((await session.watch!.epoch(context.signal)).unprovable);
      expect(reasons).not.toContain(undefined);
      expect([...reasons].join()).toContain('XA');
      await client.query("XA COMMIT 'x'");
      await client.end();
      while ((await session.watch!.epoch(context.signal)).unprovable !== undefined) await sleep(1);
    });
  });
});

/** Moves money from one table to another until told to stop, with a pause in between, as in real life. */
async function moving(
  client: mysql.Connection,
  pace: { readonly pauseMs: number },
  signal: AbortSignal,
): Promise<void> {
  while (!signal.aborted) {
    const id = 1 + Math.floor(Math.random() * ACCOUNTS);
    const from = Math.floor(Math.random() * (TABLES - 1));
    await client.query(
      `BEGIN; UPDATE account_${from} SET balance = balance - 1, moves = moves + 1 WHERE id = ${id};
       UPDATE account_${from + 1} SET balance = balance + 1, moves = moves + 1 WHERE id = ${id}; COMMIT`,
    );
    await sleep(Math.random() * pace.pauseMs);
  }
  await client.end();
}
