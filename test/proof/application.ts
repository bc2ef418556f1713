import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import pg from 'pg';
import type { Member } from '../../provider/coordinator/member.ts';
import type { Context } from '../../provider/core/context.ts';
import type { Driver } from '../../provider/core/driver.ts';
import type { Store } from '../../provider/core/store.ts';
import { STORE_TYPES } from '../../provider/stores/registry.ts';
import { memberOf } from '../support/member.ts';
import { type PostgresServer, startPostgres } from '../support/postgres-server.ts';
import { type RedisServer, startRedis } from '../support/redis-server.ts';

/** Two Postgres servers, a Redis and a folder, real ones, for proofs and end-to-end tests. */
export interface Application extends AsyncDisposable {
  readonly a: PostgresServer;
  readonly b: PostgresServer;
  readonly redis: RedisServer;
  readonly folder: string;
  readonly storeFolder: string;
  query(which: 'a' | 'b', sql: string): Promise<void>;
  member(name: 'a' | 'b' | 'redis' | 'folder', change?: (driver: Driver) => Driver): Member;
  openStore(context: Context): Promise<Store>;
}

const SCHEMA = `
  CREATE TABLE entries (id bigserial PRIMARY KEY, note text);
  INSERT INTO entries (note) SELECT 'entry ' || n FROM generate_series(1, 200) n;
`;

export async function startApplication(): Promise<Application> {
  await using starting = new AsyncDisposableStack();
  const [a, b, redis] = await Promise.all([startPostgres(), startPostgres(), startRedis()]);
  starting.defer(async () => {
    await Promise.all([a.stop(), b.stop(), redis.stop()]);
  });
  const root = await mkdtemp(join(tmpdir(), 'stasis-app-'));
  starting.defer(() => rm(root, { recursive: true, force: true }));
  const folder = join(root, 'folder');
  await mkdir(folder);
  for (let index = 0; index < 40; index += 1) await writeFile(join(folder, `f${index}`), `file ${index}`);
  const clients = { a: await connect(a, starting), b: await connect(b, starting) };
  for (const client of Object.values(clients)) await client.query(SCHEMA);
  await redis.feed(Array.from({ length: 200 }, (_, index) => `SET key:${index} value-${index}`).join('\n'));
  const specs = {
    a: ['postgres', { url: a.url() }],
    b: ['postgres', { url: b.url() }],
    redis: ['redis', { url: redis.url }],
    folder: ['files', { path: folder }],
  } as const;
  const resources = starting.move();
  return {
    a,
    b,
    redis,
    folder,
    storeFolder: join(root, 'store'),
    query: async (which, sql) => {
      await clients[which].query(sql);
    },
    member: (name, change = (driver) => driver) => {
      const [driverName, spec] = specs[name];
      const member = memberOf(driverName, spec, { name });
      return { ...member, driver: change(member.driver) };
    },
    openStore: (context) => STORE_TYPES[0]!.open({ path: join(root, 'store') }, context),
    [Symbol.asyncDispose]: () => resources.disposeAsync(),
  };
}

async function connect(server: PostgresServer, resources: AsyncDisposableStack): Promise<pg.Client> {
  const client = new pg.Client({ connectionString: server.url() });
  client.on('error', () => {});
  await client.connect();
  resources.defer(() => client.end().catch(() => {}));
  return client;
}

/** Commits on both servers all the time: neither is ever quiet for long, so that a Redis among them has to be locked. */
export function keepBusy(application: Application): AsyncDisposable {
  let running = true;
  const update = "UPDATE entries SET note = 'x' WHERE id = 1";
  const working = (['a', 'b'] as const).map(async (which) => {
    while (running) {
      await application.query(which, update);
      await sleep(3);
    }
  });
  return {
    [Symbol.asyncDispose]: async () => {
      running = false;
      await Promise.all(working);
    },
  };
}
