import pg from 'pg';
import type { PostgresServer } from '../../support/postgres-server.ts';
import type { Disturbance } from './adapter.ts';

/** What breaks naive captures of a Postgres. */
export function postgresDisturbances(server: PostgresServer, database: string): Disturbance[] {
  let turn = 0;
  const sql = (name: string, changes: boolean, statement: (turn: number) => string): Disturbance => ({
    name,
    changes,
    disturb: async () => {
      turn += 1;
      // Where our own locks keep it out it fails in the end, as an impatient administrator's would.
      await server
        .query(`SET lock_timeout = '3s'; ${statement(turn)}`, { database })
        .catch((error: unknown) => {
          if (!isTurnedAway(error)) throw error;
        });
    },
  });
  return [
    // In the load's own order: in another, the two would deadlock with one another, whatever we do.
    sql('TRUNCATE', true, () => 'BEGIN; UPDATE state SET base = n; TRUNCATE ledger; COMMIT'),
    sql('DDL: a table more', true, (n) => `CREATE TABLE more_${n} AS SELECT 1 AS a`),
    sql(
      'DDL: a table rewritten',
      true,
      (n) => `ALTER TABLE fixed ADD COLUMN extra_${n} integer DEFAULT (random() * 10)::integer`,
    ),
    sql(
      'DDL: a table dropped and made again',
      true,
      () =>
        'BEGIN; DROP TABLE bulky; CREATE TABLE bulky AS SELECT n, md5((n * 2)::text) AS filler FROM generate_series(1, 5000) AS n; COMMIT',
    ),
    sql(
      'DDL: a table renamed, and back',
      true,
      () => 'ALTER TABLE bulky RENAME TO slim; COMMIT; ALTER TABLE slim RENAME TO bulky',
    ),
    sql(
      'DDL: a schema renamed, and back',
      true,
      () => 'ALTER SCHEMA app RENAME TO other; COMMIT; ALTER SCHEMA other RENAME TO app',
    ),
    sql(
      'DDL: a partition detached, and attached again',
      true,
      () =>
        "ALTER TABLE app.events DETACH PARTITION app.events_new; COMMIT; ALTER TABLE app.events ATTACH PARTITION app.events_new FOR VALUES FROM ('2020-01-01') TO (MAXVALUE)",
    ),
    sql(
      'DDL: another function',
      true,
      (n) =>
        `CREATE OR REPLACE FUNCTION app.rank(app.mood) RETURNS integer LANGUAGE sql IMMUTABLE AS $$ SELECT length($1::text) + 0 * ${n} $$`,
    ),
    sql(
      'DDL: a grant',
      true,
      (n) => `${n % 2 ? 'GRANT' : 'REVOKE'} INSERT ON fixed ${n % 2 ? 'TO' : 'FROM'} low`,
    ),
    sql('temporary tables', false, () => 'CREATE TEMP TABLE x AS SELECT 1 AS a; ANALYZE x; DROP TABLE x'),
    sql('ANALYZE', false, () => 'ANALYZE'),
    sql('REINDEX and CLUSTER', false, () => 'REINDEX TABLE ledger; COMMIT; CLUSTER ledger USING ledger_pkey'),
    sql('a checkpoint', false, () => 'CHECKPOINT'),
    sql(
      'the end of all our sessions',
      false,
      () =>
        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name ~ '^(stasis|pg_dump)'",
    ),
    sql('VACUUM FULL', false, () => 'VACUUM FULL bulky'),
    sql('nextval', false, () => "SELECT nextval('ticket') FROM generate_series(1, 20)"),
    sql('a large object', true, () => "SELECT lo_from_bytea(0, '\\x00ff'::bytea)"),
  ].map((disturbance) =>
    // Several statements in one query are one transaction, in which VACUUM is not allowed.
    disturbance.name === 'VACUUM FULL'
      ? { ...disturbance, disturb: () => vacuum(server.url(database)) }
      : disturbance,
  );
}

/** Kept out by locks for too long, or chosen as the one to give way in a deadlock: SQLSTATE 55P03 and 40P01. */
function isTurnedAway(error: unknown): boolean {
  return error instanceof pg.DatabaseError && ['55P03', '40P01'].includes(error.code ?? '');
}

async function vacuum(url: string): Promise<void> {
  const client = new pg.Client({ connectionString: url, options: '-c lock_timeout=3s' });
  await client.connect();
  try {
    await client.query('VACUUM FULL bulky').catch((error: unknown) => {
      if (!isTurnedAway(error)) throw error;
    });
  } finally {
    await client.end();
  }
}
