import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import pg from 'pg';
import { testContext } from '../../../test/support/context.ts';
import {
  capture,
  collect,
  compareWith,
  everyType,
  host,
  observed,
  ourSessions,
  replay,
  restore,
  restoreAndCompare,
  type Taken,
} from '../../../test/support/postgres-rig.ts';
import { type PostgresServer, startPostgres } from '../../../test/support/postgres-server.ts';
import { obtainVersions } from '../../../test/support/postgres-versions.ts';
import { postgresDriver } from './driver.ts';

const MINUTES = 60_000;
const EQUAL = { differenceCount: 0, differences: [] };

let source: PostgresServer;
let target: PostgresServer;
let taken: Taken;
beforeAll(async () => {
  [source, target] = await Promise.all([startPostgres(), startPostgres()]);
  await everyType(source, 'shop');
  await source.query(
    `ALTER DATABASE shop SET search_path = app, "Odd ""schema"", with / and .", '';
     ALTER DATABASE shop SET statement_timeout = '1min'; ALTER ROLE shop_app IN DATABASE shop SET work_mem = '9MB';
     COMMENT ON DATABASE shop IS 'the shop''s'; ALTER DATABASE shop CONNECTION LIMIT 50;
     REVOKE TEMPORARY ON DATABASE shop FROM PUBLIC; GRANT CREATE ON DATABASE shop TO shop_app WITH GRANT OPTION;
     ALTER DATABASE shop OWNER TO shop_owner`,
  );
  taken = await capture({ url: source.url('shop') });
}, 3 * MINUTES);
afterAll(() => Promise.all([source.stop(), target.stop()]));

const databases = async (server: PostgresServer): Promise<string[]> =>
  (await server.query('SELECT datname FROM pg_database WHERE NOT datistemplate ORDER BY 1')).map((row) =>
    String(row.datname),
  );

