import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { testContext } from '../../../test/support/context.ts';
import {
  capture,
  collect,
  compareRunning,
  host,
  replay,
  restore,
  stored,
  type Taken,
} from '../../../test/support/postgres-rig.ts';
import { type PostgresServer, startPostgres } from '../../../test/support/postgres-server.ts';
import { compareStates } from '../../core/compare-states.ts';
import type { Comparison } from '../../core/fingerprint.ts';
import { ITEMS_NAMED } from '../../core/items.ts';
import { postgresDriver } from './driver.ts';

const MINUTES = 60_000;
const ROWS = 20_000;

/** Keys with whatever COPY escapes, a row value quotes, or a reader could take for an end. */
const ODD = [
  'plain',
  '',
  ' ',
  'a,b',
  '(a)',
  `it's "quoted"`,
  'back\\slash',
  '\\N',
  '\\.',
  'tab\there',
  'line\nend',
  'return\r\nend',
  '\b\f\v',
  'Grüße 🐘',
  '\u00a0\u0085',
  'null',
];

const TABLES = `SET ROLE tenant;
  CREATE TABLE many (id bigint PRIMARY KEY, note text, amount numeric(10,2), at timestamptz, tags text[], doc jsonb);
  INSERT INTO many SELECT n, CASE WHEN n % 7 = 0 THEN NULL ELSE 'note ' || n || E'\\n"x"' END, n / 3.0,
    '2026-01-01'::timestamptz + n * interval '1 second', ARRAY['a', n::text, 'b c'], jsonb_build_object('n', n)
    FROM generate_series(1, ${ROWS}) n;
  CREATE TABLE "Odd ""names""" ("the, key" text PRIMARY KEY, "Z" int, a int);
  CREATE TABLE pairs (region text, number int, value text, PRIMARY KEY (number, region));
  INSERT INTO pairs SELECT CASE n % 2 WHEN 0 THEN 'eu' ELSE 'us' END, n / 2, 'v' FROM generate_series(0, 999) n;
  CREATE TABLE unique_only (code uuid NOT NULL UNIQUE, other int UNIQUE, value int);
  INSERT INTO unique_only SELECT md5(n::text)::uuid, n, n FROM generate_series(1, 500) n;
  CREATE TABLE computed (id int PRIMARY KEY, value int, twice int GENERATED ALWAYS AS (value * 2) STORED);
  INSERT INTO computed SELECT n, n FROM generate_series(1, 300) n;
  CREATE TABLE keyless (value int, partial int);
  CREATE UNIQUE INDEX ON keyless (partial) WHERE partial > 5;
  INSERT INTO keyless SELECT n % 10, NULL FROM generate_series(1, 5000) n;
  CREATE TABLE flood (id int PRIMARY KEY, value int);
  INSERT INTO flood SELECT n, 0 FROM generate_series(1, ${ROWS}) n;
  CREATE TABLE untouched (id int PRIMARY KEY);
  INSERT INTO untouched SELECT generate_series(1, 100);
  CREATE TABLE no_columns ();
  INSERT INTO no_columns DEFAULT VALUES;
  CREATE TABLE parts (id int PRIMARY KEY, value text) PARTITION BY RANGE (id);
  CREATE TABLE parts_low PARTITION OF parts FOR VALUES FROM (0) TO (1000);
  INSERT INTO parts SELECT n, 'p' FROM generate_series(1, 900) n;
`;

const CHANGES = `
  UPDATE many SET note = 'x' WHERE id = 4711;
  DELETE FROM many WHERE id = 17;
  INSERT INTO many (id, note) VALUES (-5, 'more');
  UPDATE "Odd ""names""" SET a = 1;
  UPDATE pairs SET value = 'w' WHERE region = 'us' AND number = 77;
  DELETE FROM unique_only WHERE other = 99;
  UPDATE computed SET value = value + 1 WHERE id = 33;
  UPDATE keyless SET value = 77 WHERE ctid = (SELECT min(ctid) FROM keyless WHERE value = 7);
  UPDATE flood SET value = 1 WHERE id % 2 = 0;
  UPDATE parts SET value = 'q' WHERE id = 5;
  INSERT INTO no_columns DEFAULT VALUES;
`;

