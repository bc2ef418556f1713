import type { HoldKind, Tie } from '../../../core/certificate.ts';
import { formatMs, nsToMs } from '../../../core/units.ts';
import { type Axis, columnAt, type Span, type Ticks, ticksOf } from './axis.ts';
import type { Line, Piece, Tone } from './text.ts';

/** How the ties of one member are drawn on the axis: one row of cells. */

interface Strokes {
  readonly start: string;
  readonly line: string;
  readonly end: string;
  /** Where the cut goes through it. */
  readonly cross: string;
  /** What is shorter than a column. */
  readonly single: string;
}

interface Glyphs {
  /** The application was kept waiting: heavy. */
  readonly paused: Strokes;
  /** Nothing changed, and nobody waited: light. */
  readonly quiet: Strokes;
  readonly dot: string;
  readonly smear: string;
  readonly clippedStart: string;
  readonly clippedEnd: string;
  readonly cut: string;
  readonly axis: string;
  readonly tick: string;
  readonly cutTick: string;
  readonly blur: string;
}

const UNICODE: Glyphs = {
  paused: { start: '┣', line: '━', end: '┫', cross: '╋', single: '┃' },
  quiet: { start: '├', line: '─', end: '┤', cross: '┼', single: '│' },
  dot: '•',
  smear: '≈',
  clippedStart: '◂',
  clippedEnd: '▸',
  cut: '┊',
  axis: '─',
  tick: '┴',
  cutTick: '┼',
  blur: '▒',
};

const ASCII: Glyphs = {
  paused: { start: '|', line: '=', end: '|', cross: '+', single: '|' },
  quiet: { start: '|', line: '-', end: '|', cross: '+', single: '|' },
  dot: '*',
  smear: '~',
  clippedStart: '<',
  clippedEnd: '>',
  cut: ':',
  axis: '-',
  tick: '+',
  cutTick: '|',
  blur: '#',
};

const QUIET: ReadonlySet<HoldKind> = new Set(['still']);

export function glyphsOf(ascii = false): Glyphs {
  return ascii ? ASCII : UNICODE;
}

export function spanOf(tie: Tie): Span {
  switch (tie.tie) {
    case 'hold':
      return { fromNs: tie.heldFromNs, toNs: tie.heldToNs };
    case 'mark':
      return { fromNs: tie.sentNs, toNs: tie.acknowledgedNs };
    case 'smear':
      return { fromNs: tie.fromNs, toNs: tie.toNs };
  }
}

/** One word for how a member was tied to time. */
export function wordOf(ties: readonly Tie[]): { readonly word: string; readonly tone: Tone } {
  if (ties.some((tie) => tie.tie === 'smear')) return { word: 'smeared', tone: 'bad' };
  const hold = ties.find((tie) => tie.tie === 'hold');
  if (hold) return { word: hold.how, tone: QUIET.has(hold.how) ? 'good' : 'caution' };
  return ties.length > 0 ? { word: 'marked', tone: 'accent' } : { word: 'untied', tone: 'bad' };
}

/** The row of one member. Holds lie under smears, and smears under marks. */
export function drawTies(ties: readonly Tie[], axis: Axis, ascii = false): Line {
  const row = new Row(axis, glyphsOf(ascii));
  const isHeld = ties.some((tie) => tie.tie === 'hold');
  for (const tie of ties) if (tie.tie === 'hold') row.hold(tie.how, spanOf(tie));
  for (const tie of ties) if (tie.tie === 'smear') row.smear(spanOf(tie));
  for (const tie of ties) if (tie.tie === 'mark') row.mark(spanOf(tie), isHeld);
  return row.line();
}

class Row {
  private readonly cells: Piece[];
  private readonly axis: Axis;
  private readonly glyphs: Glyphs;
  /** -1 where there is no cut to show. */
  private readonly cutColumn: number;

  constructor(axis: Axis, glyphs: Glyphs) {
    this.axis = axis;
    this.glyphs = glyphs;
    this.cutColumn = axis.zero === 'cut' ? columnAt(axis, axis.zeroNs) : -1;
    this.cells = Array.from({ length: axis.columns }, (_, column) =>
      column === this.cutColumn ? { text: glyphs.cut, tone: 'faint' } : { text: ' ' },
    );
  }

