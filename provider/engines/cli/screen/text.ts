import { styleText } from 'node:util';
import stringWidth from 'string-width';

export { count, printable } from '../../../core/printable.ts';

/**
 * Text for a terminal, as data: a line is a list of pieces, each with a tone. Only `toText` knows escape
 * sequences, so that every width is counted on what is seen. No I/O.
 */

/** How a screen is drawn. */
export interface RenderOptions {
  /** Columns of the terminal; drawn for 60 to 200. */
  readonly width: number;
  readonly color: boolean;
  /** Only 7-bit characters, for a locale that is not UTF-8. */
  readonly ascii?: boolean;
}

export type Tone = 'plain' | 'strong' | 'faint' | 'good' | 'caution' | 'bad' | 'accent';

export interface Piece {
  readonly text: string;
  readonly tone?: Tone;
}

export type Line = readonly Piece[];

type Format = Parameters<typeof styleText>[0];
const FORMATS: Readonly<Record<Exclude<Tone, 'plain'>, Format>> = {
  strong: 'bold',
  faint: 'dim',
  good: 'green',
  caution: 'yellow',
  bad: ['bold', 'red'],
  accent: 'cyan',
};

const MIN_WIDTH = 60;
const MAX_WIDTH = 200;

/** The width that is drawn for: nothing is right below 60 columns, and nothing gains above 200. */
export function clampWidth(width: number): number {
  return Math.min(MAX_WIDTH, Math.max(MIN_WIDTH, Math.floor(width)));
}

export function piece(text: string, tone: Tone = 'plain'): Piece {
  return { text, tone };
}

export function widthOf(line: Line): number {
  return line.reduce((sum, { text }) => sum + stringWidth(text), 0);
}

/** Lines joined by newlines, without trailing blanks; escape sequences only where `color` says so. */
export function toText(lines: readonly Line[], options: Pick<RenderOptions, 'color'>): string {
  return lines.map((line) => paint(trimEnd(line), options.color)).join('\n');
}

function paint(line: Line, color: boolean): string {
  return merged(line)
    .map(({ text, tone = 'plain' }) =>
      color && tone !== 'plain' && text !== ''
        ? styleText(FORMATS[tone], text, { validateStream: false })
        : text,
    )
    .join('');
}

/** Neighbours of one tone as one piece: a row of cells would be drowned in escape sequences. */
function merged(line: Line): Line {
  const pieces: { text: string; tone: Tone }[] = [];
  for (const { text, tone = 'plain' } of line) {
    const last = pieces.at(-1);
    if (last?.tone === tone) last.text += text;
    else pieces.push({ text, tone });
  }
  return pieces;
}

function trimEnd(line: Line): Line {
  const kept = [...line];
  while (kept.length > 0) {
    const last = kept.pop()!;
    const text = last.text.trimEnd();
    if (text !== '') return [...kept, { ...last, text }];
  }
  return kept;
}

export function ellipsis(ascii = false): string {
  return ascii ? '...' : '…';
}

const segmenter = new Intl.Segmenter('en', { granularity: 'grapheme' });

/** The text within `width` columns, its end cut off where it does not fit. */
export function shorten(text: string, width: number, ascii = false): string {
  if (stringWidth(text) <= width) return text;
  const mark = ellipsis(ascii);
  const room = width - mark.length;
  if (room <= 0) return mark.slice(0, Math.max(0, width));
  let kept = '';
  let columns = 0;
  for (const { segment } of segmenter.segment(text)) {
    columns += stringWidth(segment);
    if (columns > room) break;
    kept += segment;
  }
  return kept + mark;
}

/** A line within `width` columns; what does not fit is cut off. */
export function clip(line: Line, width: number, ascii = false): Line {
  let room = width;
  const kept: Piece[] = [];
  for (const part of line) {
    const columns = stringWidth(part.text);
    if (columns > room) {
      kept.push({ ...part, text: shorten(part.text, room, ascii) });
      return kept;
    }
    kept.push(part);
    room -= columns;
  }
  return kept;
}

/** Blanks added, before or after, up to `width` columns. */
export function pad(line: Line, width: number, align: 'start' | 'end' = 'start'): Line {
  const blanks = piece(' '.repeat(Math.max(0, width - widthOf(line))));
  return align === 'start' ? [...line, blanks] : [blanks, ...line];
}

/** Two texts at the two edges of the screen. */
export function spread(left: Line, right: Line, width: number, ascii = false): Line {
  const room = width - widthOf(right) - 2;
  return [...pad(clip(left, room, ascii), room + 2), ...right];
}

/**
 * Phrases set one after another with three blanks between them, on as many lines as they need. A phrase is never
 * divided unless it is wider than a line; then it is broken between words, and a long word is left whole.
 */
export function flow(phrases: readonly Line[], width: number, indent: string): Line[] {
  const lines: Piece[][] = [];
  let current: Piece[] = [];
  for (const phrase of phrases.filter((line) => widthOf(line) > 0)) {
    const joined = current.length === 0 ? [piece(indent), ...phrase] : [...current, piece('   '), ...phrase];
    if (current.length > 0 && widthOf(joined) > width) {
      lines.push(current);
      current = [piece(indent), ...phrase];
    } else current = joined;
  }
  if (current.length > 0) lines.push(current);
  return lines.flatMap((line) => wrapLine(line, width, indent));
}

function wrapLine(line: Line, width: number, indent: string): Line[] {
  if (widthOf(line) <= width) return [line];
  const words = line.flatMap(({ text, tone }) => text.split(/(?<= )/).map((word) => ({ text: word, tone })));
  const lines: Piece[][] = [[]];
  for (const word of words) {
    const current = lines.at(-1)!;
    const started = current.some(({ text }) => text.trim() !== '');
    if (started && widthOf([...current, { ...word, text: word.text.trimEnd() }]) > width)
      lines.push([piece(`${indent}  `), word]);
    else current.push(word);
  }
  return lines;
}

/** A sentence broken into lines of at most `width` columns. */
export function paragraph(text: string, width: number, indent: string, tone: Tone = 'plain'): Line[] {
  return wrapLine([piece(indent), piece(text, tone)], width, indent);
}
