import { execFile } from 'node:child_process';
import { mkdtemp, rm } from 'node:fs/promises';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { testContext } from '../../../test/support/context.ts';
import { capture, host, restoreAndCompare, type Taken } from '../../../test/support/postgres-rig.ts';
import { type PostgresServer, startPostgres } from '../../../test/support/postgres-server.ts';
import type { CapturePlan } from '../../core/driver.ts';
import { postgresDriver } from './driver.ts';

const MINUTES = 60_000;
const run = promisify(execFile);

let server: PostgresServer;
let folder: string;
beforeAll(async () => {
  server = await startPostgres();
  folder = await mkdtemp(join(tmpdir(), 'stasis-pg-plan-'));
  await server.query('CREATE DATABASE shop');
  await server.query(
    `CREATE TABLE public.orders (id serial PRIMARY KEY, note text); CREATE TABLE public.secret (a integer);
     CREATE ROLE nobody_much LOGIN PASSWORD 'pw'; GRANT SELECT ON public.orders TO nobody_much`,
    { database: 'shop' },
  );
}, 2 * MINUTES);
afterAll(async () => {
  await server.stop();
  await rm(folder, { recursive: true, force: true });
});

const plan = (spec: { url: string; [key: string]: unknown }): Promise<CapturePlan> =>
  postgresDriver.plan(spec, host, testContext());
const codes = (planned: { problems: readonly { code: string }[] }): string[] =>
  planned.problems.map(({ code }) => code);

