/** A value in some language: a word, or items between brackets that stay on a line as long as they fit. */
export type Piece = string | Group;

export interface Group {
  readonly open: string;
  readonly close: string;
  readonly items: readonly { readonly key: string; readonly value: Piece }[];
  /** Each item has a line of its own, however short. */
  readonly broken?: boolean;
}

/** How a language writes groups. */
export interface Style {
  readonly indent: string;
  /** Within brackets, where items stand on one line. */
  readonly padding: '' | ' ';
  /** Whether values of consecutive lines stand below one another, as gofmt has it. */
  readonly aligned: boolean;
}

/** What fits on a line stays on it. */
const LINE_MAX_LENGTH = 100;

/** The text of a piece whose first line begins after `depth` indents. */
export function layOut(piece: Piece, style: Style, depth = 0): string {
  if (typeof piece === 'string') return piece;
  if (piece.items.length === 0) return `${piece.open}${piece.close}`;
  const flat = flatText(piece, style);
  const room = LINE_MAX_LENGTH - depth * Math.max(style.indent.length, 2);
  if (flat !== undefined && flat.length <= room) return flat;
  const inner = style.indent.repeat(depth + 1);
  const items = piece.items.map(({ key, value }) => ({ key, text: layOut(value, style, depth + 1) }));
  const widths = style.aligned ? keyWidths(items) : items.map(() => 0);
  const lines = items.map(({ key, text }, index) => `${inner}${key.padEnd(widths[index] ?? 0)}${text},`);
  return `${piece.open}\n${lines.join('\n')}\n${style.indent.repeat(depth)}${piece.close}`;
}

function flatText(piece: Group, style: Style): string | undefined {
  if (piece.broken) return undefined;
  const texts: string[] = [];
  for (const { key, value } of piece.items) {
    const text =
      typeof value === 'string' || value.items.length === 0 ? layOut(value, style) : flatText(value, style);
    if (text === undefined) return undefined;
    texts.push(`${key}${text}`);
  }
  return `${piece.open}${style.padding}${texts.join(', ')}${style.padding}${piece.close}`;
}

/** How wide the keys are, by run of consecutive items that stand on one line each. */
function keyWidths(items: readonly { readonly key: string; readonly text: string }[]): number[] {
  const isSingle = items.map(({ text }) => !text.includes('\n'));
  return items.map((_, index) => {
    if (!isSingle[index]) return 0;
    const start = isSingle.lastIndexOf(false, index) + 1;
    const end = isSingle.indexOf(false, index);
    return Math.max(...items.slice(start, end < 0 ? undefined : end).map(({ key }) => key.length));
  });
}
