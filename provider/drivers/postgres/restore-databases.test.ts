import { describe, expect, test } from '@jest/globals';
import { testContext } from '../../../test/support/context.ts';
import {
  capture,
  collect,
  compareWith,
  databasesOf,
  host,
  replay,
  restore,
  restoreAndCompare,
} from '../../../test/support/postgres-rig.ts';
import { startPostgres } from '../../../test/support/postgres-server.ts';
import { postgresDriver } from './driver.ts';

const MINUTES = 60_000;
const EQUAL = { differenceCount: 0, differences: [] };

describe('what a database is beside its objects', () => {
  test(
    'several databases of a server come back under their own names',
    async () => {
      await using from = await startPostgres();
      await using to = await startPostgres();
      for (const name of ['orders', 'Odd "db"']) {
        await from.query(`CREATE DATABASE "${name.replaceAll('"', '""')}"`);
        await from.query('CREATE TABLE public.t AS SELECT 1 AS a; SELECT lo_create(9)', { database: name });
      }
      for (const selection of [['orders', 'Odd "db"'], ['*']]) {
        const both = await capture({ url: from.url(), databases: selection });
        const comparison = await restoreAndCompare({ url: to.url(), databases: selection }, both, {
          overwrite: true,
          restoreId: selection.join(),
        });
        expect(comparison).toMatchObject({ ...EQUAL, equal: both.entries.length });
        expect(await databasesOf(to)).toEqual(['Odd "db"', 'orders', 'postgres']);
      }
      const all = await capture({ url: from.url(), databases: ['*'] });
      const plan = await postgresDriver.planRestore(
        { url: to.url(), databases: ['orders', 'x'] },
        host,
        all.member,
        testContext(),
      );
      expect(plan.problems.map(({ code }) => code)).toEqual(['postgres.databases-differ']);
    },
    2 * MINUTES,
  );

  test(
    'an extension comes back in the version that it had, not in the newest',
    async () => {
      await using source = await startPostgres();
      await using target = await startPostgres();
      await source.query('CREATE DATABASE old_extension');
      await source.query(
        "CREATE SCHEMA ext; CREATE EXTENSION hstore WITH SCHEMA ext VERSION '1.4'; CREATE TABLE public.t (h ext.hstore); INSERT INTO public.t VALUES ('a=>b')",
        { database: 'old_extension' },
      );
      const old = await capture({ url: source.url('old_extension') });
      const comparison = await restoreAndCompare({ url: target.url('old_extension') }, old);
      expect(comparison).toMatchObject({ ...EQUAL, equal: old.entries.length });
      expect(
        await target.query("SELECT extversion FROM pg_extension WHERE extname = 'hstore'", {
          database: 'old_extension',
        }),
      ).toEqual([{ extversion: '1.4' }]);
    },
    MINUTES,
  );

  test(
    'another encoding comes back as it was',
    async () => {
      await using target = await startPostgres();
      await using latin = await startPostgres({ initdb: ['--encoding=LATIN1', '--locale=C'] });
      await latin.query(
        "CREATE TABLE public.t AS SELECT 'Grüße' AS \"größe\"; COMMENT ON TABLE public.t IS 'é'",
      );
      const seen = await capture({ url: latin.url() });
      const comparison = await restoreAndCompare({ url: target.url('latin') }, seen);
      expect(comparison).toMatchObject({ ...EQUAL, equal: seen.entries.length });
      expect(await target.query('SELECT * FROM public.t', { database: 'latin' })).toEqual([
        { größe: 'Grüße' },
      ]);
    },
    MINUTES,
  );
});