describe('plan of a capture', () => {
  test('a server that can be captured has no problem, and tells what will not be in the snapshot', async () => {
    const planned = await plan({ url: server.url('shop') });
    expect(planned.problems).toEqual([]);
    expect(planned.pauseMs).toBe(0);
    expect(planned.sizeBytes).toBeGreaterThan(1_000_000);
    expect(planned.system).toEqual({ product: 'PostgreSQL', version: server.version });
    expect(planned.outside.map(({ code }) => code)).toEqual(
      expect.arrayContaining([
        'postgres.sequences',
        'postgres.planner-statistics',
        'postgres.server-configuration',
      ]),
    );
    const [identity] = planned.identities;
    // The same database by another way is the same thing.
    const other = await plan({
      url: server.url('postgres').replace('127.0.0.1', 'localhost'),
      databases: ['shop'],
    });
    expect(other.identities).toEqual([identity]);
  });

  test(
    'an unreachable server, in bounded time',
    async () => {
      const silent = createServer((socket) => socket.resume().on('error', () => {}));
      await new Promise<void>((resolve) => silent.listen(0, '127.0.0.1', resolve));
      const { port } = silent.address() as { port: number };
      expect(codes(await plan({ url: `postgres://a:b@127.0.0.1:${port}/x?connect_timeout=1` }))).toEqual([
        'postgres.unreachable',
      ]);
      await new Promise((resolve) => silent.close(resolve));
      const refused = await plan({ url: `postgres://a:b@127.0.0.1:${port}/x` });
      expect(codes(refused)).toEqual(['postgres.unreachable']);
      expect(refused.problems[0]!.at).toEqual(['url']);
      expect(codes(await plan({ url: 'postgres://a:b@no-such-host.invalid/x' }))).toEqual([
        'postgres.unreachable',
      ]);
    },
    MINUTES,
  );

  test('a wrong password is told and never printed', async () => {
    const planned = await plan({ url: `postgres://postgres:wr0ng-p4ss@127.0.0.1:${server.port}/shop` });
    expect(codes(planned)).toEqual(['postgres.password']);
    const [problem] = planned.problems;
    expect(problem!.at).toEqual(['url']);
    expect(
      `${problem!.message} ${problem!.hint} ${JSON.stringify(problem!.details)} ${String(problem!.cause)}`,
    ).not.toContain('wr0ng');
  });

  test('a database that is not there', async () => {
    expect(codes(await plan({ url: server.url('nowhere') }))).toEqual(['postgres.no-database']);
    const listed = await plan({ url: server.url('shop'), databases: ['shop', 'nowhere'] });
    expect(codes(listed)).toEqual(['postgres.no-database']);
    expect(listed.problems[0]!.at).toEqual(['databases']);
  });

  test('missing client programs, and ones that are too old', async () => {
    const missing = await plan({ url: server.url('shop'), clientPath: folder });
    expect(codes(missing)).toEqual(['postgres.client-missing']);
    expect(missing.problems[0]!.at).toEqual(['clientPath']);
    for (const name of ['pg_dump', 'pg_restore', 'psql']) {
      await run('sh', [
        '-c',
        `printf '#!/bin/sh\\necho "$0 (PostgreSQL) 13.4"\\n' > ${folder}/${name}; chmod +x ${folder}/${name}`,
      ]);
    }
    expect(codes(await plan({ url: server.url('shop'), clientPath: folder }))).toEqual([
      'postgres.client-too-old',
    ]);
  });

  test(
    'a login that may not read all',
    async () => {
      const url = `postgres://nobody_much:pw@127.0.0.1:${server.port}/shop`;
      const planned = await plan({ url });
      expect(codes(planned)).toEqual(['postgres.rights']);
      expect(planned.problems[0]!.message).toMatch(/public\.orders_id_seq, public\.secret/);
      // What it cannot read, it is told before anything is done, and not by a dump that fails half-way.
      await server.query(
        'GRANT pg_read_all_data TO nobody_much; ALTER TABLE public.secret ENABLE ROW LEVEL SECURITY',
        { database: 'shop' },
      );
      const filtered = await plan({ url });
      expect(filtered.problems.map(({ message }) => message)).toEqual([
        expect.stringMatching(/row-level security.*public\.secret/),
      ]);
      await server.query('ALTER TABLE public.secret DISABLE ROW LEVEL SECURITY', { database: 'shop' });
      expect(codes(await plan({ url }))).toEqual([]);
      const taken = await capture({ url });
      expect(taken.entries.map(({ object }) => object)).toContain('table/public.secret');
      expect(taken.member.coverage.outside.map(({ code }) => code)).toContain('postgres.role-passwords');
    },
    MINUTES,
  );

  test(
    'more connections or locks than the server has',
    async () => {
      await using small = await startPostgres({
        settings: { max_connections: 10, max_locks_per_transaction: 10 },
      });
      expect(codes(await plan({ url: small.url(), jobs: 20 }))).toEqual(['postgres.connections']);
      await small.query(
        Array.from({ length: 60 }, (_, n) => `CREATE TABLE public.t${n} (a integer);`)
          .slice(0, 30)
          .join(' '),
      );
      await small.query(
        Array.from({ length: 30 }, (_, n) => `CREATE TABLE public.u${n} (a integer);`).join(' '),
      );
      expect(codes(await plan({ url: small.url(), jobs: 1 }))).toEqual(['postgres.lock-table-full']);
    },
    MINUTES,
  );

  test(
    'slots, prepared transactions, invalid indexes, stale views and the like are named as outside',
    async () => {
      await using odd = await startPostgres({
        settings: { max_prepared_transactions: 5, wal_level: 'logical' },
      });
      await odd.query("SELECT pg_create_logical_replication_slot('s', 'pgoutput')");
      await odd.query(
        `CREATE TABLE public.t AS SELECT 1 AS a UNION ALL SELECT 1; CREATE MATERIALIZED VIEW public.m AS SELECT 1;
       CREATE SUBSCRIPTION sub CONNECTION 'host=127.0.0.1 dbname=x' PUBLICATION p WITH (connect = false)`,
      );
      await odd.query('CREATE UNIQUE INDEX CONCURRENTLY bad ON public.t (a)').catch(() => {});
      await odd.query("BEGIN; INSERT INTO public.t VALUES (2); PREPARE TRANSACTION 'later'").catch(() => {});
      const expected = [
        ...['postgres.replication-slots', 'postgres.prepared-transactions', 'postgres.invalid-indexes'],
        ...['postgres.stale-materialized-views', 'postgres.subscriptions'],
      ];
      const planned = await plan({ url: odd.url() });
      expect(planned.outside.map(({ code }) => code)).toEqual(expect.arrayContaining(expected));
      const taken = await capture({ url: odd.url() });
      expect(taken.member.coverage.outside.map(({ code }) => code)).toEqual(expect.arrayContaining(expected));
      expect((await restoreAndCompare({ url: server.url('odd') }, taken)).differences).toEqual([]);
      await server.query('DROP DATABASE odd');
      await odd.query("ROLLBACK PREPARED 'later'");
    },
    MINUTES,
  );
});