describe('every type and kind of object', () => {
  test(
    'comes back equal under another name, on another server, with its roles',
    async () => {
      expect(taken.entries.length).toBeGreaterThan(300);
      const comparison = await restoreAndCompare({ url: target.url('copy') }, taken);
      expect(comparison).toMatchObject({ ...EQUAL, equal: taken.entries.length });
      expect(await databases(target)).toEqual(['copy', 'postgres']);
      expect(await compareWith(taken, replay(await observed({ url: target.url('copy') })))).toMatchObject(
        EQUAL,
      );
      // The login of the application works as it did, with its password.
      const app = new pg.Client({
        connectionString: `postgres://shop_app:app-secret@127.0.0.1:${target.port}/copy`,
      });
      await app.connect();
      expect((await app.query('SHOW work_mem')).rows).toEqual([{ work_mem: '9MB' }]);
      await app.end();
    },
    2 * MINUTES,
  );

  /** What is changed, and by which name the difference must be told. */
  const changes: readonly (readonly [string, string])[] = [
    ["UPDATE app.every_type SET a_text = 'x' WHERE a_smallint = 1", 'table/app.every_type'],
    ['INSERT INTO app.lines SELECT * FROM app.lines WHERE during IS NULL LIMIT 1', 'table/app.lines'],
    ["UPDATE app.toasted SET raw = raw || '\\x00' WHERE id = 7", 'table/app.toasted'],
    [
      'DELETE FROM app.no_columns WHERE ctid = (SELECT min(ctid) FROM app.no_columns)',
      'table/app.no_columns',
    ],
    ["SELECT nextval('app.tickets')", 'sequence/app.tickets'],
    ["SELECT setval('app.placed', 1234567890123, true)", 'sequence/app.placed'],
    ['ALTER SEQUENCE app.untouched MAXVALUE 9', 'sequence/app.untouched/definition'],
    ['ALTER TABLE app.empty OWNER TO shop_owner', 'table/app.empty/owner'],
    ['GRANT INSERT ON app.empty TO shop_readers', 'table/app.empty/grants'],
    ['GRANT SELECT (code) ON app.keys TO shop_readers', 'table/app.keys/column/code/grants'],
    ['ALTER TABLE app.lines ENABLE TRIGGER off_lines', 'table/app.lines/trigger/off_lines'],
    ['DROP TRIGGER note_lines ON app.lines', 'table/app.lines/trigger/note_lines'],
    ['DROP INDEX app.keys_by_code', 'table/app.keys/index/keys_by_code'],
    ['ALTER TABLE app.keys VALIDATE CONSTRAINT total_is_small', 'table/app.keys/constraint/total_is_small'],
    ['ALTER POLICY own_rows ON app.keys USING (total > 1)', 'table/app.keys/policy/own_rows'],
    ['ALTER TABLE app.keys FORCE ROW LEVEL SECURITY', 'table/app.keys/definition'],
    ['ALTER TABLE app.changed ALTER later SET DEFAULT 8', 'table/app.changed/column/later'],
    ['ALTER TABLE app.keys ALTER code SET NOT NULL', 'table/app.keys/column/code'],
    ["COMMENT ON COLUMN app.keys.total IS 'x'", 'table/app.keys/column/total/comment'],
    ['ALTER TABLE app.empty SET (fillfactor = 50)', 'table/app.empty/definition'],
    ['ALTER TABLE app.events DETACH PARTITION app.events_new', 'table/app.events_new/definition'],
    [
      'CREATE OR REPLACE VIEW app.small_keys WITH (security_barrier) AS SELECT k.id, k.total AS "Total" FROM app.keys k WHERE k.total < 11 AND k.code <> \'a.b (c)\'',
      'view/app.small_keys/definition',
    ],
    ['REFRESH MATERIALIZED VIEW app.not_yet', 'materialized-view/app.not_yet/definition'],
    ['ALTER FUNCTION app.add(integer, integer) VOLATILE', 'function/app.add(a integer, b integer)'],
    [
      'GRANT EXECUTE ON FUNCTION app.add(integer, integer) TO shop_readers',
      'function/app.add(a integer, b integer)/grants',
    ],
    ["ALTER TYPE app.mood ADD VALUE 'new'", 'type/app.mood'],
    ['ALTER DOMAIN app.positive DROP CONSTRAINT is_positive', 'type/app.positive'],
    ['ALTER EXTENSION hstore SET SCHEMA app', 'extension/hstore'],
    ['ALTER EVENT TRIGGER watch_ddl ENABLE', 'event-trigger/watch_ddl'],
    ['ALTER PUBLICATION changes ADD TABLE app.lines', 'publication/changes'],
    ["ALTER SERVER far OPTIONS (SET host 'i')", 'foreign-server/far'],
    ["SELECT lo_put(70001, 0, '\\x01')", 'large-object/70001'],
    ['ALTER LARGE OBJECT 70003 OWNER TO shop_owner', 'large-object/70003'],
    ['SELECT lo_unlink(70002)', 'large-object/70002'],
    ['ALTER SCHEMA app OWNER TO shop_app', 'schema/app/owner'],
    [
      'ALTER DEFAULT PRIVILEGES FOR ROLE shop_owner IN SCHEMA app GRANT UPDATE ON TABLES TO shop_readers',
      'default-privileges/shop_owner app r/grants',
    ],
    ['ALTER ROLE shop_app CREATEDB', 'role/shop_app'],
    ['REVOKE shop_readers FROM shop_app', 'role/shop_app/memberships'],
    ["ALTER ROLE shop_app SET work_mem = '7MB'", 'role/shop_app/settings'],
    ["ALTER DATABASE copy SET statement_timeout = '2min'", 'database/settings'],
    ['GRANT TEMPORARY ON DATABASE copy TO PUBLIC', 'database/grants'],
    ['ALTER DATABASE copy OWNER TO shop_app', 'database/owner'],
    ['DROP VIEW app.nested', 'view/app.nested/definition'],
    ['CREATE TABLE app.extra (a integer)', 'table/app.extra'],
  ];
  test(
    'one changed thing is told by its name, whatever it is',
    async () => {
      // Each change alone: the data set is made anew from a template where the change cannot be taken back.
      await target.query('CREATE DATABASE pristine TEMPLATE copy');
      for (const [change, object] of changes) {
        await restoreRolesAndDatabase();
        await target.query(change, { database: 'copy' });
        const { differences } = await compareWith(taken, replay(await observed({ url: target.url('copy') })));
        const told = differences.map((difference) => difference.object);
        if (!told.includes(object)) console.log(change, differences);
        expect(told).toContain(object);
        // A change of one row never shows at another table.
        if (object.startsWith('table/') && object.split('/').length === 2 && !object.includes('extra'))
          expect(told).toEqual([object]);
      }
      await target.query('DROP DATABASE copy WITH (FORCE)');
      await target.query('DROP DATABASE pristine WITH (FORCE)');

      async function restoreRolesAndDatabase(): Promise<void> {
        await target.query('DROP DATABASE copy WITH (FORCE)');
        await target.query('CREATE DATABASE copy TEMPLATE pristine');
        await target.query(`ALTER ROLE shop_app NOCREATEDB; GRANT shop_readers TO shop_app WITH ADMIN OPTION;
        ALTER ROLE shop_app SET work_mem = '8MB'; ALTER DATABASE copy OWNER TO shop_owner;
        ALTER DATABASE copy SET search_path = app, "Odd ""schema"", with / and .", '';
        ALTER DATABASE copy SET statement_timeout = '1min'; ALTER ROLE shop_app IN DATABASE copy SET work_mem = '9MB';
        COMMENT ON DATABASE copy IS 'the shop''s'; ALTER DATABASE copy CONNECTION LIMIT 50;
        REVOKE TEMPORARY ON DATABASE copy FROM PUBLIC; GRANT CREATE ON DATABASE copy TO shop_app WITH GRANT OPTION`);
      }
    },
    10 * MINUTES,
  );
});

