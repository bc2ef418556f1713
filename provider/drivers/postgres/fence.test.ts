import type { Readable } from 'node:stream';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import pg from 'pg';
import { testContext } from '../../../test/support/context.ts';
import { type PostgresServer, startPostgres } from '../../../test/support/postgres-server.ts';
import { until } from '../../../test/support/process/rig.ts';
import { localHost } from '../../hosts/local/host.ts';
import { fence, fencedIn, lift } from './fence.ts';
import { postgresSpec } from './spec.ts';

const PATIENCE_MS = 120_000;
const context = testContext();

describe('what keeps a database from being fenced', () => {
  let server: PostgresServer;

  beforeAll(async () => {
    server = await startPostgres({ settings: { max_prepared_transactions: 2 } });
    await server.query('CREATE TABLE t (n int)');
    await server.query(`CREATE ROLE clerk LOGIN PASSWORD 'clerk'`);
  }, PATIENCE_MS);
  afterAll(() => server?.stop(), PATIENCE_MS);

  async function obstacles(url = server.url()): Promise<string[]> {
    const found = await fence.obstacles(postgresSpec.parse({ url }), localHost(), context);
    return found.map(({ code, at }) => `${code} ${at.join('.')}`).sort();
  }

  test(
    'is nothing for a superuser',
    async () => {
      expect(await obstacles()).toEqual([]);
    },
    PATIENCE_MS,
  );

  test(
    'is a login that neither owns it nor may end the sessions of others',
    async () => {
      const url = new URL(server.url());
      url.username = 'clerk';
      url.password = 'clerk';

      expect(await obstacles(url.href)).toEqual([
        'postgres.fence-no-signal url',
        'postgres.fence-not-owner url',
      ]);
    },
    PATIENCE_MS,
  );

  test(
    'is a setting of its own that would win',
    async () => {
      await server.query('ALTER ROLE clerk SET default_transaction_read_only = off');
      try {
        expect(await obstacles()).toEqual(['postgres.fence-other-setting url']);
      } finally {
        await server.query('ALTER ROLE clerk RESET default_transaction_read_only');
      }
    },
    PATIENCE_MS,
  );

  test(
    'is what writes without a session: a prepared transaction, a subscription',
    async () => {
      await server.query(`BEGIN; INSERT INTO t VALUES (1); PREPARE TRANSACTION 'later'`);
      await server.query(
        `CREATE SUBSCRIPTION theirs CONNECTION 'host=127.0.0.1 port=1' PUBLICATION p
          WITH (connect = false, slot_name = NONE)`,
      );
      expect(await obstacles()).toEqual(['postgres.fence-goes-on url']);
      // Enabled without a slot is refused; with one that nobody made, its worker only tries.
      await server.query(`ALTER SUBSCRIPTION theirs SET (slot_name = 'theirs')`);
      await server.query('ALTER SUBSCRIPTION theirs ENABLE');
      expect(await obstacles()).toEqual(['postgres.fence-goes-on url', 'postgres.fence-goes-on url']);

      await server.query('ALTER SUBSCRIPTION theirs DISABLE');
      await server.query(`ALTER SUBSCRIPTION theirs SET (slot_name = NONE)`);
      await server.query('DROP SUBSCRIPTION theirs');
      await server.query(`ROLLBACK PREPARED 'later'`);
      expect(await obstacles()).toEqual([]);
    },
    PATIENCE_MS,
  );
});

test(
  'a fence does not wait for a client that was frozen in the middle of a transaction, and of an answer',
  async () => {
    await using server = await startPostgres();
    await server.query('CREATE TABLE t (n int)');
    const client = new pg.Client({ connectionString: server.url() });
    client.on('error', () => undefined);
    await client.connect();
    await client.query('BEGIN; INSERT INTO t VALUES (1)');
    // It reads no more, as one that is frozen: the server waits in the middle of what it sends.
    (Reflect.get(Reflect.get(client, 'connection') as object, 'stream') as Readable).pause();
    void client.query(`SELECT repeat('x', 1000) FROM generate_series(1, 100000)`).catch(() => undefined);
    await until(async () => {
      const waiting = await server.query(`SELECT 1 FROM pg_stat_activity WHERE wait_event = 'ClientWrite'`);
      return waiting.length === 1;
    });

    const spec = postgresSpec.parse({ url: server.url() });
    const entries: unknown[] = [];
    await fence.raise(spec, localHost(), async (entry) => void entries.push(entry), context);
    expect(await server.query('SELECT n FROM t')).toEqual([]);
    await expect(server.query('INSERT INTO t VALUES (2)')).rejects.toMatchObject({ code: '25006' });
    await lift(spec, localHost(), fencedIn(entries[0])!);
    await server.query('INSERT INTO t VALUES (3)');
    client.end().catch(() => undefined);
  },
  PATIENCE_MS,
);