describe('plan of a restore', () => {
  let taken: Taken;
  beforeAll(async () => {
    await server.query('CREATE EXTENSION citext; CREATE TABLE public.c (a public.citext)', {
      database: 'shop',
    });
    taken = await capture({ url: server.url('shop') });
  }, MINUTES);
  const planRestore = (url: string, member = taken.member) =>
    postgresDriver.planRestore({ url }, host, member, testContext());

  test('an empty, a missing and a full target', async () => {
    expect(await planRestore(server.url('missing'))).toMatchObject({ problems: [], empty: true });
    expect(await planRestore(server.url('postgres'))).toMatchObject({ problems: [], empty: true });
    expect(await planRestore(server.url('shop'))).toMatchObject({ problems: [], empty: false });
  });

  test('a missing extension, a role that cannot be made, a newer content', async () => {
    const content = structuredClone(taken.member.content) as {
      databases: { extensions: unknown[] }[];
      owners: string[];
    };
    content.databases[0]!.extensions.push({ name: 'no_such_extension', version: '1.0', schema: 'public' });
    content.owners.push('no_such_role');
    const planned = await planRestore(server.url('missing'), { ...taken.member, content });
    expect(codes(planned)).toEqual(['postgres.extension-missing', 'postgres.role-missing']);
    expect(codes(await planRestore(server.url('missing'), { ...taken.member, contentVersion: 99 }))).toEqual([
      'postgres.newer-content',
    ]);
  });

  test('a login that may neither create nor replace a database', async () => {
    const url = `postgres://nobody_much:pw@127.0.0.1:${server.port}`;
    // Nor may it give what it restores to its owners.
    const refused = ['postgres.rights', 'postgres.rights'];
    expect(codes(await planRestore(`${url}/missing`))).toEqual(refused);
    expect(codes(await planRestore(`${url}/shop`))).toEqual(refused);
  });
});

describe('TLS', () => {
  let secure: PostgresServer;
  let paths: { cert: string; key: string; other: string };
  beforeAll(async () => {
    const make = async (name: string, subject: string): Promise<void> => {
      await run('openssl', [
        ...['req', '-x509', '-newkey', 'rsa:2048', '-nodes', '-days', '2', '-subj', `/CN=${subject}`],
        ...['-addext', `subjectAltName=DNS:${subject}`],
        ...['-keyout', join(folder, `${name}.key`), '-out', join(folder, `${name}.crt`)],
      ]);
    };
    await make('server', 'localhost');
    await make('other', 'localhost');
    paths = {
      cert: join(folder, 'server.crt'),
      key: join(folder, 'server.key'),
      other: join(folder, 'other.crt'),
    };
    secure = await startPostgres({ tls: { certFile: paths.cert, keyFile: paths.key, only: true } });
    await secure.query('CREATE TABLE public.t AS SELECT 1 AS a');
  }, MINUTES);
  afterAll(() => secure.stop());
  const at = (hostName: string, options: string) =>
    `${secure.url().replace('127.0.0.1', hostName)}?${options}`;

  test(
    'every sslmode that suits the certificate works, in our sessions and in the client programs',
    async () => {
      const root = `sslrootcert=${encodeURIComponent(paths.cert)}`;
      for (const url of [
        at('127.0.0.1', 'sslmode=prefer'),
        at('127.0.0.1', 'sslmode=require'),
        at('127.0.0.1', `sslmode=verify-ca&${root}`),
        at('localhost', `sslmode=verify-full&${root}`),
      ]) {
        expect((await plan({ url })).problems).toEqual([]);
        const taken = await capture({ url });
        expect(taken.entries.find(({ object }) => object === 'table/public.t')?.facts).toEqual({ rows: 1 });
      }
    },
    2 * MINUTES,
  );

  test(
    'a certificate of another authority, another name, and no TLS at all are refused',
    async () => {
      const other = `sslrootcert=${encodeURIComponent(paths.other)}`;
      const root = `sslrootcert=${encodeURIComponent(paths.cert)}`;
      expect(codes(await plan({ url: at('127.0.0.1', `sslmode=verify-ca&${other}`) }))).toEqual([
        'postgres.tls',
      ]);
      expect(codes(await plan({ url: at('127.0.0.1', `sslmode=verify-full&${root}`) }))).toEqual([
        'postgres.tls',
      ]);
      expect(codes(await plan({ url: at('127.0.0.1', 'sslmode=disable') }))).toEqual(['postgres.login']);
      expect(codes(await plan({ url: `${server.url('shop')}?sslmode=require` }))).toEqual(['postgres.tls']);
      expect(
        codes(await plan({ url: at('127.0.0.1', 'sslmode=verify-ca&sslrootcert=/nowhere.crt') })),
      ).toEqual(['postgres.tls']);
    },
    MINUTES,
  );
});
