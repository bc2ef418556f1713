import { afterAll, beforeAll } from '@jest/globals';
import pg from 'pg';
import { sleep } from '../../provider/core/wait.ts';
import { postgresDriver } from '../../provider/drivers/postgres/driver.ts';
import type { PostgresSpec } from '../../provider/drivers/postgres/spec.ts';
import { driverRig, type Taken } from './driver-rig.ts';
import { everyType } from './postgres-every-type.ts';
import { type PostgresServer, startPostgres } from './postgres-server.ts';

export { collect, compareWith, host, replay, restoreOptions, type Taken } from './driver-rig.ts';
export { everyType } from './postgres-every-type.ts';

export const { capture, copied, restore, restoreAndCompare, observed, stored, compareRunning } =
  driverRig<PostgresSpec>(postgresDriver);

/** For a file of tests: a server with one such database, `shop`, a capture of it, and an empty server. */
export function capturedShop(): {
  readonly source: PostgresServer;
  readonly target: PostgresServer;
  readonly taken: Taken;
} {
  let source: PostgresServer;
  let target: PostgresServer;
  let taken: Taken;
  beforeAll(async () => {
    [source, target] = await Promise.all([startPostgres(), startPostgres()]);
    await everyType(source, 'shop');
    await source.query(OF_THE_DATABASE);
    taken = await capture({ url: source.url('shop') });
  }, 180_000);
  afterAll(() => Promise.all([source?.stop(), target?.stop()]));
  return {
    get source() {
      return source;
    },
    get target() {
      return target;
    },
    get taken() {
      return taken;
    },
  };
}

/** For a file of tests: a server with one such database, `shop`. */
export function shopServer(): { readonly server: PostgresServer } {
  let server: PostgresServer;
  beforeAll(async () => {
    server = await startPostgres();
    await everyType(server, 'shop');
  }, 120_000);
  afterAll(() => server?.stop());
  return {
    get server() {
      return server;
    },
  };
}

/** A connection that the server may end. */
export async function clientOf(server: PostgresServer, database: string): Promise<pg.Client> {
  const connection = new pg.Client({ connectionString: server.url(database) });
  connection.on('error', () => {});
  await connection.connect();
  return connection;
}

/** Runs `work` again and again until told to stop; how often it ran. */
export function repeat(work: () => Promise<unknown>, pauseMs = 0): { stop(): Promise<number> } {
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

/** What a database has beside the objects in it. */
const OF_THE_DATABASE = `
  ALTER DATABASE shop SET search_path = app, "Odd ""schema"", with / and .", '';
  ALTER DATABASE shop SET statement_timeout = '1min'; ALTER ROLE shop_app IN DATABASE shop SET work_mem = '9MB';
  COMMENT ON DATABASE shop IS 'the shop''s'; ALTER DATABASE shop CONNECTION LIMIT 50;
  REVOKE TEMPORARY ON DATABASE shop FROM PUBLIC; GRANT CREATE ON DATABASE shop TO shop_app WITH GRANT OPTION;
  ALTER DATABASE shop OWNER TO shop_owner`;

/** Names of the databases of a server, without templates. */
export async function databasesOf(server: PostgresServer): Promise<string[]> {
  const rows = await server.query('SELECT datname FROM pg_database WHERE NOT datistemplate ORDER BY 1');
  return rows.map(({ datname }) => String(datname));
}

/** Sessions of ours on the server, other than the asking one. */
export async function ourSessions(server: PostgresServer): Promise<number> {
  const [row] = await server.query(
    "SELECT count(*)::int AS count FROM pg_stat_activity WHERE application_name IN ('stasis', 'pg_dump', 'pg_restore') AND pid <> pg_backend_pid()",
  );
  return Number(row?.count);
}
