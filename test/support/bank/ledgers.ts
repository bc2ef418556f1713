import { createClient } from '@redis/client';
import pg from 'pg';
import type { StoreBooks, WorkerEntry } from './books.ts';
import { connectMariadb } from './mariadb-ledger.ts';
import { connectMemory } from './memory-ledger.ts';
import { ACCOUNTS, FIRST_BALANCE, WORKERS } from './moves.ts';
import { connectVm } from './vm-ledger.ts';

/** A worker's write into one store: all of it or nothing. */
export interface Write {
  readonly worker: number;
  readonly number: number;
  readonly account: number;
  readonly amount: number;
  readonly seen: WorkerEntry['seen'];
}

/** One connection to a store's part of the bank. */
export interface Ledger extends AsyncDisposable {
  /** Makes the accounts, all at their first balance. */
  open(): Promise<void>;
  /** Durable for others to see when it returns. */
  write(write: Write): Promise<void>;
  /** All of it, at one instant. */
  read(): Promise<StoreBooks>;
}

/** By the URL's scheme: `postgres://…`, `redis://…`, `mariadb://…`, `memory:` of this process, or `vm://…`. */
export async function connectLedger(url: string): Promise<Ledger> {
  const connect = CONNECT[new URL(url).protocol];
  if (connect === undefined) throw new RangeError('a store of a scheme that has no ledger');
  return connect(url);
}

const CONNECT: Readonly<Record<string, (url: string) => Ledger | Promise<Ledger>>> = {
  'postgres:': connectPostgres,
  'redis:': connectRedis,
  'mariadb:': connectMariadb,
  'memory:': connectMemory,
  'vm:': connectVm,
};

/** The books of one store at one instant. */
export async function readBooks(url: string): Promise<StoreBooks> {
  await using ledger = await connectLedger(url);
  // Awaited here: leaving the block closes the connection.
  return await ledger.read();
}

/** The books of several stores, read one after another. */
export async function readBank(urls: readonly string[]): Promise<StoreBooks[]> {
  const books: StoreBooks[] = [];
  for (const url of urls) books.push(await readBooks(url));
  return books;
}

async function connectPostgres(url: string): Promise<Ledger> {
  const client = new pg.Client({ connectionString: url, connectionTimeoutMillis: 10_000 });
  client.on('error', () => undefined);
  await client.connect();
  return {
    async open() {
      await client.query(`
        CREATE TABLE accounts (id int PRIMARY KEY, balance bigint NOT NULL) WITH (fillfactor = 50);
        CREATE TABLE workers (id int PRIMARY KEY, number int NOT NULL, seen text NOT NULL) WITH (fillfactor = 50);
        INSERT INTO accounts SELECT n, ${FIRST_BALANCE} FROM generate_series(0, ${ACCOUNTS - 1}) n;
        INSERT INTO workers SELECT n, 0, '[]' FROM generate_series(0, ${WORKERS - 1}) n;
      `);
    },
    async write({ worker, number, account, amount, seen }) {
      await client.query({
        name: 'write',
        text: `WITH account AS (UPDATE accounts SET balance = balance + $4 WHERE id = $3)
               UPDATE workers SET number = $2, seen = $5 WHERE id = $1`,
        values: [worker, number, account, amount, JSON.stringify(seen)],
      });
    },
    async read() {
      const { rows } = await client.query<{
        balances: string[];
        workers: { number: number; seen: string }[];
      }>(
        `SELECT (SELECT array_agg(balance ORDER BY id) FROM accounts) AS balances,
                (SELECT json_agg(workers ORDER BY id) FROM workers) AS workers`,
      );
      const { balances = [], workers = [] } = rows[0] ?? {};
      return {
        balances: balances.map(Number),
        workers: workers.map(({ number, seen }) => ({ number, seen: JSON.parse(seen) })),
      };
    },
    [Symbol.asyncDispose]: () => client.end(),
  };
}

async function connectRedis(url: string): Promise<Ledger> {
  const client = createClient({ url, socket: { reconnectStrategy: false } });
  client.on('error', () => undefined);
  await client.connect();
  return {
    async open() {
      const batch = client.multi();
      for (let account = 0; account < ACCOUNTS; account += 1)
        batch.set(`account:${account}`, String(FIRST_BALANCE));
      for (let worker = 0; worker < WORKERS; worker += 1)
        batch.hSet(`worker:${worker}`, { number: '0', seen: '[]' });
      await batch.exec();
    },
    async write({ worker, number, account, amount, seen }) {
      await client
        .multi()
        .incrBy(`account:${account}`, amount)
        .hSet(`worker:${worker}`, { number: String(number), seen: JSON.stringify(seen) })
        .exec();
    },
    async read() {
      const names = Array.from({ length: ACCOUNTS }, (_, account) => `account:${account}`);
      const batch = client.multi().mGet(names);
      for (let worker = 0; worker < WORKERS; worker += 1) batch.hGetAll(`worker:${worker}`);
      const [balances, ...workers] = await batch.exec<'typed'>();
      return {
        balances: (balances as unknown as (string | null)[]).map(Number),
        workers: (workers as unknown as Record<string, string>[]).map(({ number, seen }) => ({
          number: Number(number),
          seen: JSON.parse(seen ?? '[]'),
        })),
      };
    },
    [Symbol.asyncDispose]: async () => client.destroy(),
  };
}
