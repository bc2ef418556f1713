import { readdir, readFile } from 'node:fs/promises';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import pg from 'pg';
import { memoryBlobs, testContext } from '../../../test/support/context.ts';
import {
  capture,
  compareWith,
  copied,
  everyType,
  host,
  observed,
  ourSessions,
  replay,
  restoreAndCompare,
} from '../../../test/support/postgres-rig.ts';
import { type PostgresServer, startPostgres } from '../../../test/support/postgres-server.ts';
import { postgresDriver } from './driver.ts';

const MINUTES = 60_000;
const signal = new AbortController().signal;

let server: PostgresServer;
beforeAll(async () => {
  server = await startPostgres();
  await everyType(server, 'shop');
}, 2 * MINUTES);
afterAll(() => server.stop());

const shop = () => ({ url: server.url('shop') });

/** Runs `work` again and again until told to stop; how often it ran. */
function repeat(work: () => Promise<unknown>, pauseMs = 0): { stop(): Promise<number> } {
  let running = true;
  let times = 0;
  const loop = (async () => {
    while (running) {
      await work();
      times += 1;
      if (pauseMs > 0) await sleep(pauseMs);
    }
  })();
  return {
    stop: async () => {
      running = false;
      await loop;
      return times;
    },
  };
}

async function client(database: string): Promise<pg.Client> {
  const connection = new pg.Client({ connectionString: server.url(database) });
  connection.on('error', () => {});
  await connection.connect();
  return connection;
}

describe('mark and epoch', () => {
  test('the epoch is equal exactly while nothing is committed, and the mark carries it', async () => {
    await server.query('CREATE TABLE IF NOT EXISTS app.probe (n integer)', { database: 'shop' });
    await using session = await postgresDriver.prepare(shop(), host, testContext());
    const before = await session.watch!.epoch(signal);
    const [mark] = await session.mark!.take(signal);
    const after = await session.watch!.epoch(signal);
    expect(after.value).toBe(before.value);
    expect(mark!.epoch).toBe(before.value);
    expect(mark!.sentNs).toBeGreaterThanOrEqual(before.acknowledgedNs);
    expect(mark!.acknowledgedNs).toBeGreaterThanOrEqual(mark!.sentNs);
    expect(after.sentNs).toBeGreaterThanOrEqual(mark!.acknowledgedNs);

    await server.query('INSERT INTO app.probe VALUES (1)', { database: 'shop' });
    const written = await session.watch!.epoch(signal);
    expect(written.value).not.toBe(before.value);
    // A change in another database of the server shows as well, and no value ever comes back.
    await server.query('CREATE TABLE public.elsewhere (n integer)');
    const elsewhere = await session.watch!.epoch(signal);
    expect(new Set([before.value, written.value, elsewhere.value]).size).toBe(3);
  });

  test('a mark takes about a round trip', async () => {
    await using session = await postgresDriver.prepare(shop(), host, testContext());
    const took: number[] = [];
    for (let i = 0; i < 50; i += 1) {
      const [mark] = await session.mark!.take(signal);
      took.push((mark!.acknowledgedNs - mark!.sentNs) / 1e6);
    }
    took.sort((a, b) => a - b);
    console.log(`mark: median ${took[25]!.toFixed(2)} ms, worst ${took.at(-1)!.toFixed(2)} ms`);
    expect(took).toHaveLength(50);
  });

  test('the mark shows what was there at its instant, whatever comes after', async () => {
    await server.query('CREATE TABLE app.instant AS SELECT generate_series(1, 10) AS n', {
      database: 'shop',
    });
    await using session = await postgresDriver.prepare(shop(), host, testContext());
    await session.mark!.take(signal);
    await server.query(
      'UPDATE app.instant SET n = n + 1; DELETE FROM app.lines; INSERT INTO app.empty VALUES (1)',
      {
        database: 'shop',
      },
    );
    const taken = await copied(session, shop());
    const rows = (name: string) =>
      taken.entries.find(({ object }) => object === `table/app.${name}`)?.facts?.rows;
    expect([rows('instant'), rows('lines'), rows('empty')]).toEqual([10, 3, 0]);
    await server.query("INSERT INTO app.lines VALUES (1, 100, 'first'); DELETE FROM app.empty", {
      database: 'shop',
    });
  });

  test('all databases of a server are one act when their snapshots are the same', async () => {
    await server.query('CREATE DATABASE two');
    await server.query('CREATE TABLE public.t AS SELECT 1 AS a', { database: 'two' });
    const spec = { url: server.url('shop'), databases: ['two', 'shop'] };
    const writer = await client('two');
    await using session = await postgresDriver.prepare(spec, host, testContext());
    const load = repeat(() => writer.query('INSERT INTO public.t VALUES (1)'));
    const counts: number[] = [];
    for (let i = 0; i < 20; i += 1) counts.push((await session.mark!.take(signal)).length);
    expect(await load.stop()).toBeGreaterThan(20);
    await writer.end();
    expect(counts.filter((count) => count === 1).length).toBeGreaterThan(0);
    for (const count of counts) expect(count).toBeLessThanOrEqual(2);
    const marks = await session.mark!.take(signal);
    expect(marks).toHaveLength(1);
    const taken = await copied(session, spec);
    expect(taken.entries.map(({ object }) => object)).toEqual(
      expect.arrayContaining([
        'db/two/table/public.t',
        'db/shop/table/app.keys',
        'db/two/database',
        'role/shop_app',
      ]),
    );
    expect(taken.member.summary).toMatch(/^\d+ tables in 2 databases$/);
    await session[Symbol.asyncDispose]();
    await server.query('DROP DATABASE two');
  });
});

