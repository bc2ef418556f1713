import { describe, expect, test } from '@jest/globals';
import pg from 'pg';
import {
  capturedShop,
  compareWith,
  databasesOf,
  observed,
  replay,
  restoreAndCompare,
} from '../../../test/support/postgres-rig.ts';

const MINUTES = 60_000;
const EQUAL = { differenceCount: 0, differences: [] };

const rig = capturedShop();

describe('every type and kind of object', () => {
  test(
    'comes back equal under another name, on another server, with its roles',
    async () => {
      expect(rig.taken.entries.length).toBeGreaterThan(300);
      const comparison = await restoreAndCompare({ url: rig.target.url('copy') }, rig.taken);
      expect(comparison).toMatchObject({ ...EQUAL, equal: rig.taken.entries.length });
      expect(await databasesOf(rig.target)).toEqual(['copy', 'postgres']);
      expect(
        await compareWith(rig.taken, replay(await observed({ url: rig.target.url('copy') }))),
      ).toMatchObject(EQUAL);
      // The login of the application works as it did, with its password.
      const app = new pg.Client({
        connectionString: `postgres://shop_app:app-secret@127.0.0.1:${rig.target.port}/copy`,
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
      // Each change alone: the data set is made anew from a template where the change cannot be rig.taken back.
      await rig.target.query('CREATE DATABASE pristine TEMPLATE copy');
      for (const [change, object] of changes) {
        await restoreRolesAndDatabase();
        await rig.target.query(change, { database: 'copy' });
        const { differences } = await compareWith(
          rig.taken,
          replay(await observed({ url: rig.target.url('copy') })),
        );
        const told = differences.map((difference) => difference.object);
        if (!told.includes(object)) console.log(change, differences);
        expect(told).toContain(object);
        // A change of one row never shows at another table.
        if (object.startsWith('table/') && object.split('/').length === 2 && !object.includes('extra'))
          expect(told).toEqual([object]);
      }
      await rig.target.query('DROP DATABASE copy WITH (FORCE)');
      await rig.target.query('DROP DATABASE pristine WITH (FORCE)');

      async function restoreRolesAndDatabase(): Promise<void> {
        await rig.target.query('DROP DATABASE copy WITH (FORCE)');
        await rig.target.query('CREATE DATABASE copy TEMPLATE pristine');
        await rig.target.query(`ALTER ROLE shop_app NOCREATEDB; GRANT shop_readers TO shop_app WITH ADMIN OPTION;
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