  hold(how: HoldKind, span: Span): void {
    const isQuiet = QUIET.has(how);
    this.bar(span, isQuiet ? this.glyphs.quiet : this.glyphs.paused, isQuiet ? 'good' : 'caution');
  }

  smear(span: Span): void {
    const { smear } = this.glyphs;
    this.bar(span, { start: smear, line: smear, end: smear, cross: smear, single: smear }, 'bad');
  }

  /** On a hold of the same member only the marked instant is drawn, within brackets where it is wide. */
  mark(span: Span, onHold: boolean): void {
    const [first, last] = this.columnsOf(span);
    const middle = this.columnOfInstant(span);
    if (onHold) {
      if (last - first >= 2) {
        this.put(first, '(', 'accent');
        this.put(last, ')', 'accent');
      }
    } else if (last - first >= 2) this.bar(span, this.glyphs.quiet, 'accent');
    this.put(middle, this.glyphs.dot, 'accent');
  }

  line(): Line {
    return this.cells;
  }

  private bar(span: Span, strokes: Strokes, tone: Tone): void {
    const [first, last] = this.columnsOf(span);
    for (let column = first; column <= last; column += 1) this.put(column, strokes.line, tone);
    if (first < this.cutColumn && this.cutColumn < last) this.put(this.cutColumn, strokes.cross, tone);
    const clippedStart = span.fromNs < this.axis.fromNs;
    const clippedEnd = span.toNs > this.axis.toNs;
    if (first === last) this.put(first, strokes.single, tone);
    else {
      this.put(first, clippedStart ? this.glyphs.clippedStart : strokes.start, tone);
      this.put(last, clippedEnd ? this.glyphs.clippedEnd : strokes.end, tone);
    }
    if (clippedStart) this.label(first + 1, `-${formatMs(nsToMs(this.axis.zeroNs - span.fromNs))}`, tone);
    if (clippedEnd) {
      const text = `+${formatMs(nsToMs(span.toNs - this.axis.zeroNs))}`;
      this.label(last - text.length - 2, text, tone);
    }
  }

  /** How far a clipped end lies from the cut, written into the bar where there is room beside the cut. */
  private label(column: number, text: string, tone: Tone): void {
    const padded = ` ${text} `;
    const end = column + padded.length - 1;
    const isClear = end < this.cutColumn - 2 || column > this.cutColumn + 2;
    if (!isClear || column < 0 || end >= this.axis.columns) return;
    for (const [index, character] of [...padded].entries()) this.put(column + index, character, tone);
  }

  private columnsOf(span: Span): [number, number] {
    return [columnAt(this.axis, span.fromNs), columnAt(this.axis, span.toNs)];
  }

  private columnOfInstant(span: Span): number {
    return columnAt(this.axis, span.fromNs + (span.toNs - span.fromNs) / 2);
  }

  private put(column: number, text: string, tone: Tone): void {
    this.cells[column] = { text, tone };
  }
}

/** The axis itself, and the labels under it. `blur` is shaded. The unit stands up to 3 columns beyond its end. */
export function drawAxis(axis: Axis, blur: Span | undefined, ascii = false): readonly [Line, Line] {
  const glyphs = glyphsOf(ascii);
  const ticks = ticksOf(axis);
  const cells: Piece[] = Array.from({ length: axis.columns }, () => ({ text: glyphs.axis, tone: 'faint' }));
  for (const { column, label } of ticks.ticks)
    cells[column] = { text: label === 'cut' ? glyphs.cutTick : glyphs.tick, tone: 'faint' };
  if (blur)
    for (let column = columnAt(axis, blur.fromNs); column <= columnAt(axis, blur.toNs); column += 1)
      cells[column] = { text: glyphs.blur, tone: 'bad' };
  return [cells, labelsOf(ticks, axis.columns)];
}

/** Each label centred under its tick, moved where it would reach beyond the axis, left out where it would touch. */
function labelsOf({ ticks, unit }: Ticks, columns: number): Line {
  const line: Piece[] = [];
  let end = -1;
  for (const { column, label } of ticks) {
    const start = Math.max(0, Math.min(column - Math.floor(label.length / 2), columns - label.length));
    if (start <= end) continue;
    const blanks = start - Math.max(0, end);
    line.push({ text: ' '.repeat(blanks) }, { text: label, tone: label === 'cut' ? 'plain' : 'faint' });
    end = start + label.length;
  }
  return [...line, { text: ` ${unit}`, tone: 'faint' }];
}