describe('under what breaks naive captures', () => {
  test(
    'TRUNCATE, VACUUM FULL and new tables while it captures: every capture is of one committed state',
    async () => {
      await server.query(`CREATE DATABASE busy`);
      await server.query(
        `CREATE TABLE public.pair_a (n bigint); CREATE TABLE public.pair_b (n bigint);
       CREATE TABLE public.filled AS SELECT g AS n, repeat('x', 200) AS pad FROM generate_series(1, 20000) g;
       INSERT INTO public.pair_a VALUES (0); INSERT INTO public.pair_b VALUES (0)`,
        { database: 'busy' },
      );
      const spec = { url: server.url('busy'), lockTimeoutMs: 60_000 };
      const connections = await Promise.all([client('busy'), client('busy'), client('busy'), client('busy')]);
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
      expect(await ourSessions(server)).toBe(0);
      await server.query('DROP DATABASE busy WITH (FORCE)');
    },
    5 * MINUTES,
  );

  test('a naive dump in an exported snapshot does lose what is truncated, so the check above can fail', async () => {
    await server.query('CREATE TABLE public.naive AS SELECT 1 AS a');
    const exporter = await client('postgres');
    const reader = await client('postgres');
    await exporter.query('BEGIN ISOLATION LEVEL REPEATABLE READ');
    const { rows } = await exporter.query('SELECT pg_export_snapshot() AS id');
    await server.query('TRUNCATE public.naive');
    await reader.query(`BEGIN ISOLATION LEVEL REPEATABLE READ; SET TRANSACTION SNAPSHOT '${rows[0].id}'`);
    const read = await reader.query('SELECT * FROM public.naive');
    expect(read.rows).toEqual([]);
    await Promise.all([exporter.end(), reader.end()]);
  });

  test('TRUNCATE waits until the copy is done, and DROP TABLE does', async () => {
    await server.query('CREATE TABLE app.waits AS SELECT 1 AS a', { database: 'shop' });
    const dropper = await client('shop');
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
    await server.query('CREATE TABLE app.late AS SELECT 1 AS a', { database: 'shop' });
    await session.mark!.take(signal);
    const blobs = memoryBlobs();
    await expect(session.copy(blobs)).rejects.toMatchObject({ code: 'cut.lost' });
    const taken = await copiedAfterNewMark(session);
    expect(taken.entries.map(({ object }) => object)).toContain('table/app.late');
    await server.query('DROP TABLE app.late', { database: 'shop' });

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
        await server.query(change, { database: 'shop' });
        await session.mark!.take(signal);
        const blobs = memoryBlobs();
        await expect(session.copy(blobs)).rejects.toMatchObject({ code: 'cut.lost' });
      }
    },
    2 * MINUTES,
  );

  test('temporary tables, ANALYZE and VACUUM are no schema change', async () => {
    await using session = await postgresDriver.prepare(shop(), host, testContext());
    await server.query(
      'CREATE TEMP TABLE x (a serial PRIMARY KEY, b text DEFAULT 1); ANALYZE app.every_type',
      { database: 'shop' },
    );
    await server.query('VACUUM app.changed', { database: 'shop' });
    await session.mark!.take(signal);
    const blobs = memoryBlobs();
    await expect(session.copy(blobs)).resolves.toMatchObject({ contentVersion: 1 });
  });
});