/** By table, what is said where all of it is named. */
const SAID: Readonly<Record<string, string>> = {
  'table/public.many': '1 row changed: id=4711; 1 row missing: id=17; 1 row extra: id=-5',
  'table/public.pairs': '1 row changed: number=77, region=us',
  'table/public.unique_only': 'rows: 500 -> 499; 1 row missing: code=ac627ab1-ccbd-b62e-c96e-702f07f6425b',
  'table/public.computed': '1 row changed: id=33',
  'table/public.keyless': '1 row missing, 1 row extra (no key names them)',
  'table/public.flood': '10,000 rows changed: id=10, id=100, id=1000, id=10000, id=10002, …',
  'table/public.parts_low': '1 row changed: id=5',
  'table/public.no_columns': 'rows: 1 -> 2',
};

let server: PostgresServer;
let taken: Taken;

beforeAll(async () => {
  server = await startPostgres();
  await server.query("CREATE ROLE tenant LOGIN PASSWORD 'pw'");
  await server.query('CREATE DATABASE shop OWNER tenant');
  await server.query(TABLES, { database: 'shop' });
  for (const key of ODD)
    await server.query('INSERT INTO "Odd ""names""" VALUES ($1, 0, 0)', { database: 'shop', values: [key] });
  taken = await capture({ url: server.url('shop') });
  await using held = await restore({ url: server.url('twin') }, taken);
  await held.release();
  await server.query(CHANGES, { database: 'twin' });
}, 2 * MINUTES);
afterAll(() => server?.stop());

function expectNamed({ differences }: Comparison): void {
  const said = Object.fromEntries(differences.map(({ object, message }) => [object, message]));
  const { 'table/public."Odd ""names"""': odd, ...others } = said;
  expect(others).toEqual(SAID);
  expect(odd).toContain(`${ODD.length} rows changed: `);
  const named = differences.find(({ object }) => object.includes('Odd'))!.within!.named;
  expect(new Set(named.map(({ name }) => name))).toEqual(
    new Set(ODD.map((key) => `"the, key"=${/^(plain|null)$/.test(key) ? key : JSON.stringify(key)}`)),
  );
  const flood = differences.find(({ object }) => object === 'table/public.flood')!.within!;
  expect(flood.named).toHaveLength(ITEMS_NAMED);
  expect(flood.counts).toEqual({ changed: ROWS / 2, missing: 0, extra: 0 });
}

describe('rows that differ are named', () => {
  test(
    'of what runs, compared with a snapshot',
    async () => {
      expectNamed(await compareRunning(stored(taken), { url: server.url('twin') }));
    },
    MINUTES,
  );

  test(
    'of two that run',
    async () => {
      await using held = await postgresDriver.observe({ url: server.url('shop') }, host, testContext());
      await using left = await held.readable!();
      expectNamed(await compareRunning(left, { url: server.url('twin') }));
    },
    MINUTES,
  );

  test(
    'of two snapshots',
    async () => {
      const later = await capture({ url: server.url('twin') });
      const compared = await compareStates(stored(taken), stored(later), testContext());
      expectNamed(compared);
    },
    MINUTES,
  );

  test(
    'of what a restore has loaded and not yet released, beside the target and inside it',
    async () => {
      const later = await capture({ url: server.url('twin') });
      await using beside = await restore({ url: server.url('third') }, later);
      {
        await using state = await beside.readable!();
        expectNamed(await compareStates(stored(taken), state, testContext()));
      }
      await beside.release();
      expect(await server.query('SELECT note FROM many WHERE id = 4711', { database: 'third' })).toEqual([
        { note: 'x' },
      ]);
      await server.query('CREATE DATABASE given OWNER tenant');
      const url = `postgres://tenant:pw@127.0.0.1:${server.port}/given`;
      await using inside = await restore({ url }, later);
      await using within = await inside.readable!();
      const compared = await compareStates(stored(taken), within, testContext());
      const rows = compared.differences.filter(({ object }) => /^table\/[^/]*$/.test(object));
      expectNamed({ ...compared, differences: rows });
      await inside.release();
    },
    2 * MINUTES,
  );
});

