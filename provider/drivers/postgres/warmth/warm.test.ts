import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import type { Taken } from '../../../../test/support/driver-rig.ts';
import { capture, compareWith, ourSessions, restore } from '../../../../test/support/postgres-rig.ts';
import { type PostgresServer, startPostgres } from '../../../../test/support/postgres-server.ts';
import type { Warmth } from '../../../core/warmth.ts';
import type { PostgresContent } from '../content.ts';

const MINUTES = 60_000;
/** Of a target: the table is far larger, so that loading it leaves no place in them warm by itself. */
const BUFFERS = '4MB';
const ROWS = 60_000;
const HOT = 'id BETWEEN 20000 AND 21000';

let source: PostgresServer;
let taken: Taken;

beforeAll(async () => {
  source = await startPostgres({ settings: { autovacuum: 'off' } });
  await source.query('CREATE DATABASE shop');
  await source.query('CREATE EXTENSION pg_buffercache');
  const database = 'shop';
  await source.query(
    `CREATE TABLE orders (id int PRIMARY KEY, note text NOT NULL, large text);
     ALTER TABLE orders ALTER COLUMN large SET STORAGE EXTERNAL;
     INSERT INTO orders SELECT n, repeat(md5(n::text), 12), CASE WHEN n % 100 = 0 THEN repeat(md5(n::text), 200) END
       FROM generate_series(1, ${ROWS}) n;
     DELETE FROM orders WHERE id % 3 = 1;
     CREATE ROLE tenant LOGIN; ALTER TABLE orders OWNER TO tenant`,
    { database },
  );
  for (const statement of ['VACUUM ANALYZE orders', 'CHECKPOINT'])
    await source.query(statement, { database });
  await source.kill();
  await source.restart();
  // By the index, as an application would: the same few orders again and again.
  for (let times = 0; times < 3; times += 1)
    await source.query(
      `SET enable_seqscan = off; SET enable_bitmapscan = off; SELECT sum(length(note) + length(large)) FROM orders WHERE ${HOT}`,
      {
        database,
      },
    );
  taken = await capture({ url: source.url('shop') });
}, 3 * MINUTES);

afterAll(() => source?.stop());

/** The relation, and the blocks of it that hold the hot orders, or large values of theirs, or all of an index. */
const KINDS = {
  table: [
    "'orders'::regclass",
    () => `SELECT DISTINCT (ctid::text::point)[0]::int AS block FROM orders WHERE ${HOT}`,
  ],
  index: [
    "'orders_pkey'::regclass",
    () => "SELECT block::int FROM generate_series(0, pg_relation_size('orders_pkey') / 8192 - 1) AS block",
  ],
  // Large values have ascending numbers in the order in which they were loaded.
  toast: [
    "(SELECT reltoastrelid::regclass FROM pg_class WHERE oid = 'orders'::regclass)",
    (relation: string) => `SELECT DISTINCT (ctid::text::point)[0]::int AS block
      FROM (SELECT ctid, dense_rank() OVER (ORDER BY chunk_id) AS nth FROM ${relation}) AS value
      WHERE nth IN (SELECT nth FROM (SELECT id, row_number() OVER (ORDER BY ctid) AS nth FROM orders
        WHERE large IS NOT NULL) AS owner WHERE ${HOT})`,
  ],
} as const;

/** How many of these blocks there are, and how many of them are in the buffers. */
async function warmth(
  server: PostgresServer,
  kind: keyof typeof KINDS,
): Promise<{ all: number; warm: number }> {
  const [relation, wanted] = KINDS[kind];
  const database = 'shop';
  const [file] = await server.query(
    `SELECT ${relation}::text AS name, pg_relation_filenode(${relation})::int AS file, oid::int AS database
       FROM pg_database WHERE datname = current_database()`,
    { database },
  );
  await server.query('CREATE EXTENSION IF NOT EXISTS pg_buffercache');
  // Before the table is read to find out what is wanted.
  const seen = await server.query(
    `SELECT relblocknumber::int AS block FROM pg_buffercache
       WHERE relfilenode = ${file!.file} AND relforknumber = 0 AND reldatabase = ${file!.database}`,
  );
  const blocks = await server.query(wanted(String(file!.name)), { database });
  const hot = new Set(seen.map(({ block }) => block));
  return { all: blocks.length, warm: blocks.filter(({ block }) => hot.has(block)).length };
}

/** Restored into such a server, compared, and released. */
async function restored(
  server: PostgresServer,
  warm: boolean,
  url = server.url('shop'),
): Promise<Warmth | undefined> {
  await using held = await restore({ url }, taken, { overwrite: true });
  const { differences } = await compareWith(taken, held.fingerprint());
  expect(differences.filter(({ object }) => !object.startsWith('database/'))).toEqual([]);
  const warmed = warm ? await held.warm!() : undefined;
  await held.release();
  return warmed;
}

const hotBytes = (): number => (taken.member.content as PostgresContent).databases[0]!.hot!.hotBytes;
const small = (settings: Record<string, string> = {}): Promise<PostgresServer> =>
  startPostgres({ settings: { shared_buffers: BUFFERS, autovacuum: 'off', ...settings } });