describe('sequences', () => {
  test('move unseen by the epoch (while the server has positions logged ahead), are recorded after the mark, and come back as recorded', async () => {
    await using session = await postgresDriver.prepare(shop(), host, testContext());
    // The first one logs 32 positions ahead, as a transaction of its own.
    await server.query("SELECT nextval('app.placed')", { database: 'shop' });
    const before = await session.watch!.epoch(signal);
    await session.mark!.take(signal);
    await server.query("SELECT nextval('app.placed') FROM generate_series(1, 20)", { database: 'shop' });
    expect((await session.watch!.epoch(signal)).value).toBe(before.value);
    const taken = await copied(session, shop());
    const entry = taken.entries.find(({ object }) => object === 'sequence/app.placed');
    expect(entry?.facts).toEqual({ next: 'after 1234567890143' });
    expect(taken.member.coverage.outside.map(({ code }) => code)).toContain('postgres.sequences');
  });

  test('one that is restarted after the mark makes the cut be taken again', async () => {
    await using session = await postgresDriver.prepare(shop(), host, testContext());
    await session.mark!.take(signal);
    await server.query('ALTER SEQUENCE app.placed RESTART WITH 5', { database: 'shop' });
    const blobs = memoryBlobs();
    await expect(session.copy(blobs)).rejects.toMatchObject({ code: 'cut.lost' });
  });
});

describe('abort and failure', () => {
  const nothingLeft = async (): Promise<void> => {
    expect(await ourSessions(server)).toBe(0);
    const locks = await server.query(
      "SELECT count(*)::int AS count FROM pg_locks WHERE locktype = 'relation' AND pid <> pg_backend_pid() AND database = (SELECT oid FROM pg_database WHERE datname = 'shop')",
    );
    expect(locks[0]?.count).toBe(0);
    expect(await readdir(`${server.folder}/data/pg_snapshots`)).toEqual([]);
  };

  for (const step of ['prepare', 'mark', 'copy', 'fingerprint'] as const)
    test(`cancelled at ${step}: no session, lock or snapshot of ours stays`, async () => {
      const controller = new AbortController();
      const context = testContext({ signal: controller.signal });
      const work = async (): Promise<void> => {
        if (step === 'prepare') setTimeout(() => controller.abort(), 60);
        await using session = await postgresDriver.prepare(shop(), host, context);
        if (step === 'mark') controller.abort();
        await session.mark!.take(controller.signal);
        if (step === 'copy') setTimeout(() => controller.abort(), 20);
        const blobs = memoryBlobs();
        await session.copy(blobs);
        for await (const _ of session.fingerprint(blobs)) if (step === 'fingerprint') controller.abort();
        if (step === 'fingerprint')
          throw Object.assign(new Error('the rest was in memory'), { code: 'cancelled' });
      };
      await expect(work()).rejects.toMatchObject({ code: 'cancelled' });
      await nothingLeft();
    });

  test('disposed of without ever being used: nothing stays', async () => {
    const session = await postgresDriver.prepare(shop(), host, testContext());
    await session.mark!.take(signal);
    await session[Symbol.asyncDispose]();
    await session[Symbol.asyncDispose]();
    await nothingLeft();
  });

  test(
    'the server dies in the middle of the copy: an error says so, and all ends',
    async () => {
      await using dying = await startPostgres();
      await dying.query(
        'CREATE TABLE public.big AS SELECT g, repeat(md5(g::text), 20) AS x FROM generate_series(1, 100000) g',
      );
      const spec = { url: dying.url() };
      const session = await postgresDriver.prepare(spec, host, testContext());
      await session.mark!.take(signal);
      const slow = {
        ...memoryBlobs(),
        put: async (content: AsyncIterable<Uint8Array>) => {
          for await (const _ of content) await sleep(20);
          return { digest: `sha256-64k:${'0'.repeat(64)}` as const, sizeBytes: 0 };
        },
      };
      const copying = session.copy(slow);
      setTimeout(() => void dying.kill(), 200);
      await expect(copying).rejects.toMatchObject({ code: 'postgres.connection-lost' });
      await session[Symbol.asyncDispose]();
    },
    2 * MINUTES,
  );

  test('somebody ends our sessions in the middle of the copy: an error says so', async () => {
    await using session = await postgresDriver.prepare(shop(), host, testContext());
    await session.mark!.take(signal);
    await server.query(
      "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'stasis'",
    );
    await expect(session.copy(memoryBlobs())).rejects.toMatchObject({ code: 'postgres.connection-lost' });
  });

  test(
    'no lock is ever waited for: a table that is locked for good is told, and the application never deadlocks',
    async () => {
      const locker = await client('shop');
      await locker.query('BEGIN; LOCK TABLE app.keys IN ACCESS EXCLUSIVE MODE');
      const trying = postgresDriver.prepare({ ...shop(), lockTimeoutMs: 300 }, host, testContext());
      await expect(trying.finally(() => locker.end())).rejects.toMatchObject({
        code: 'postgres.lock-timeout',
      });
      await nothingLeft();
    },
    MINUTES,
  );
});

