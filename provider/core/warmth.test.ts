import { expect, test } from '@jest/globals';
import fc from 'fast-check';
import { fitting } from './warmth.ts';

const sizes = fc.array(fc.integer({ min: 1, max: 50 }), { maxLength: 20 });

test('what fits is chosen in its order, never more than there is room for, and the rest is told', () => {
  fc.assert(
    fc.property(sizes, fc.integer({ min: -5, max: 300 }), fc.boolean(), (wanted, room, cuts) => {
      const cut = (_: number, size: number): number => size;
      const { chosen, size, left } = fitting(wanted, (one) => one, room, cuts ? cut : undefined);
      const all = wanted.reduce((sum, one) => sum + one, 0);
      expect(chosen.reduce((sum, one) => sum + one, 0)).toBe(size);
      expect(size).toBeLessThanOrEqual(Math.max(0, room));
      expect(size + left).toBe(all);
      if (all <= room) expect(chosen).toEqual(wanted);
      if (cuts) expect(size).toBe(Math.min(all, Math.max(0, room)));
    }),
  );
});
