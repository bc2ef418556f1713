import { describe, expect, test } from '@jest/globals';
import {
  capture,
  compareWith,
  observed,
  replay,
  restoreAndCompare,
} from '../../../test/support/postgres-rig.ts';
import { type PostgresServer, startPostgres } from '../../../test/support/postgres-server.ts';

const MINUTE = 60_000;

/** What an application sees that says nothing of its own. */
async function shown(server: PostgresServer, database: string): Promise<unknown> {
  const [row] = await server.query(
    `SELECT current_setting('TimeZone') AS zone, current_setting('default_transaction_isolation') AS isolation,
       current_setting('search_path') AS path, '2026-07-01 00:00+00'::timestamptz::text AS time`,
    { database },
  );
  return row;
}

async function startWith(settings: Record<string, string>): Promise<PostgresServer> {
  const server = await startPostgres({ settings });
  await server.query('CREATE DATABASE shop');
  await server.query('CREATE TABLE t AS SELECT 1 AS a', { database: 'shop' });
  return server;
}

describe('settings that change the meaning of statements', () => {
  test(
    'are given to the database where its new server has others, so that the twin is the same',
    async () => {
      await using source = await startWith({
        ...{ timezone: 'Europe/Berlin', default_transaction_isolation: 'repeatable read' },
        search_path: '"$user", public, other',
      });
      await using target = await startPostgres({ settings: { datestyle: 'SQL, DMY' } });
      const taken = await capture({ url: source.url('shop') });
      expect(await restoreAndCompare({ url: target.url('twin') }, taken)).toMatchObject({ differences: [] });
      expect(await shown(target, 'twin')).toEqual(await shown(source, 'shop'));
      expect(await shown(target, 'twin')).toMatchObject({
        zone: 'Europe/Berlin',
        time: '2026-07-01 02:00:00+02',
      });

      await target.query("ALTER DATABASE twin SET timezone = 'Europe/London'");
      const { differences } = await compareWith(taken, replay(await observed({ url: target.url('twin') })));
      expect(differences).toEqual([
        {
          object: 'database/setting/TimeZone',
          kind: 'changed',
          message: 'value: Europe/Berlin -> Europe/London',
        },
      ]);
    },
    2 * MINUTE,
  );

  test(
    'are left alone where they do the same by another name',
    async () => {
      await using source = await startWith({ timezone: 'UTC' });
      await using target = await startPostgres({ settings: { timezone: 'Etc/UTC', work_mem: '7MB' } });
      const taken = await capture({ url: source.url('shop') });
      expect(await restoreAndCompare({ url: target.url('twin') }, taken)).toMatchObject({ differences: [] });
      expect(await shown(target, 'twin')).toMatchObject({ zone: 'Etc/UTC' });
      const [own] = await target.query(
        "SELECT setconfig::text AS own FROM pg_db_role_setting s JOIN pg_database d ON d.oid = s.setdatabase WHERE d.datname = 'twin'",
      );
      expect(own).toEqual({ own: '{stasis.restore_id=restore-1}' });
    },
    2 * MINUTE,
  );
});