describe('secrets', () => {
  test(
    'the password is in no argument list while it captures and restores, and in nothing that is kept or logged',
    async () => {
      const password = 'pl4nted:p@ss/w?rd';
      await server.query(`CREATE ROLE planted SUPERUSER LOGIN PASSWORD '${password}'`);
      const url = `postgres://planted:${encodeURIComponent(password)}@127.0.0.1:${server.port}/shop`;
      const seen = new Set<string>();
      const watching = repeat(async () => {
        for (const pid of await readdir('/proc').catch(() => []))
          if (/^\d+$/.test(pid)) seen.add(await readFile(`/proc/${pid}/cmdline`, 'utf8').catch(() => ''));
      }, 5);
      const context = testContext();
      const work = async () => {
        const taken = await capture({ url }, context);
        return {
          taken,
          comparison: await restoreAndCompare({ url: url.replace('/shop', '/planted_copy') }, taken),
        };
      };
      const { taken, comparison } = await work().finally(() => watching.stop());
      expect(comparison.differences).toEqual([]);
      const lines = [...seen];
      expect(lines.some((line) => line.includes('pg_dump'))).toBe(true);
      expect(lines.some((line) => line.includes('pg_restore'))).toBe(true);
      for (const secret of [password, encodeURIComponent(password)]) {
        expect(lines.filter((line) => line.includes(secret))).toEqual([]);
        const kept = JSON.stringify([taken.member, taken.entries, context.lines, context.events]);
        expect(kept).not.toContain(secret);
        for (const content of taken.blobs.contents.values()) expect(content.includes(secret)).toBe(false);
      }
      await server.query('DROP DATABASE planted_copy; ');
      await server.query('DROP ROLE planted');
    },
    2 * MINUTES,
  );
});

test('observing twice without a change gives the same fingerprint, in order, every object once', async () => {
  const [first, second] = [await observed(shop()), await observed(shop())];
  expect(second).toEqual(first);
  const names = first.map(({ object }) => object);
  expect(names).toEqual([...new Set(names)].sort((a, b) => (a < b ? -1 : 1)));
  const taken = await capture(shop());
  const comparison = await compareWith(taken, replay(first));
  expect(comparison).toMatchObject({ differenceCount: 0, equal: first.length });
});