const messages = ({ differences }: Comparison): string[] =>
  differences.map(({ object, message }) => `${object} ${message}`);

describe('what cannot be named', () => {
  test(
    'is told: columns that only one side has, and rows in an encoding that is not read',
    async () => {
      const columns = 'CREATE TABLE a (id int PRIMARY KEY, v int); CREATE TABLE b (id int PRIMARY KEY)';
      const rows = 'INSERT INTO a VALUES (1, 1), (2, 2); INSERT INTO b VALUES (1)';
      await server.query('CREATE DATABASE narrow');
      await server.query(`${columns}; ${rows}`, { database: 'narrow' });
      const before = await capture({ url: server.url('narrow') });
      await server.query(
        'ALTER TABLE a DROP COLUMN v; DELETE FROM a WHERE id = 2; ALTER TABLE b ADD COLUMN v int',
        { database: 'narrow' },
      );
      const found = messages(await compareRunning(stored(before), { url: server.url('narrow') }));
      expect(found).toContain('table/public.a rows: 2 -> 1; 1 row missing: id=2');
      expect(found).toContain('table/public.b its rows are equal in what both sides have of them');

      await server.query(
        "CREATE DATABASE latin TEMPLATE template0 ENCODING 'LATIN1' LC_COLLATE 'C' LC_CTYPE 'C'",
      );
      await server.query("CREATE TABLE a (id text PRIMARY KEY, v int); INSERT INTO a VALUES ('é', 1)", {
        database: 'latin',
      });
      const latin = await capture({ url: server.url('latin') });
      await using held = await postgresDriver.observe({ url: server.url('latin') }, host, testContext());
      await using as = await held.readable!();
      const first = as.fingerprint();
      for await (const _ of first);
      await server.query('UPDATE a SET v = 2', { database: 'latin' });
      expect(messages(await compareRunning(stored(latin), { url: server.url('latin') }))).toEqual([
        'table/public.a content differs (not looked into: its rows are not stored as the LATIN1 that is hashed)',
      ]);
      const running = { fingerprint: () => replay(latin.entries), itemsOf: as.itemsOf };
      expect(messages(await compareRunning(running, { url: server.url('latin') }))).toEqual([
        'table/public.a 1 row changed: id=é',
      ]);
    },
    MINUTES,
  );

  test(
    'leaves a restore as it was, and a running database without our locks',
    async () => {
      await server.query('CREATE DATABASE hurried OWNER tenant');
      await using held = await restore(
        { url: `postgres://tenant:pw@127.0.0.1:${server.port}/hurried` },
        taken,
      );
      {
        await using state = await held.readable!();
        const flood = (await collect(state.fingerprint())).find(
          ({ object }) => object === 'table/public.flood',
        )!;
        const items = (await state.itemsOf!(flood))!;
        const { signal } = testContext();
        const tree = items.tree({ fields: items.fields, key: items.key, depth: 4 }, { timeoutMs: 1, signal });
        await expect(tree).rejects.toMatchObject({ code: 'postgres.query-cancelled' });
      }
      await held.release();
      expect(await server.query('SELECT count(*)::int AS n FROM flood', { database: 'hurried' })).toEqual([
        { n: ROWS },
      ]);

      const url = server.url('twin');
      await using observed = await postgresDriver.observe({ url }, host, testContext());
      {
        await using state = await observed.readable!();
        await compareStates(stored(taken), state, testContext());
        await expect(server.query(LOCK_MANY, { database: 'twin' })).rejects.toThrow(/lock timeout/);
      }
      await server.query(LOCK_MANY, { database: 'twin' });
    },
    2 * MINUTES,
  );
});

const LOCK_MANY = "BEGIN; SET LOCAL lock_timeout = '300ms'; LOCK TABLE many; COMMIT";
