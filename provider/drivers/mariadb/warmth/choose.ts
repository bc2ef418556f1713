import { fitting, WHOLE_INDEX } from '../../../core/warmth.ts';
import type { HotDatabase, HotTable } from './hot.ts';

/** A table of the restored database. */
export interface RestoredTable {
  readonly name: string;
  /** Those that can be read from one end to the other. */
  readonly indexes: ReadonlySet<string>;
  /** The whole number that the primary key begins with, if it does. */
  readonly key: string | undefined;
  readonly filePages: number;
}

/** From the first to before the last, of an index in the order of its keys: 0 to 1. */
export type Part = readonly [from: number, to: number];

/** An index to be read into the pool. */
export interface Reading {
  readonly table: string;
  readonly index: string;
  /** All of it, in one piece, if absent. */
  readonly by?: { readonly key: string; readonly parts: readonly Part[] };
  /** What lay in the pool at the cut, and so should again. */
  readonly hotPages: number;
  /** What is read of it, with what lies between. */
  readonly pages: number;
  /** Of the restored table, in the target's pages. */
  readonly filePages: number;
}

/**
 * Which indexes of a restored database to read, those of which most was hot first, up to a budget. Of a table in the order of a
 * number that counts up, a page is looked for as far into the keys as it was into the file. Of any other it is not known
 * which rows a page had: it is read as a whole if half of it was hot, and otherwise not.
 */
export function chooseReadings(
  hot: HotDatabase,
  here: readonly RestoredTable[],
  budgetPages: number,
): { readonly chosen: readonly Reading[]; readonly left: number; readonly scattered: number } {
  const byName = new Map(here.map((table) => [table.name, table]));
  const wanted: (Reading & { readonly share: number })[] = [];
  let scattered = 0;
  for (const table of hot.tables) {
    const restored = byName.get(table.name);
    if (restored === undefined) continue;
    for (const index of table.indexes) {
      if (!restored.indexes.has(index.name)) continue;
      const reading = readingOf(table, index, restored);
      if (reading === undefined) scattered += index.hotPages;
      else wanted.push({ ...reading, share: index.hotPages / index.pages });
    }
  }
  wanted.sort((a, b) => b.share - a.share);
  const { chosen, left } = fitting(wanted, ({ pages }) => pages, budgetPages);
  return { chosen: chosen.map(({ share: _, ...reading }) => reading), left, scattered };
}

function readingOf(
  { name: table, filePages }: HotTable,
  { name: index, pages, hotPages, stretches }: HotTable['indexes'][number],
  restored: RestoredTable,
): Reading | undefined {
  const one = { table, index, hotPages, filePages: restored.filePages };
  const byKey = index === 'PRIMARY' ? restored.key : undefined;
  if (hotPages >= pages * WHOLE_INDEX)
    return { ...one, pages, ...(byKey === undefined ? {} : { by: { key: byKey, parts: [[0, 1]] } }) };
  if (byKey === undefined || stretches.length === 0) return undefined;
  const parts = stretches.map(([first, last]): Part => [first / filePages, (last + 1) / filePages]);
  const share = parts.reduce((sum, [low, high]) => sum + high - low, 0);
  return { ...one, by: { key: byKey, parts }, pages: Math.max(hotPages, Math.ceil(share * pages)) };
}

/** So far between two whole numbers. */
export function keyAt(least: bigint, most: bigint, share: number): bigint {
  return least + ((most - least) * BigInt(Math.round(share * FINEST))) / BigInt(FINEST);
}
const FINEST = 1_000_000_000;
