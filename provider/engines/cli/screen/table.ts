import { clip, type Line, pad, piece, widthOf } from './text.ts';

/** A column of a table. */
export interface Column {
  readonly align?: 'start' | 'end';
  /** At most this many columns of the terminal, whatever stands in it. */
  readonly maxWidth?: number;
}

export interface TableOptions {
  readonly width: number;
  readonly indent?: string;
  readonly gap?: number;
  readonly ascii?: boolean;
}

/** Rows of cells set under one another; the last column gives way where the screen is too narrow. */
export function table(
  rows: readonly (readonly Line[])[],
  columns: readonly Column[],
  options: TableOptions,
): Line[] {
  const { width, indent = '  ', gap = 2, ascii = false } = options;
  const widths = columnWidths(rows, columns);
  return rows.map((cells) => {
    const line = cells.flatMap((cell, index) => {
      const cellWidth = widths[index] ?? 0;
      const shown = clip(cell, cellWidth, ascii);
      const isLast = index === cells.length - 1;
      const align = columns[index]?.align ?? 'start';
      const padded = isLast && align === 'start' ? shown : pad(shown, cellWidth, align);
      return isLast ? padded : [...padded, piece(' '.repeat(gap))];
    });
    return clip([piece(indent), ...line], width, ascii);
  });
}

/** What each column needs. */
export function columnWidths(rows: readonly (readonly Line[])[], columns: readonly Column[]): number[] {
  return columns.map(({ maxWidth = Number.POSITIVE_INFINITY }, index) =>
    Math.min(maxWidth, Math.max(0, ...rows.map((cells) => widthOf(cells[index] ?? [])))),
  );
}

/** What a whole row needs, were the screen wide enough. */
export function widthOfTable(
  rows: readonly (readonly Line[])[],
  columns: readonly Column[],
  { indent = '  ', gap = 2 }: Pick<TableOptions, 'indent' | 'gap'>,
): number {
  return columnWidths(rows, columns).reduce(
    (sum, columnWidth) => sum + columnWidth + gap,
    indent.length - gap,
  );
}