describe('a login that may not create databases', () => {
  test(
    'fills an empty one in a transaction that nobody sees before the release',
    async () => {
      await using fresh = await startPostgres();
      await using plain = await startPostgres();
      await plain.query(
        `CREATE TABLE public.orders (id serial PRIMARY KEY, note text); INSERT INTO public.orders (note) SELECT 'n' || g FROM generate_series(1, 1000) g;
       CREATE VIEW public.v AS SELECT count(*) AS n FROM public.orders; SELECT lo_from_bytea(77, 'BEGIN;');
       CREATE ROLE tenant LOGIN PASSWORD 'tenant-pw';
       ALTER TABLE public.orders OWNER TO tenant; ALTER VIEW public.v OWNER TO tenant; ALTER LARGE OBJECT 77 OWNER TO tenant`,
      );
      const seen = await capture({ url: plain.url() });
      await fresh.query("CREATE ROLE tenant LOGIN PASSWORD 'tenant-pw'");
      await fresh.query('CREATE DATABASE given OWNER tenant');
      const spec = { url: `postgres://tenant:tenant-pw@127.0.0.1:${fresh.port}/given` };
      const plan = await postgresDriver.planRestore(spec, host, seen.member, testContext());
      expect(plan.problems).toEqual([]);
      expect(plan.empty).toBe(true);

      const rolledBack = await restore(spec, seen);
      await rolledBack[Symbol.asyncDispose]();
      const held = await restore(spec, seen, { restoreId: 'inside' });
      const entries = await collect(held.fingerprint());
      const { differences } = await compareWith(seen, replay(entries));
      // The database belongs to another role than the source's, which this login may not change.
      expect(
        differences.map(({ object }) => object).filter((object) => !object.startsWith('database/')),
      ).toEqual([]);
      expect(
        await fresh.query("SELECT 1 FROM pg_class WHERE relname = 'orders'", { database: 'given' }),
      ).toEqual([]);
      await held.release();
      await held[Symbol.asyncDispose]();
      expect(
        await fresh.query('SELECT count(*)::int AS n FROM public.orders', { database: 'given' }),
      ).toEqual([{ n: 1000 }]);
      const after = await postgresDriver.planRestore(spec, host, seen.member, testContext());
      expect(after).toMatchObject({ empty: false, restoredBy: 'inside' });
      expect(after.problems.map(({ code }) => code)).toContain('postgres.rights');
    },
    2 * MINUTES,
  );

  test(
    'one that may not give what it restores to its owners is told so by the plan, and how to mend it',
    async () => {
      await using fresh = await startPostgres();
      await using plain = await startPostgres();
      for (const server of [fresh, plain])
        await server.query(`CREATE ROLE tenant LOGIN PASSWORD 'tenant-pw'; CREATE ROLE crew`);
      await plain.query('CREATE DATABASE ship OWNER crew');
      await plain.query(
        `CREATE TABLE mine AS SELECT 1 AS a; ALTER TABLE mine OWNER TO tenant;
         CREATE TABLE ours AS SELECT 1 AS a; ALTER TABLE ours OWNER TO crew; CREATE SCHEMA theirs`,
        { database: 'ship' },
      );
      await fresh.query('CREATE DATABASE given OWNER tenant');
      const spec = { url: `postgres://tenant:tenant-pw@127.0.0.1:${fresh.port}/given` };
      const problems = async () => {
        const seen = await capture({ url: plain.url('ship') });
        const plan = await postgresDriver.planRestore(spec, host, seen.member, testContext());
        return { seen, said: plan.problems.map(({ code, message }) => `${code} ${message}`) };
      };
      expect((await problems()).said).toEqual([
        'postgres.rights The login "tenant" may not give what it restores to its owners: crew, postgres.',
      ]);
      await fresh.query('GRANT crew TO tenant');
      expect((await problems()).said).toEqual([expect.stringMatching(/to its owners: postgres\.$/)]);
      await plain.query('ALTER SCHEMA theirs OWNER TO tenant', { database: 'ship' });
      const { seen, said } = await problems();
      expect(said).toEqual([]);
      // What only shows when it is done is told by its own words, and not by those of what may fail.
      await expect(restoreAndCompare(spec, seen)).rejects.toMatchObject({
        code: 'postgres.load-failed',
        message: expect.stringContaining('permission denied for schema public'),
      });
      await fresh.query('GRANT CREATE ON SCHEMA public TO crew', { database: 'given' });
      const { differences } = await restoreAndCompare(spec, seen);
      const objects = differences.map(({ object }) => object);
      // Of the database itself and of who is in which role; all that was restored has its owner.
      expect(objects.filter((object) => !/^(database|role|schema\/public)\//.test(object))).toEqual([]);
    },
    2 * MINUTES,
  );

  test(
    'one that may create databases but is no superuser restores what belongs to roles that it may become',
    async () => {
      await using fresh = await startPostgres();
      await using plain = await startPostgres();
      await plain.query('CREATE ROLE crew NOLOGIN; CREATE ROLE app LOGIN; GRANT crew TO app');
      await plain.query('CREATE DATABASE ship OWNER crew');
      await plain.query(
        'ALTER SCHEMA public OWNER TO crew; CREATE TABLE public.t AS SELECT 1 AS a; ALTER TABLE public.t OWNER TO crew; GRANT SELECT ON public.t TO app',
        { database: 'ship' },
      );
      const seen = await capture({ url: plain.url('ship') });
      await fresh.query("CREATE ROLE admin LOGIN CREATEDB CREATEROLE PASSWORD 'admin-pw'");
      const spec = { url: `postgres://admin:admin-pw@127.0.0.1:${fresh.port}/ship` };
      const comparison = await restoreAndCompare(spec, seen);
      expect(comparison.differences).toEqual([]);
      expect(
        await fresh.query(
          "SELECT 1 FROM pg_auth_members m JOIN pg_roles r ON r.oid = m.member WHERE r.rolname = 'admin'",
        ),
      ).toEqual([]);
    },
    2 * MINUTES,
  );
});
