import { StasisError, throwIfAborted } from './errors.ts';
import type { ItemSum } from './item-sums.ts';
import type { ItemCut, Items } from './items.ts';
import { eachLine } from './lines.ts';
import { type ReadItem, ReadTree } from './read-items.ts';

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
function rowsIn(
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

/** A table as its rows are stored. */
export interface StoredTable {
  /** Of its rows as the fingerprint has it. */
  readonly count: number;
  /** As the rows have them. */
  readonly columns: readonly string[];
  /** The same, in the order in which they are hashed. */
  readonly fields: readonly string[];
  readonly key: readonly string[] | undefined;
  content(): AsyncIterable<Uint8Array>;
  readonly algorithm: 'md5' | 'sha256';
  readonly format: RowFormat;
  /** Whether this is the sum that the fingerprint has; absent where it is over more than is stored. */
  isFingerprinted?(sum: ItemSum): boolean;
  /** The code of the error where it is not. */
  readonly unlike: string;
}

/** The rows are read anew, and hashed as the server does: where that can be told, it is insisted on. */
export function storedRows(table: StoredTable): Items {
  const { count, columns, fields, key, algorithm, format } = table;
  return {
    ...{ noun: 'row', count, fields, key },
    async tree(cut, { signal }) {
      const rows = rowsIn(
        () => table.content(),
        columns,
        cut,
        format,
        () => throwIfAborted(signal),
      );
      const tree = await ReadTree.open(cut, algorithm, rows);
      const isWhole = cut.fields.length === fields.length;
      if (isWhole && table.isFingerprinted?.(tree.total) === false)
        throw new StasisError(table.unlike, 'its stored rows do not read as the server printed them');
      return tree;
    },
  };
}
