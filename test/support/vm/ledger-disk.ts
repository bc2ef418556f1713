import type { StoreBooks } from '../bank/books.ts';

/** As ledger.pl writes it: two slots of 64 sectors, each sector with the number of the writing and how many it has. */
export const SLOT_BYTES = 64 * 512;
const SECTOR_BYTES = 512;
const SECTOR = /^(\d{8})(\d{3})([^\n]{500})\n$/;

/** The books of the newest writing that is whole, out of the first two slots of the ledger's disk; undefined if none. */
export function booksOnDisk(start: string): StoreBooks | undefined {
  const [newest] = [0, 1]
    .flatMap((slot) => wholeIn(start.slice(slot * SLOT_BYTES, (slot + 1) * SLOT_BYTES)))
    .toSorted((a, b) => b.writing - a.writing);
  return newest?.books;
}

function wholeIn(slot: string): { writing: number; books: StoreBooks }[] {
  const first = SECTOR.exec(slot.slice(0, SECTOR_BYTES));
  if (first === null) return [];
  const [, writing, count] = first;
  const sectors = Array.from({ length: Number(count) }, (_, index) =>
    SECTOR.exec(slot.slice(index * SECTOR_BYTES, (index + 1) * SECTOR_BYTES)),
  );
  if (sectors.some((sector) => sector?.[1] !== writing)) return [];
  const text = sectors.map((sector) => sector?.[3]).join('');
  return [{ writing: Number(writing), books: JSON.parse(text) as StoreBooks }];
}