describe('what was hot', () => {
  test('is known by relation, by an extension that another database of the server has', () => {
    expect(hotBytes()).toBeGreaterThan(40 * 8192);
    expect(hotBytes()).toBeLessThan(200 * 8192);
    expect(taken.member.coverage.outside.map(({ code }) => code)).not.toContain('postgres.buffers');
  });

  test(
    'is known to a login that may read what is monitored, and not to one that may not',
    async () => {
      await source.query(
        `CREATE ROLE watcher LOGIN PASSWORD 'pw' IN ROLE pg_read_all_data, pg_monitor;
         CREATE ROLE reader LOGIN PASSWORD 'pw' IN ROLE pg_read_all_data`,
      );
      const outside = async (login: string): Promise<string[]> => {
        const { member } = await capture({ url: `postgres://${login}:pw@127.0.0.1:${source.port}/shop` });
        return member.coverage.outside.map(({ code }) => code);
      };
      expect(await outside('watcher')).not.toContain('postgres.buffers');
      expect(await outside('reader')).toContain('postgres.buffers');
    },
    MINUTES,
  );

  test(
    'is back in the buffers before the release, tables, indexes and large values; without being asked for it is cold',
    async () => {
      await using warm = await small();
      await using cold = await small();
      expect(await restored(warm, true)).toEqual({ hotBytes: hotBytes(), warmedBytes: expect.any(Number) });
      expect(await restored(cold, false)).toBeUndefined();
      // First, as looking for the others' pages reads the table.
      expect((await warmth(warm, 'index')).warm).toBeGreaterThanOrEqual(3);
      const rows = await warmth(warm, 'table');
      expect(rows.all).toBeGreaterThan(30);
      expect(rows.warm / rows.all).toBeGreaterThan(0.9);
      const coldRows = await warmth(cold, 'table');
      expect(coldRows.warm / coldRows.all).toBeLessThan(0.5);
      const large = await warmth(warm, 'toast');
      expect(large.all).toBeGreaterThan(5);
      expect(large.warm / large.all).toBeGreaterThan(0.8);
      const coldLarge = await warmth(cold, 'toast');
      expect(coldLarge.warm / coldLarge.all).toBeLessThan(0.5);
      const made = await warm.query("SELECT 1 FROM pg_extension WHERE extname = 'pg_prewarm'", {
        database: 'shop',
      });
      expect(made).toEqual([]);
      expect(await ourSessions(warm)).toBe(0);
    },
    2 * MINUTES,
  );

  test(
    'is back as far as a login may that is no superuser, and why it is no more is said',
    async () => {
      await using target = await small();
      await target.query("CREATE ROLE tenant LOGIN PASSWORD 'tenant-pw'");
      await target.query('CREATE DATABASE shop OWNER tenant');
      const warmed = await restored(
        target,
        true,
        `postgres://tenant:tenant-pw@127.0.0.1:${target.port}/shop`,
      );
      expect(warmed!.reason).toContain('pg_prewarm');
      const { all, warm } = await warmth(target, 'table');
      expect(warm / all).toBeGreaterThan(0.9);
    },
    2 * MINUTES,
  );

  test(
    'that does not fit is back as far as it does, and that is said',
    async () => {
      await using target = await small({ shared_buffers: '128kB' });
      const warmed = await restored(target, true);
      expect(warmed!.warmedBytes).toBeLessThanOrEqual(0.9 * 131_072);
      expect(warmed!.warmedBytes).toBeGreaterThan(0);
      expect(warmed!.reason).toContain('shared_buffers');
    },
    2 * MINUTES,
  );

  test(
    'is read back past an event trigger of the application that forbids to make anything',
    async () => {
      await using strict = await startPostgres();
      await strict.query('CREATE EXTENSION pg_buffercache');
      await strict.query('CREATE DATABASE shop');
      await strict.query(
        `CREATE TABLE orders AS SELECT n AS id FROM generate_series(1, 1000) n;
         CREATE FUNCTION forbid() RETURNS event_trigger LANGUAGE plpgsql AS $$ BEGIN RAISE EXCEPTION 'not here'; END $$;
         CREATE EVENT TRIGGER forbid ON ddl_command_start EXECUTE FUNCTION forbid()`,
        { database: 'shop' },
      );
      const other = await capture({ url: strict.url('shop') });
      await using held = await restore({ url: strict.url('twin') }, other);
      const { hotBytes, warmedBytes, reason } = await held.warm!();
      expect(reason).toBeUndefined();
      expect(hotBytes).toBeGreaterThan(0);
      expect(warmedBytes).toBe(hotBytes);
    },
    2 * MINUTES,
  );

  test(
    'is not known without the extension: the coverage says so, and so does a restore',
    async () => {
      await using plain = await small();
      await plain.query('CREATE DATABASE shop');
      const other = await capture({ url: plain.url('shop') });
      expect(other.member.coverage.outside).toContainEqual(
        expect.objectContaining({
          code: 'postgres.buffers',
          message: expect.stringContaining('pg_buffercache'),
        }),
      );
      await using held = await restore({ url: plain.url('twin') }, other);
      expect(await held.warm!()).toEqual({
        hotBytes: undefined,
        warmedBytes: 0,
        reason: expect.stringContaining('pg_buffercache'),
      });
    },
    2 * MINUTES,
  );
});
