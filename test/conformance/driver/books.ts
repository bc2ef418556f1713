import { sleep } from '../../../provider/core/wait.ts';
import type { Load } from './adapter.ts';

/** Books that a load keeps in a database by SQL, whichever server it is: accounts, a ledger, and where it stands. */
export const ACCOUNTS = 20;

/** What its writer needs of a connection, which it ends. */
interface Connection {
  /** Several statements at once. */
  query(sql: string): Promise<unknown>;
  end(): Promise<void>;
}

/** Moves money between two accounts, and writes it into a ledger that has no gaps; each time in one transaction. */
export class BooksLoad implements Load {
  private done = 0;
  private readonly ending = new AbortController();
  private readonly running: Promise<void>;

  constructor(connection: Connection) {
    this.running = this.run(connection);
  }

  private async run(connection: Connection): Promise<void> {
    try {
      while (!this.ending.signal.aborted) {
        const amount = 1 + Math.floor(Math.random() * 5);
        const [from, to] = [1 + (this.done % ACCOUNTS), 1 + ((this.done + 7) % ACCOUNTS)];
        await connection.query(
          `BEGIN;
           UPDATE account SET balance = balance - ${amount} WHERE id = ${from};
           UPDATE account SET balance = balance + ${amount} WHERE id = ${to};
           UPDATE state SET n = n + 1;
           INSERT INTO ledger SELECT n, ${amount} FROM state;
           COMMIT`,
        );
        this.done += 1;
        await sleep(2);
      }
    } finally {
      await connection.end();
    }
  }

  async operations(): Promise<number> {
    return this.done;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.ending.abort();
    await this.running;
  }
}

/** One row, of which `booksOf` makes numbers. */
export const BOOKS = `SELECT (SELECT SUM(balance) FROM account) AS money, (SELECT COUNT(*) FROM account) AS accounts,
    n, base, (SELECT COUNT(*) FROM ledger) AS entries,
    (SELECT COALESCE(MIN(n), 0) FROM ledger) AS first, (SELECT COALESCE(MAX(n), 0) FROM ledger) AS last,
    (SELECT COUNT(*) FROM fixed) AS fixed, (SELECT COUNT(*) FROM bulky) AS bulky
  FROM state`;

type Name = 'money' | 'accounts' | 'n' | 'base' | 'entries' | 'first' | 'last' | 'fixed' | 'bulky';

export function booksOf(row: Readonly<Record<string, unknown>> | undefined): Readonly<Record<Name, number>> {
  const numbers = Object.entries(row ?? {}).map(([name, value]) => [name, Number(value)]);
  return Object.fromEntries(numbers) as Record<Name, number>;
}

/** No money was made or lost. */
export function moneyFaults({ money, accounts }: Readonly<Record<Name, number>>): string[] {
  return money === ACCOUNTS * 100 && accounts === ACCOUNTS
    ? []
    : [`${money} of money in ${accounts} accounts`];
}
