import { ACCOUNTS, effectOf, FIRST_BALANCE, moveOf, WORKERS } from './moves.ts';

/** What one store holds at an instant. */
export interface StoreBooks {
  readonly balances: readonly number[];
  readonly workers: readonly WorkerEntry[];
}

/** What a worker wrote into one store with its latest move. */
export interface WorkerEntry {
  /** The move's number; 0 before the first. */
  readonly number: number;
  /** What every store had acknowledged to any worker before this was written: `seen[store][worker]`. */
  readonly seen: readonly (readonly number[])[];
}

export interface BankCheck {
  readonly torn: boolean;
  /** Every contradiction, for people. */
  readonly faults: readonly string[];
  /** Moves that have begun, of all workers; and those of them that one instant finds half done. */
  readonly moves: number;
  readonly underWay: number;
  /** All money in all accounts, and money taken from one store and not yet put into the other. */
  readonly total: number;
  readonly inFlight: number;
}

/**
 * Whether the books of all stores are of one instant, by exact accounting:
 * - a worker's number is in the stores in the order in which its move writes them, and at most one move is half done;
 * - every account holds to the unit what the moves up to those numbers make of it, so all money is accounted for;
 * - what a store shows to have been acknowledged elsewhere is there: nothing happened after its consequence.
 */
export function checkBank(books: readonly StoreBooks[]): BankCheck {
  const faults: string[] = [];
  let moves = 0;
  let underWay = 0;
  let inFlight = 0;
  for (let worker = 0; worker < WORKERS; worker += 1) {
    const numbers = books.map((store) => store.workers[worker]?.number ?? 0);
    const [least, most] = [Math.min(...numbers), Math.max(...numbers)];
    moves += most;
    if (most === least) continue;
    underWay += 1;
    const move = moveOf(worker, most, books.length);
    if (move.order[0] !== undefined && numbers[move.order[0]] === most && numbers[move.order[1]!] !== most)
      inFlight += move.amount;
    if (most - least > 1 || !inOrder(move.order.map((store) => numbers[store]!)))
      faults.push(
        `worker ${worker} is at ${numbers.join(', ')}, but its move ${most} goes ${move.order.join(', ')}`,
      );
  }
  faults.push(...books.flatMap((store, index) => balanceFaults(store, index, books.length)));
  faults.push(...causeFaults(books));
  const total = books.flatMap((store) => store.balances).reduce((sum, balance) => sum + balance, 0);
  const expected = books.length * ACCOUNTS * FIRST_BALANCE;
  if (total + inFlight !== expected) faults.push(`${total} and ${inFlight} on its way are not ${expected}`);
  return { torn: faults.length > 0, faults, moves, underWay, total, inFlight };
}

/** Never rising: a store further on in a move cannot be ahead of one before it. */
function inOrder(numbers: readonly number[]): boolean {
  return numbers.every((number, index) => index === 0 || number <= numbers[index - 1]!);
}

function balanceFaults(store: StoreBooks, index: number, stores: number): string[] {
  const expected = Array.from({ length: ACCOUNTS }, () => FIRST_BALANCE);
  for (const [worker, { number }] of store.workers.entries())
    for (let n = 1; n <= number; n += 1) {
      const move = moveOf(worker, n, stores);
      expected[move.account] = expected[move.account]! + effectOf(move, index);
    }
  return expected.flatMap((balance, account) =>
    store.balances[account] === balance
      ? []
      : [`account ${account} of store ${index} holds ${store.balances[account]}, its moves make ${balance}`],
  );
}

function causeFaults(books: readonly StoreBooks[]): string[] {
  const faults: string[] = [];
  for (const [index, store] of books.entries())
    for (const { seen } of store.workers)
      for (const [other, numbers] of seen.entries())
        for (const [worker, number] of numbers.entries())
          if ((books[other]?.workers[worker]?.number ?? 0) < number)
            faults.push(
              `store ${index} shows that store ${other} had move ${number} of worker ${worker}, which is not there`,
            );
  return faults;
}
