import { describe, expect, test } from '@jest/globals';
import { type Unit, type UnitHolder, UnitPool } from './units.ts';

class Holder implements UnitHolder {
  unit: Unit | undefined;
  filledBytes = 0;
  surrendered = 0;
  readonly #pool: UnitPool;

  constructor(pool: UnitPool) {
    this.#pool = pool;
  }

  surrender(): void {
    this.surrendered += 1;
    this.giveBack();
  }

  giveBack(): void {
    const unit = this.unit!;
    this.unit = undefined;
    this.#pool.sent(this);
    this.#pool.release(unit);
  }
}

describe('the pool of units', () => {
  test('makes as many as it may, then takes the fullest from whoever fills one', async () => {
    const pool = new UnitPool(2);
    const [slow, full, late] = [new Holder(pool), new Holder(pool), new Holder(pool)];
    await pool.take(slow);
    await pool.take(full);
    const waiting = pool.take(late);
    // Nobody has filled anything yet: whoever has a unit is about to.
    expect([slow.surrendered, full.surrendered]).toEqual([0, 0]);
    slow.filledBytes = 5;
    full.filledBytes = 10;
    pool.relieve();
    await waiting;
    expect([slow.surrendered, full.surrendered]).toEqual([0, 1]);
    expect(late.unit).toBeDefined();
    expect(full.unit).toBeUndefined();
  });

  test('waits for one that is on its way, and keeps the order of those who wait', async () => {
    const pool = new UnitPool(1);
    const [first, second, third] = [new Holder(pool), new Holder(pool), new Holder(pool)];
    await pool.take(first);
    const unit = first.unit!;
    first.unit = undefined;
    pool.sent(first);
    const order: string[] = [];
    const waiting = [
      pool.take(second).then(() => order.push('second')),
      pool.take(third).then(() => order.push('third')),
    ];
    await Promise.resolve();
    expect(order).toEqual([]);
    pool.release(unit);
    await waiting[0];
    second.filledBytes = 1;
    pool.relieve();
    await waiting[1];
    expect(order).toEqual(['second', 'third']);
    expect([first.surrendered, second.surrendered]).toEqual([0, 1]);
  });
});
