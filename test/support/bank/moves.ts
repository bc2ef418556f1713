/** Accounts in each store, and what each holds at first: enough that nobody cares whether one falls below zero. */
export const ACCOUNTS = 64;
export const FIRST_BALANCE = 1_000_000;
/** Workers that move money, each one move at a time. */
export const WORKERS = 8;

/**
 * The nth move of a worker. It writes its number into every store, one after the other in `order`: the first store is
 * where the money is taken, the second where it is put; the rest only take the number.
 */
export interface Move {
  readonly order: readonly number[];
  readonly account: number;
  readonly amount: number;
}

/**
 * Moves follow from worker and number alone, so that whoever checks the books knows every one of them without having
 * been told.
 */
export function moveOf(worker: number, number: number, stores: number): Move {
  const random = generator(worker * 1_000_003 + number);
  const order = Array.from({ length: stores }, (_, index) => index);
  for (let last = stores - 1; last > 0; last -= 1) {
    const other = Math.floor(random() * (last + 1));
    [order[last], order[other]] = [order[other]!, order[last]!];
  }
  return { order, account: Math.floor(random() * ACCOUNTS), amount: 1 + Math.floor(random() * 500) };
}

/** What the move does to the account in that store. */
export function effectOf(move: Move, store: number): number {
  if (move.order[0] === store) return -move.amount;
  return move.order[1] === store ? move.amount : 0;
}

/** Numbers in [0, 1) from a seed: a linear congruential step with its high bits mixed down. */
function generator(seed: number): () => number {
  let state = (Math.imul(seed, 2_654_435_761) ^ 0x9e37_79b9) >>> 0;
  return () => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
    const mixed = Math.imul(state ^ (state >>> 15), 2_246_822_519) >>> 0;
    return ((mixed ^ (mixed >>> 13)) >>> 0) / 2 ** 32;
  };
}
