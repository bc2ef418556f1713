import type { StoreBooks } from './books.ts';
import type { Ledger } from './ledgers.ts';
import { ACCOUNTS, FIRST_BALANCE, WORKERS } from './moves.ts';

/** The one ledger that this process keeps in nothing but its memory; every connection is to it. */
const books: { balances: number[]; workers: StoreBooks['workers'][number][] } = { balances: [], workers: [] };

export function connectMemory(): Ledger {
  return {
    async open() {
      books.balances = Array.from({ length: ACCOUNTS }, () => FIRST_BALANCE);
      books.workers = Array.from({ length: WORKERS }, () => ({ number: 0, seen: [] }));
    },
    async write({ worker, number, account, amount, seen }) {
      books.balances[account] = (books.balances[account] ?? 0) + amount;
      books.workers[worker] = { number, seen };
    },
    async read() {
      return structuredClone(books);
    },
    [Symbol.asyncDispose]: async () => undefined,
  };
}
