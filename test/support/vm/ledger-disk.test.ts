import { describe, expect, test } from '@jest/globals';
import fc from 'fast-check';
import { booksOnDisk, SLOT_BYTES } from './ledger-disk.ts';

const booksOf = (writing: number) => ({
  balances: Array.from({ length: 300 }, (_, account) => writing * 1_000 + account),
  workers: [{ number: writing, seen: [[writing]] }],
});

/** The sectors of one writing, as the guest writes them. */
function sectorsOf(writing: number): string[] {
  const parts = JSON.stringify(booksOf(writing)).match(/.{1,500}/g) ?? [];
  const head = String(writing).padStart(8, '0') + String(parts.length).padStart(3, '0');
  return parts.map((part) => `${head}${part.padEnd(500)}\n`);
}

/** The disk after so many writings, and of the next one those sectors that the choice names. */
function diskAfter(writings: number, underWay: (sector: number) => boolean): string {
  const slots = ['', ''].map((slot) => slot.padEnd(SLOT_BYTES, '\0'));
  const put = (writing: number, has: (sector: number) => boolean): void => {
    for (const [index, sector] of sectorsOf(writing).entries()) {
      const slot = slots[writing % 2]!;
      if (has(index))
        slots[writing % 2] = slot.slice(0, index * 512) + sector + slot.slice((index + 1) * 512);
    }
  };
  for (let writing = 1; writing <= writings; writing += 1) put(writing, () => true);
  put(writings + 1, underWay);
  return slots.join('');
}

describe('the books on the disk of a guest', () => {
  test('are those of the newest writing that is whole, whatever the next one has written', () => {
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 6 }), fc.uniqueArray(fc.nat({ max: 7 })), (writings, chosen) => {
        const whole = sectorsOf(writings + 1).every((_, index) => chosen.includes(index));
        const disk = diskAfter(writings, (sector) => chosen.includes(sector));
        expect(booksOnDisk(disk)).toEqual(booksOf(whole ? writings + 1 : writings));
      }),
    );
  });

  test('are none before the first writing is whole', () => {
    expect(booksOnDisk(diskAfter(0, () => false))).toBeUndefined();
    expect(booksOnDisk(diskAfter(0, (sector) => sector !== 2))).toBeUndefined();
  });
});
