import mysql, { type RowDataPacket } from 'mysql2/promise';
import type { Ledger } from './ledgers.ts';
import { ACCOUNTS, FIRST_BALANCE, WORKERS } from './moves.ts';

const rowsOf = (count: number, row: (index: number) => string): string =>
  Array.from({ length: count }, (_, index) => row(index)).join(', ');

/** A ledger in the database that the URL names. */
export async function connectMariadb(url: string): Promise<Ledger> {
  const client = await mysql.createConnection({
    uri: url.replace(/^mariadb:/, 'mysql:'),
    multipleStatements: true,
    connectTimeout: 10_000,
  });
  client.on('error', () => undefined);
  return {
    async open() {
      await client.query(`
        CREATE TABLE accounts (id int PRIMARY KEY, balance bigint NOT NULL) ENGINE = InnoDB;
        CREATE TABLE workers (id int PRIMARY KEY, number int NOT NULL, seen text NOT NULL) ENGINE = InnoDB;
        INSERT INTO accounts VALUES ${rowsOf(ACCOUNTS, (id) => `(${id}, ${FIRST_BALANCE})`)};
        INSERT INTO workers VALUES ${rowsOf(WORKERS, (id) => `(${id}, 0, '[]')`)}`);
    },
    async write({ worker, number, account, amount, seen }) {
      await client.query(
        `START TRANSACTION;
         UPDATE accounts SET balance = balance + ? WHERE id = ?;
         UPDATE workers SET number = ?, seen = ? WHERE id = ?;
         COMMIT`,
        [amount, account, number, JSON.stringify(seen), worker],
      );
    },
    async read() {
      await client.query('START TRANSACTION WITH CONSISTENT SNAPSHOT');
      const [accounts] = await client.query<RowDataPacket[]>('SELECT balance FROM accounts ORDER BY id');
      const [workers] = await client.query<RowDataPacket[]>('SELECT number, seen FROM workers ORDER BY id');
      await client.query('COMMIT');
      return {
        balances: accounts.map(({ balance }) => Number(balance)),
        workers: workers.map(({ number, seen }) => ({ number, seen: JSON.parse(seen) })),
      };
    },
    [Symbol.asyncDispose]: async () => client.destroy(),
  };
}
