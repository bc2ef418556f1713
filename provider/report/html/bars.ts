import type { Report, ReportMember, ReportTie } from '../schema.ts';
import { type Level, type Placed, place, spanOf } from '../timeline.ts';
import { fromCut, pauseSentence, tieSentence, tieWord } from '../words.ts';
import { html, type Markup, percent } from './markup.ts';

/** The row of one member in one level of the picture. Heights are in pixels; the row is as wide as the page lets it. */

export const ROW_HEIGHT = 56;
export const THIN_ROW_HEIGHT = 26;

export interface Row {
  readonly report: Report;
  readonly member: ReportMember;
  readonly index: number;
  readonly level: Level;
  /** In the last level everything can be pointed at, and readings are drawn. */
  readonly isLast: boolean;
}

/** Pauses lie under holds, holds under smears, smears under marks. */
export function drawRow(row: Row): Markup {
  const { member } = row;
  const ties = member.ties.map((tie, index) => ({ tie, index }));
  const order = ['hold', 'smear', 'mark'] as const;
  return html`${member.pauses.map((pause) => drawPause(row, pause))}${order.flatMap((kind) =>
    ties.filter(({ tie }) => tie.tie === kind).map(({ tie, index }) => drawTie(row, tie, index)),
  )}`;
}

function zeroOf({ report, level }: Row): number {
  return report.judgement.cutNs ?? level.fromNs;
}

function drawPause(row: Row, pause: { fromNs: number; toNs: number }): Markup | undefined {
  const placed = place(row.level, pause);
  if (placed === undefined) return undefined;
  const says = pauseSentence(row.member, pause, zeroOf(row));
  return html`<rect class="pause" ${across(placed)} y="2" height="${heightOf(row) - 4}" data-says="${says}"><title>${says}</title></rect>`;
}

function heightOf({ isLast }: Row): number {
  return isLast ? ROW_HEIGHT : THIN_ROW_HEIGHT;
}

function across({ from, to }: Placed): Markup {
  return html`x="${percent(from)}" width="${percent(to - from)}"`;
}

function drawTie(row: Row, tie: ReportTie, tieIndex: number): Markup | undefined {
  const placed = place(row.level, spanOf(tie));
  if (placed === undefined) return row.isLast ? drawElsewhere(row, tie, tieIndex) : undefined;
  const drawing = html`${drawBody(row, tie, placed)}${tie.tie === 'hold' && row.isLast ? drawReadings(row, tie) : undefined}`;
  if (!row.isLast) return drawing;
  const says = tieSentence(row.member, tie, zeroOf(row));
  return html`<a class="tie" href="#tie-${row.index}-${tieIndex}" aria-label="${says}" data-says="${says}"><title>${says}</title>${drawing}${drawEnds(row, tie, placed)}</a>`;
}

/** Where a tie lies that the last level does not reach: at the edge beyond which it is. */
function drawElsewhere(row: Row, tie: ReportTie, tieIndex: number): Markup {
  const { fromNs, toNs } = spanOf(tie);
  const zeroNs = zeroOf(row);
  const says = tieSentence(row.member, tie, zeroNs);
  const isBefore = toNs < row.level.fromNs;
  const words = isBefore
    ? `◂ ${tieWord(tie)} ${fromCut(toNs, zeroNs)}`
    : `${tieWord(tie)} ${fromCut(fromNs, zeroNs)} ▸`;
  const edge = isBefore ? html`x="0"` : html`x="100%" text-anchor="end"`;
  return html`<a class="tie elsewhere" href="#tie-${row.index}-${tieIndex}" aria-label="${says}" data-says="${says}"><title>${says}</title><text class="end" ${edge} y="${ROW_HEIGHT - 5}">${words}</text></a>`;
}

/** Half of a bar's height, by how much it kept from the application. */
const HALF: Readonly<Record<string, number>> = { frozen: 9, locked: 9, drained: 6, still: 4, smeared: 9 };

function drawBody(row: Row, tie: ReportTie, placed: Placed): Markup {
  const middle = middleOf(row);
  const scale = row.isLast ? 1 : 0.7;
  const broken = tie.fault === null ? '' : ' void';
  const word = tieWord(tie);
  if (tie.tie === 'mark') return drawMark(placed, middle, scale, broken);
  const half = (HALF[word] ?? 8) * scale;
  const kind = tie.tie === 'hold' ? `hold ${word}` : 'smear';
  return html`<rect class="${kind}${broken}" ${across(placed)} y="${middle - half}" height="${2 * half}"/>`;
}

function middleOf(row: Row): number {
  return heightOf(row) / 2 + (row.isLast ? 3 : 0);
}

/** The interval in which the instant lies, and a dot so that the narrowest one is seen. */
function drawMark(placed: Placed, middle: number, scale: number, broken: string): Markup {
  const half = 12 * scale;
  const centre = percent((placed.from + placed.to) / 2);
  return html`<rect class="mark${broken}" ${across(placed)} y="${middle - half}" height="${2 * half}" rx="${6 * scale}"/><circle class="dot${broken}" cx="${centre}" cy="${middle}" r="${3.5 * scale}"/>`;
}

function drawReadings(
  row: Row,
  { readings }: { readings: readonly { sentNs: number; acknowledgedNs: number }[] },
): Markup {
  const middle = middleOf(row);
  return html`${readings.map((reading) => {
    const placed = place(row.level, { fromNs: reading.sentNs, toNs: reading.acknowledgedNs });
    return placed && html`<rect class="reading" ${across(placed)} y="${middle + 13}" height="7"/>`;
  })}`;
}

/** How far away an end is that lies outside of the window. */
function drawEnds(row: Row, tie: ReportTie, { cutOffBefore, cutOffAfter }: Placed): Markup | undefined {
  if (tie.tie === 'mark') return undefined;
  const { fromNs, toNs } = spanOf(tie);
  const zeroNs = zeroOf(row);
  const y = 13;
  const before = cutOffBefore
    ? html`<text class="end" x="0" y="${y}">◂ ${fromCut(fromNs, zeroNs)}</text>`
    : undefined;
  const after = cutOffAfter
    ? html`<text class="end" x="100%" y="${y}" text-anchor="end">${fromCut(toNs, zeroNs)} ▸</text>`
    : undefined;
  return html`${before}${after}`;
}
