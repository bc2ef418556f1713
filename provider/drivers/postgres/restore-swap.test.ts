import { describe, expect, test } from '@jest/globals';
import pg from 'pg';
import { testContext } from '../../../test/support/context.ts';
import {
  capture,
  capturedShop,
  compareWith,
  databasesOf,
  host,
  observed,
  ourSessions,
  replay,
  restore,
} from '../../../test/support/postgres-rig.ts';
import { startPostgres } from '../../../test/support/postgres-server.ts';
import { postgresDriver } from './driver.ts';

const MINUTES = 60_000;

const rig = capturedShop();

describe('swapping in', () => {
  test(
    'an existing database is replaced only with overwrite, as a whole, and its sessions are ended',
    async () => {
      await rig.target.query('CREATE DATABASE prod');
      await rig.target.query('CREATE TABLE public.precious AS SELECT 1 AS a', { database: 'prod' });
      const spec = { url: rig.target.url('prod') };
      const plan = await postgresDriver.planRestore(spec, host, rig.taken.member, testContext());
      expect(plan).toMatchObject({ empty: false, restoredBy: undefined, problems: [] });
      await expect(restore(spec, rig.taken)).rejects.toMatchObject({ code: 'postgres.target-not-empty' });

      const user = new pg.Client({ connectionString: rig.target.url('prod') });
      user.on('error', () => {});
      await user.connect();
      const held = await restore(spec, rig.taken, { overwrite: true, restoreId: 'swap' });
      expect((await user.query('SELECT a FROM public.precious')).rows).toEqual([{ a: 1 }]);
      expect((await compareWith(rig.taken, held.fingerprint())).differenceCount).toBe(0);
      await held.release();
      await held[Symbol.asyncDispose]();
      await expect(user.query('SELECT 1')).rejects.toThrow();
      expect(await databasesOf(rig.target)).toEqual(['postgres', 'prod']);
      const after = await postgresDriver.planRestore(spec, host, rig.taken.member, testContext());
      expect(after).toMatchObject({ empty: false, restoredBy: 'swap' });
      // What the target remembers is no difference, and is not captured.
      const again = await capture(spec);
      expect((await compareWith(rig.taken, replay(again.entries))).differenceCount).toBe(0);
      await rig.target.query('DROP DATABASE prod');
    },
    2 * MINUTES,
  );

  test(
    'not released: everything is as before, roles too',
    async () => {
      await using fresh = await startPostgres();
      const held = await restore({ url: fresh.url('twin') }, rig.taken);
      expect((await databasesOf(fresh)).length).toBe(2);
      await held[Symbol.asyncDispose]();
      expect(await databasesOf(fresh)).toEqual(['postgres']);
      expect(await fresh.query("SELECT rolname FROM pg_roles WHERE rolname LIKE 'shop%'")).toEqual([]);
      expect(await ourSessions(fresh)).toBe(0);
    },
    MINUTES,
  );

  test(
    'a process that died in the middle is undone from its journal, twice without harm, and never after the release',
    async () => {
      await using fresh = await startPostgres();
      const journal: unknown[] = [];
      const keep = {
        journal: async (entry: unknown) => void journal.push(JSON.parse(JSON.stringify(entry))),
      };
      const spec = { url: fresh.url('twin') };
      // Never disposed of: as far as the server can see, we died.
      await restore(spec, rig.taken, keep);
      expect((await databasesOf(fresh)).length).toBe(2);
      for (let times = 0; times < 2; times += 1)
        for (const entry of journal) await postgresDriver.undo(spec, host, entry, testContext());
      expect(await databasesOf(fresh)).toEqual(['postgres']);
      expect(await fresh.query("SELECT rolname FROM pg_roles WHERE rolname LIKE 'shop%'")).toEqual([]);

      const held = await restore(spec, rig.taken, keep);
      await held.release();
      for (const entry of journal) await postgresDriver.undo(spec, host, entry, testContext());
      expect(await databasesOf(fresh)).toEqual(['postgres', 'twin']);
      expect((await compareWith(rig.taken, replay(await observed(spec)))).differenceCount).toBe(0);
    },
    2 * MINUTES,
  );

  test(
    'cancelled in the middle: nothing stays',
    async () => {
      await using fresh = await startPostgres();
      for (const afterMs of [50, 400, 900]) {
        const controller = new AbortController();
        const context = testContext({ signal: controller.signal });
        const timer = setTimeout(() => controller.abort(), afterMs);
        const restoring = restore({ url: fresh.url('twin') }, rig.taken, {}, context);
        const outcome = await restoring.then(
          async (held) => {
            await held[Symbol.asyncDispose]();
            return 'finished before';
          },
          (error: { code?: string }) => error.code,
        );
        clearTimeout(timer);
        expect(['cancelled', 'finished before']).toContain(outcome);
        expect(await databasesOf(fresh)).toEqual(['postgres']);
        expect(await fresh.query("SELECT rolname FROM pg_roles WHERE rolname LIKE 'shop%'")).toEqual([]);
      }
    },
    2 * MINUTES,
  );

  test(
    'cancelled while the server makes a database: it does not appear afterwards',
    async () => {
      await using fresh = await startPostgres();
      const making = `SELECT pid FROM pg_stat_activity
        WHERE query LIKE 'CREATE DATABASE%' AND state = 'active' AND pid <> pg_backend_pid()`;
      const watcher = new pg.Client({ connectionString: fresh.url('postgres') });
      await watcher.connect();
      let caught = 0;
      for (let round = 0; round < 20 && caught < 3; round += 1) {
        const controller = new AbortController();
        const context = testContext({ signal: controller.signal });
        let settled = false;
        const restoring = restore({ url: fresh.url('twin') }, rig.taken, {}, context)
          .catch((error: { code?: string }) => error.code)
          .finally(() => {
            settled = true;
          });
        while (!settled && (await watcher.query(making)).rowCount === 0);
        controller.abort();
        const outcome = await restoring;
        if (outcome === 'cancelled') caught += 1;
        else if (typeof outcome === 'object') await outcome[Symbol.asyncDispose]();
        expect((await watcher.query(making)).rows).toEqual([]);
        expect(await databasesOf(fresh)).toEqual(['postgres']);
      }
      await watcher.end();
      expect(caught).toBeGreaterThan(0);
    },
    2 * MINUTES,
  );
});
