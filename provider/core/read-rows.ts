import type { ItemCut } from './items.ts';
import { eachLine } from './lines.ts';
import type { ReadItem } from './read-items.ts';

type Values = readonly (string | null)[];

/** How stored rows are written, one a line. Values are bytes, each as one character; NULL is null. */
export interface RowFormat {
  values(line: string): Values;
  /** What the other side hashes of these columns. */
  text(columns: readonly string[], values: Values): string;
  /** What tells the row from others, for people. */
  name(key: readonly string[], values: Values): string;
}

/** Reads rows for a tree; what a tree asks of a row is made only then. */
export function rowsIn(
  content: () => AsyncIterable<Uint8Array>,
  columns: readonly string[],
  { fields, key = [] }: ItemCut,
  { values, text, name }: RowFormat,
  beforeChunk: () => void,
): (visit: (row: ReadItem) => void) => Promise<void> {
  const placesOf = (names: readonly string[]): number[] => names.map((one) => columns.indexOf(one));
  const [fieldPlaces, keyPlaces] = [placesOf(fields), placesOf(key)];
  return (visit) =>
    eachLine(content(), beforeChunk, (line) => {
      const all = values(line);
      const pick = (places: readonly number[]): Values => places.map((place) => all[place]!);
      visit({
        text: () => text(fields, pick(fieldPlaces)),
        keyText: () => text(key, pick(keyPlaces)),
        name: () => name(key, pick(keyPlaces)),
      });
    });
}