describe('all versions', () => {
  test(
    'from each version into itself and the newest: equal',
    async () => {
      const { tested, untested } = await obtainVersions();
      for (const { major, reason } of untested)
        console.log(`PostgreSQL ${major} is untested here: ${reason}`);
      const newest = tested.at(-1)!;
      for (const { major, binDir, clientPath } of tested) {
        await using from = await startPostgres({ binDir });
        await everyType(from, 'shop');
        const seen = await capture({ url: from.url('shop'), clientPath });
        expect(seen.member.system.version).toMatch(new RegExp(`^${major}\\.`));
        for (const into of major === newest.major ? [newest] : [{ major, binDir, clientPath }, newest]) {
          await using to = await startPostgres({ binDir: into.binDir });
          const comparison = await restoreAndCompare(
            { url: to.url('twin'), clientPath: newest.clientPath },
            seen,
          );
          expect({ from: major, into: into.major, ...comparison }).toMatchObject(EQUAL);
        }
      }
      console.log(`tested versions: ${tested.map(({ major }) => major).join(', ')}`);
    },
    10 * MINUTES,
  );

  test(
    'an older target is refused',
    async () => {
      const { tested } = await obtainVersions();
      const older = tested.find(({ major }) => major < 15);
      if (!older) return console.log('no version older than 15 on this machine');
      await using to = await startPostgres({ binDir: older.binDir });
      const plan = await postgresDriver.planRestore(
        { url: to.url('twin') },
        host,
        taken.member,
        testContext(),
      );
      expect(plan.problems.map(({ code }) => code)).toContain('postgres.target-older');
    },
    MINUTES,
  );
});

describe('swapping in', () => {
  test(
    'an existing database is replaced only with overwrite, as a whole, and its sessions are ended',
    async () => {
      await target.query('CREATE DATABASE prod');
      await target.query('CREATE TABLE public.precious AS SELECT 1 AS a', { database: 'prod' });
      const spec = { url: target.url('prod') };
      const plan = await postgresDriver.planRestore(spec, host, taken.member, testContext());
      expect(plan).toMatchObject({ empty: false, restoredBy: undefined, problems: [] });
      await expect(restore(spec, taken)).rejects.toMatchObject({ code: 'postgres.target-not-empty' });

      const user = new pg.Client({ connectionString: target.url('prod') });
      user.on('error', () => {});
      await user.connect();
      const held = await restore(spec, taken, { overwrite: true, restoreId: 'swap' });
      expect((await user.query('SELECT a FROM public.precious')).rows).toEqual([{ a: 1 }]);
      expect((await compareWith(taken, held.fingerprint())).differenceCount).toBe(0);
      await held.release();
      await held[Symbol.asyncDispose]();
      await expect(user.query('SELECT 1')).rejects.toThrow();
      expect(await databases(target)).toEqual(['postgres', 'prod']);
      const after = await postgresDriver.planRestore(spec, host, taken.member, testContext());
      expect(after).toMatchObject({ empty: false, restoredBy: 'swap' });
      // What the target remembers is no difference, and is not captured.
      const again = await capture(spec);
      expect((await compareWith(taken, replay(again.entries))).differenceCount).toBe(0);
      await target.query('DROP DATABASE prod');
    },
    2 * MINUTES,
  );

  test(
    'not released: everything is as before, roles too',
    async () => {
      await using fresh = await startPostgres();
      const held = await restore({ url: fresh.url('twin') }, taken);
      expect((await databases(fresh)).length).toBe(2);
      await held[Symbol.asyncDispose]();
      expect(await databases(fresh)).toEqual(['postgres']);
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
      await restore(spec, taken, keep);
      expect((await databases(fresh)).length).toBe(2);
      for (let times = 0; times < 2; times += 1)
        for (const entry of journal) await postgresDriver.undo(spec, host, entry, testContext());
      expect(await databases(fresh)).toEqual(['postgres']);
      expect(await fresh.query("SELECT rolname FROM pg_roles WHERE rolname LIKE 'shop%'")).toEqual([]);

      const held = await restore(spec, taken, keep);
      await held.release();
      for (const entry of journal) await postgresDriver.undo(spec, host, entry, testContext());
      expect(await databases(fresh)).toEqual(['postgres', 'twin']);
      expect((await compareWith(taken, replay(await observed(spec)))).differenceCount).toBe(0);
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
        const restoring = restore({ url: fresh.url('twin') }, taken, {}, context);
        const outcome = await restoring.then(
          async (held) => {
            await held[Symbol.asyncDispose]();
            return 'finished before';
          },
          (error: { code?: string }) => error.code,
        );
        clearTimeout(timer);
        expect(['cancelled', 'finished before']).toContain(outcome);
        expect(await databases(fresh)).toEqual(['postgres']);
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
        const restoring = restore({ url: fresh.url('twin') }, taken, {}, context)
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
        expect(await databases(fresh)).toEqual(['postgres']);
      }
      await watcher.end();
      expect(caught).toBeGreaterThan(0);
    },
    2 * MINUTES,
  );

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
        expect(await databases(to)).toEqual(['Odd "db"', 'orders', 'postgres']);
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
      await target.query('DROP DATABASE old_extension');
    },
    MINUTES,
  );

  test(
    'another encoding comes back as it was',
    async () => {
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
      await target.query('DROP DATABASE latin');
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
