import { describe, expect, test } from '@jest/globals';
import { amountOf, type Holding, INITIAL_BALANCE, tornBy, WORKERS } from './ledger.ts';

/** The holdings after the given operations of each worker in each store. */
function holdings(sequences: readonly (readonly number[])[]): Holding[] {
  return sequences.map((sequence, store) => {
    let balance = INITIAL_BALANCE;
    for (const [worker, number] of sequence.entries())
      for (let operation = 1; operation <= number; operation += 1) {
        if (store === 0) balance -= amountOf(worker, operation);
        if (store === sequences.length - 1) balance += amountOf(worker, operation);
      }
    return { balance, sequence };
  });
}

const all = (number: number): number[] => Array.from({ length: WORKERS }, () => number);

describe('the exact accounting of the bank', () => {
  test('states of one instant add up, whatever is in flight', () => {
    expect(tornBy(holdings([all(5), all(5)]))).toEqual([]);
    expect(tornBy(holdings([[6, ...all(5).slice(1)], all(5)]))).toEqual([]);
    expect(tornBy(holdings([all(6), all(6), all(5)]))).toEqual([]);
  });

  test('a later store that is ahead, or one that is two behind, is torn', () => {
    expect(tornBy(holdings([all(5), [6, ...all(5).slice(1)]]))).toHaveLength(1);
    expect(tornBy(holdings([[7, ...all(5).slice(1)], all(5)]))).toHaveLength(1);
    expect(tornBy(holdings([all(6), all(5), all(6)]))).toHaveLength(WORKERS);
  });

  test('a store whose money does not fit its own numbers is torn in itself', () => {
    const [first, second] = holdings([all(5), all(5)]);
    expect(tornBy([{ ...first!, balance: first!.balance + 1 }, second!])).toHaveLength(1);
  });
});
