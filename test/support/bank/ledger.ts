/**
 * The arithmetic of the bank: worker `w`'s operation `n` moves a known amount from the first store through to the
 * last, and writes `n` in each. So whatever a store holds follows from the sequence numbers that it holds, and states
 * of one instant differ by at most the one operation that each worker has in flight.
 */
export const WORKERS = 8;
export const INITIAL_BALANCE = 1_000_000;

/** Money moves both ways. */
export function amountOf(worker: number, operation: number): number {
  return ((worker * 7 + operation * 13) % 41) - 20;
}

/** What a store holds: its balance, and the number of the last operation that each worker has done in it. */
export interface Holding {
  readonly balance: number;
  readonly sequence: readonly number[];
}

/**
 * What is wrong with states that are said to be of one instant, in the order in which an operation goes through the
 * stores; empty when they can be. The first store pays, the last one is paid, those between pass on.
 */
export function tornBy(holdings: readonly Holding[]): string[] {
  const faults: string[] = [];
  for (const [index, holding] of holdings.entries()) {
    const expected = expectedBalance(index, holdings.length, holding.sequence);
    if (holding.balance !== expected)
      faults.push(`store ${index} holds ${holding.balance}, its own sequence numbers say ${expected}`);
  }
  const [first, last] = [holdings[0]!, holdings.at(-1)!];
  for (let worker = 0; worker < WORKERS; worker += 1) {
    const numbers = holdings.map(({ sequence }) => sequence[worker]!);
    const falling = numbers.every((number, index) => index === 0 || number <= numbers[index - 1]!);
    if (!falling || numbers[0]! - numbers.at(-1)! > 1)
      faults.push(`worker ${worker} is at ${numbers.join(', ')}`);
  }
  const inFlight = first.sequence.reduce(
    (sum, number, worker) => sum + between(worker, last.sequence[worker]!, number),
    0,
  );
  const total = first.balance + last.balance + inFlight;
  if (faults.length === 0 && total !== 2 * INITIAL_BALANCE)
    faults.push(`${2 * INITIAL_BALANCE - total} units of money are gone`);
  return faults;
}

function expectedBalance(store: number, stores: number, sequence: readonly number[]): number {
  const moved = sequence.reduce((sum, number, worker) => sum + between(worker, 0, number), 0);
  if (store === 0) return INITIAL_BALANCE - moved;
  return store === stores - 1 ? INITIAL_BALANCE + moved : INITIAL_BALANCE;
}

function between(worker: number, after: number, upTo: number): number {
  let sum = 0;
  for (let operation = after + 1; operation <= upTo; operation += 1) sum += amountOf(worker, operation);
  return sum;
}
