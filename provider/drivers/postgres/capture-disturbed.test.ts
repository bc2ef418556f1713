import { describe, expect, test } from '@jest/globals';
import type pg from 'pg';
import { memoryBlobs, testContext } from '../../../test/support/context.ts';
import {
  capture,
  clientOf,
  copied,
  host,
  ourSessions,
  repeat,
  shopServer,
} from '../../../test/support/postgres-rig.ts';
import { postgresDriver } from './driver.ts';

const MINUTES = 60_000;
const signal = new AbortController().signal;

const rig = shopServer();
const shop = () => ({ url: rig.server.url('shop') });

describe('under what breaks naive captures', () => {
  test(
    'TRUNCATE, VACUUM FULL and new tables while it captures: every capture is of one committed state',
    async () => {
      await rig.server.query(`CREATE DATABASE busy`);
      await rig.server.query(
        `CREATE TABLE public.pair_a (n bigint); CREATE TABLE public.pair_b (n bigint);
       CREATE TABLE public.filled AS SELECT g AS n, repeat('x', 200) AS pad FROM generate_series(1, 20000) g;
       INSERT INTO public.pair_a VALUES (0); INSERT INTO public.pair_b VALUES (0)`,
        { database: 'busy' },
      );
      const spec = { url: rig.server.url('busy'), lockTimeoutMs: 60_000 };
      const connections = await Promise.all([
        clientOf(rig.server, 'busy'),
        clientOf(rig.server, 'busy'),
        clientOf(rig.server, 'busy'),
        clientOf(rig.server, 'busy'),
      ]);
      const [pairs, truncates, vacuums, creates] = connections as [
        pg.Client,
        pg.Client,
        pg.Client,
        pg.Client,
      ];
      let created = 0;
      const loads = [
        // Both in one transaction: whoever sees them differ saw no single instant. TRUNCATE is what snapshots miss.
        repeat(async () => {
          await pairs.query(
            'BEGIN; TRUNCATE public.pair_a; INSERT INTO public.pair_a SELECT max(n) + 1 FROM public.pair_b; UPDATE public.pair_b SET n = n + 1; COMMIT',
          );
        }, 15),
        repeat(
          () =>
            truncates.query(
              "BEGIN; TRUNCATE public.filled; INSERT INTO public.filled SELECT g, repeat('y', 200) FROM generate_series(1, 2000) g; COMMIT",
            ),
          30,
        ),
        repeat(() => vacuums.query('VACUUM FULL public.pair_b'), 50),
        repeat(() => creates.query(`CREATE TABLE public.new_${created++} (a integer)`), 1_500),
      ];
      try {
        for (let round = 0; round < 5; round += 1) {
          const taken = await capture(spec);
          const digests = Object.fromEntries(
            taken.entries.map(({ object, digest, facts }) => [object, { digest, facts }]),
          );
          expect(digests['table/public.pair_a']!.digest).toBe(digests['table/public.pair_b']!.digest);
          expect(digests['table/public.pair_a']!.facts).toEqual({ rows: 1 });
          expect(digests['table/public.filled']!.facts!.rows).toBeGreaterThanOrEqual(2000);
        }
      } finally {
        for (const load of loads) expect(await load.stop()).toBeGreaterThan(0);
        for (const connection of connections) await connection.end();
      }
      expect(await ourSessions(rig.server)).toBe(0);
      await rig.server.query('DROP DATABASE busy WITH (FORCE)');
    },
    5 * MINUTES,
  );

  test('a naive dump in an exported snapshot does lose what is truncated, so the check above can fail', async () => {
    await rig.server.query('CREATE TABLE public.naive AS SELECT 1 AS a');
    const exporter = await clientOf(rig.server, 'postgres');
    const reader = await clientOf(rig.server, 'postgres');
    await exporter.query('BEGIN ISOLATION LEVEL REPEATABLE READ');
    const { rows } = await exporter.query('SELECT pg_export_snapshot() AS id');
    await rig.server.query('TRUNCATE public.naive');
    await reader.query(`BEGIN ISOLATION LEVEL REPEATABLE READ; SET TRANSACTION SNAPSHOT '${rows[0].id}'`);
    const read = await reader.query('SELECT * FROM public.naive');
    expect(read.rows).toEqual([]);
    await Promise.all([exporter.end(), reader.end()]);
  });

  test('TRUNCATE waits until the copy is done, and DROP TABLE does', async () => {
    await rig.server.query('CREATE TABLE app.waits AS SELECT 1 AS a', { database: 'shop' });
    const dropper = await clientOf(rig.server, 'shop');
    let dropped = false;
    const session = await postgresDriver.prepare(shop(), host, testContext());
    await session.mark!.take(signal);
    const dropping = dropper.query('DROP TABLE app.waits').then(() => {
      dropped = true;
    });
    const taken = await copied(session, shop());
    expect(taken.entries.find(({ object }) => object === 'table/app.waits')?.facts).toEqual({ rows: 1 });
    await dropping;
    expect(dropped).toBe(true);
    await session[Symbol.asyncDispose]();
    await dropper.end();
  });

  test('a table that comes between the locks and the mark makes the cut be taken again', async () => {
    await using session = await postgresDriver.prepare(shop(), host, testContext());
    await rig.server.query('CREATE TABLE app.late AS SELECT 1 AS a', { database: 'shop' });
    await session.mark!.take(signal);
    const blobs = memoryBlobs();
    await expect(session.copy(blobs)).rejects.toMatchObject({ code: 'cut.lost' });
    const taken = await copiedAfterNewMark(session);
    expect(taken.entries.map(({ object }) => object)).toContain('table/app.late');
    await rig.server.query('DROP TABLE app.late', { database: 'shop' });

    async function copiedAfterNewMark(marked: typeof session) {
      await marked.mark!.take(signal);
      return copied(marked, shop());
    }
  });

  test(
    'a function that is replaced, a view, a grant and a comment between them as well',
    async () => {
      for (const change of [
        "CREATE OR REPLACE FUNCTION app.many(VARIADIC xs integer[]) RETURNS SETOF integer LANGUAGE sql SET search_path = app, public AS 'SELECT unnest(xs) '",
        'CREATE OR REPLACE VIEW app.nested AS SELECT s.id, e.what FROM app.small_keys s JOIN app.events e ON e.n = s.id',
        'GRANT SELECT ON app.empty TO shop_readers',
        "COMMENT ON TABLE app.empty IS 'changed'",
      ]) {
        await using session = await postgresDriver.prepare(shop(), host, testContext());
        await rig.server.query(change, { database: 'shop' });
        await session.mark!.take(signal);
        const blobs = memoryBlobs();
        await expect(session.copy(blobs)).rejects.toMatchObject({ code: 'cut.lost' });
      }
    },
    2 * MINUTES,
  );

  test('temporary tables, ANALYZE and VACUUM are no schema change', async () => {
    await using session = await postgresDriver.prepare(shop(), host, testContext());
    await rig.server.query(
      'CREATE TEMP TABLE x (a serial PRIMARY KEY, b text DEFAULT 1); ANALYZE app.every_type',
      { database: 'shop' },
    );
    await rig.server.query('VACUUM app.changed', { database: 'shop' });
    await session.mark!.take(signal);
    const blobs = memoryBlobs();
    await expect(session.copy(blobs)).resolves.toMatchObject({ contentVersion: 1 });
  });
});
