import { createClient } from '@redis/client';
import pg from 'pg';
import { type Holding, INITIAL_BALANCE, WORKERS } from './ledger.ts';

/** One store of the bank: `postgres://…` or `redis://…`. */
export interface Till {
  /** One operation of a worker, atomically: the amount added to the balance, the worker's number set. */
  move(worker: number, operation: number, amount: number): Promise<void>;
  /** Everything at one instant. */
  read(): Promise<Holding>;
  open(): Promise<void>;
  close(): Promise<void>;
}

export function till(url: string): Till {
  return url.startsWith('redis') ? redisTill(url) : postgresTill(url);
}

/** Creates what the bank needs in an empty store. */
export async function createTill(url: string): Promise<void> {
  const own = till(url);
  await own.open();
  await own.close();
}

function postgresTill(url: string): Till {
  const pool = new pg.Pool({ connectionString: url, max: WORKERS });
  pool.on('error', () => {});
  return {
    open: async () => {
      await pool.query(`
        CREATE TABLE IF NOT EXISTS bank_accounts (worker int PRIMARY KEY, balance bigint NOT NULL);
        CREATE TABLE IF NOT EXISTS bank_sequence (worker int PRIMARY KEY, number bigint NOT NULL);
        INSERT INTO bank_accounts SELECT w, CASE w WHEN 0 THEN ${INITIAL_BALANCE} ELSE 0 END FROM generate_series(0, ${WORKERS - 1}) w ON CONFLICT DO NOTHING;
        INSERT INTO bank_sequence SELECT w, 0 FROM generate_series(0, ${WORKERS - 1}) w ON CONFLICT DO NOTHING`);
    },
    move: async (worker, operation, amount) => {
      const client = await pool.connect();
      try {
        await client.query('BEGIN');
        await client.query('UPDATE bank_accounts SET balance = balance + $2 WHERE worker = $1', [
          worker,
          amount,
        ]);
        await client.query('UPDATE bank_sequence SET number = $2 WHERE worker = $1', [worker, operation]);
        await client.query('COMMIT');
        client.release();
      } catch (error) {
        client.release(true);
        throw error;
      }
    },
    read: async () => {
      const { rows } = await pool.query(
        `SELECT (SELECT sum(balance) FROM bank_accounts) AS balance, array_agg(number ORDER BY worker) AS numbers FROM bank_sequence`,
      );
      return { balance: Number(rows[0].balance), sequence: rows[0].numbers.map(Number) };
    },
    close: () => pool.end(),
  };
}

function redisTill(url: string): Till {
  const client = createClient({ url });
  client.on('error', () => {});
  return {
    open: async () => {
      await client.connect();
      await client.hSetNX('bank', 'balance', String(INITIAL_BALANCE));
      for (let worker = 0; worker < WORKERS; worker += 1)
        await client.hSetNX('bank', `worker:${worker}`, '0');
    },
    move: async (worker, operation, amount) => {
      await client
        .multi()
        .hIncrBy('bank', 'balance', amount)
        .hSet('bank', `worker:${worker}`, String(operation))
        .exec();
    },
    read: async () => {
      const all = await client.hGetAll('bank');
      const sequence = Array.from({ length: WORKERS }, (_, worker) => Number(all[`worker:${worker}`]));
      return { balance: Number(all.balance), sequence };
    },
    close: async () => {
      await client.close();
    },
  };
}
