import { describe, expect, test } from '@jest/globals';
import {
  capture,
  compareWith,
  observed,
  replay,
  restoreAndCompare,
  type Taken,
} from '../../../test/support/postgres-rig.ts';
import { type PostgresServer, startPostgres } from '../../../test/support/postgres-server.ts';
import { obtainVersions } from '../../../test/support/postgres-versions.ts';
import { testUnless } from '../../../test/support/skipped.ts';

const MINUTES = 60_000;

const { tested } = await obtainVersions();
const newest = tested.at(-1)!;
const before16 = tested.find(({ major }) => major < 16);
const WITHOUT_OPTIONS = newest.major < 16 ? 'no version with such options is on this machine' : undefined;

async function shopOf(server: PostgresServer, grant: string): Promise<void> {
  await server.query('CREATE ROLE readers');
  await server.query('CREATE ROLE app LOGIN');
  await server.query('CREATE ROLE careful LOGIN NOINHERIT');
  await server.query(grant);
  await server.query('GRANT readers TO careful');
  await server.query('CREATE DATABASE shop OWNER app');
  await server.query('CREATE TABLE t AS SELECT 1 AS a', { database: 'shop' });
  await server.query('GRANT SELECT ON t TO readers', { database: 'shop' });
}

async function mayRead(server: PostgresServer, role: string): Promise<unknown> {
  const [row] = await server.query(`SELECT has_table_privilege('${role}', 't', 'SELECT') AS may`, {
    database: 'twin',
  });
  return row?.may;
}

async function differencesAfter(server: PostgresServer, taken: Taken, change: string): Promise<unknown> {
  await server.query(change);
  const spec = { url: server.url('twin'), clientPath: newest.clientPath };
  return (await compareWith(taken, replay(await observed(spec)))).differences;
}

describe('memberships of roles', () => {
  testUnless(WITHOUT_OPTIONS)(
    'that give less than a plain GRANT give no more in the twin, and one that gives more is told',
    async () => {
      await using source = await startPostgres({ binDir: newest.binDir });
      await shopOf(source, 'GRANT readers TO app WITH INHERIT FALSE, SET FALSE');
      const { clientPath } = newest;
      const taken = await capture({ url: source.url('shop'), clientPath });
      await using target = await startPostgres({ binDir: newest.binDir });
      const twin = { url: target.url('twin'), clientPath };
      expect(await restoreAndCompare(twin, taken)).toMatchObject({ differences: [] });
      expect([await mayRead(target, 'app'), await mayRead(target, 'careful')]).toEqual([false, false]);

      expect(await differencesAfter(target, taken, 'GRANT readers TO app WITH SET TRUE')).toEqual([
        {
          object: 'role/app/memberships',
          kind: 'changed',
          message: 'memberships: readers (no inherit, no set) -> readers (no inherit)',
        },
      ]);
    },
    2 * MINUTES,
  );

  testUnless(WITHOUT_OPTIONS ?? (before16 ? undefined : 'no version before 16 is on this machine'))(
    'mean the same in a version that has them per grant as in one that has them per member',
    async () => {
      await using source = await startPostgres({ binDir: before16!.binDir });
      await shopOf(source, 'GRANT readers TO app WITH ADMIN OPTION');
      const taken = await capture({ url: source.url('shop'), clientPath: before16!.clientPath });
      await using target = await startPostgres({ binDir: newest.binDir });
      const twin = { url: target.url('twin'), clientPath: newest.clientPath };
      expect(await restoreAndCompare(twin, taken)).toMatchObject({ differences: [] });
      expect([await mayRead(target, 'app'), await mayRead(target, 'careful')]).toEqual([true, false]);
    },
    2 * MINUTES,
  );

  test('that two roles granted are one', async () => {
    await using source = await startPostgres({ binDir: newest.binDir });
    await shopOf(source, 'GRANT readers TO app');
    await source.query('CREATE ROLE granter');
    await source.query('GRANT readers TO granter WITH ADMIN OPTION');
    await source.query('SET ROLE granter; GRANT readers TO app WITH ADMIN OPTION');
    const seen = await observed({ url: source.url('shop'), clientPath: newest.clientPath });
    const memberships = seen.find(({ object }) => object === 'role/app/memberships');
    expect(memberships?.facts).toEqual({ memberships: 'readers (admin)' });
  });
});
