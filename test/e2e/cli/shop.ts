import { mkdir, writeFile } from 'node:fs/promises';
import { type PostgresServer, startPostgres } from '../../support/postgres-server.ts';
import { type RedisServer, startRedis } from '../../support/redis-server.ts';
import { Workspace } from './stasis.ts';

/** In every password of a shop: what must be found nowhere. */
export const PLANTED = 'Tr0ub4dor-planted';

/** A variable of the environment, as a file of inputs writes it. */
export function variable(name: string): string {
  return `\${${name}}`;
}

/** A small shop on real servers, and empty ones for its twin. */
export class Shop implements AsyncDisposable {
  readonly workspace: Workspace;
  readonly postgres: PostgresServer;
  readonly redis: RedisServer;
  readonly twinPostgres: PostgresServer;
  readonly twinRedis: RedisServer;

  private constructor(
    workspace: Workspace,
    servers: readonly [PostgresServer, RedisServer, PostgresServer, RedisServer],
  ) {
    this.workspace = workspace;
    [this.postgres, this.redis, this.twinPostgres, this.twinRedis] = servers;
  }

  static async open(): Promise<Shop> {
    const workspace = await Workspace.create();
    const servers = await Promise.all([
      startPostgres({ password: `${PLANTED}-pg` }),
      startRedis({ password: `${PLANTED}-redis` }),
      startPostgres({ password: `${PLANTED}-pg-twin` }),
      startRedis({ password: `${PLANTED}-redis-twin` }),
    ]);
    const shop = new Shop(workspace, servers);
    await shop.fill();
    return shop;
  }

  private async fill(): Promise<void> {
    await this.postgres.query('CREATE DATABASE orders');
    await this.postgres.query(
      `CREATE TABLE orders (id bigserial PRIMARY KEY, customer text NOT NULL, total numeric NOT NULL);
       INSERT INTO orders (customer, total) SELECT 'customer ' || n, n FROM generate_series(1, 5000) AS n;`,
      { database: 'orders' },
    );
    await this.twinPostgres.query('CREATE DATABASE orders');
    const carts = Array.from({ length: 2000 }, (_, n) => `HSET cart:${n} item ${n} count 1`);
    await this.redis.feed(`${carts.join('\n')}\n`);
    await mkdir(this.receipts);
    for (let n = 0; n < 50; n += 1) await writeFile(`${this.receipts}/${n}.txt`, `receipt ${n}\n`);
  }

  get receipts(): string {
    return this.workspace.path('receipts');
  }

  /** Passwords come from the environment, as users should have it. */
  get env(): Record<string, string> {
    return {
      ORDERS_URL: this.postgres.url('orders'),
      SESSIONS_URL: this.redis.url,
      TWIN_ORDERS_URL: this.twinPostgres.url('orders'),
      TWIN_SESSIONS_URL: this.twinRedis.url,
    };
  }

  readonly app = `name: shop
store: { path: snapshots }
members:
  orders:
    postgres:
      url: ${variable('ORDERS_URL')}
  sessions:
    redis:
      url: ${variable('SESSIONS_URL')}
  receipts:
    files:
      path: receipts
`;

  readonly target = `store: { path: snapshots }
members:
  orders: { postgres: { url: "${variable('TWIN_ORDERS_URL')}" } }
  sessions: { redis: { url: "${variable('TWIN_SESSIONS_URL')}" } }
  receipts: { files: { path: twin-receipts } }
`;

  run(args: readonly string[], env: Readonly<Record<string, string>> = {}, stdin?: string) {
    return this.workspace.run(args, { env: { ...this.env, ...env }, stdin });
  }

  async [Symbol.asyncDispose](): Promise<void> {
    const servers = [this.postgres, this.redis, this.twinPostgres, this.twinRedis];
    await Promise.all(servers.map((server) => server.stop()));
    await this.workspace[Symbol.asyncDispose]();
  }
}
