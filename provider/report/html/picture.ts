import type { Report, ReportMember } from '../schema.ts';
import { type Level, levelsOf, place, shareOf, type Tick, ticksOf } from '../timeline.ts';
import { dayAndTime, duration, tickLabel } from '../words.ts';
import { drawRow, ROW_HEIGHT, THIN_ROW_HEIGHT } from './bars.ts';
import { html, type Markup, percent } from './markup.ts';

/** So many labels have room below a picture 280 pixels wide. */
const LABELS = 6;
const FINE_TICKS = 30;
/** In pixels. */
const AXIS_HEIGHT = 24;
const LENS_HEIGHT = 28;

/** The picture of the cut: one level below another, and the one straight line of the instant through all of them. */
export function drawPicture(report: Report): Markup {
  const levels = levelsOf(report);
  const pieces = levels.flatMap((level, index) => [
    index === 0 ? drawFlag(report, level) : drawLens(report, levels[index - 1]!, level),
    drawLevel(report, level, levels[index + 1]),
  ]);
  return html`<figure class="picture" id="picture" aria-label="The cut on the coordinator's clock">
${PATTERNS}
${pieces}
<p class="readout" id="readout" role="status" hidden></p>
<figcaption>${LEGEND}</figcaption>
</figure>`;
}

/** Fills that tell apart without colour. */
const PATTERNS = html`<svg class="patterns" width="0" height="0" aria-hidden="true" focusable="false"><defs>
<pattern id="hatch" width="7" height="7" patternUnits="userSpaceOnUse" patternTransform="rotate(45)"><rect class="hatch-ground" width="7" height="7"/><line class="hatch-line" x1="0" y1="0" x2="0" y2="7"/></pattern>
<pattern id="grain" width="6" height="6" patternUnits="userSpaceOnUse"><circle class="grain-dot" cx="1.5" cy="1.5" r="1.2"/><circle class="grain-dot" cx="4.5" cy="4.5" r="1.2"/></pattern>
</defs></svg>`;

function swatch(drawing: Markup): Markup {
  return html`<svg class="swatch" width="44" height="18" aria-hidden="true" focusable="false">${drawing}</svg>`;
}

const LEGEND = html`<ul class="legend">
<li>${swatch(html`<rect class="hold locked" x="1" y="4" width="42" height="10"/>`)} frozen, locked or drained: kept from changing</li>
<li>${swatch(html`<rect class="hold still" x="1" y="6" width="42" height="6"/>`)} still: ran on, and provably did not change</li>
<li>${swatch(html`<rect class="mark" x="8" y="3" width="28" height="12" rx="6"/><circle class="dot" cx="22" cy="9" r="2.5"/>`)} marked: one instant, somewhere within</li>
<li>${swatch(html`<rect class="smear" x="1" y="3" width="42" height="12"/>`)} smeared: read while it may have changed</li>
<li>${swatch(html`<rect class="pause" x="1" y="1" width="42" height="16"/>`)} its clients were kept waiting</li>
<li>${swatch(html`<rect class="reading" x="6" y="5" width="5" height="8"/><rect class="reading" x="32" y="5" width="5" height="8"/>`)} a reading, from its question to its answer</li>
</ul>`;

/** The name of the instant, on top of its line. */
function drawFlag({ judgement, cutAt }: Report, level: Level): Markup {
  const { cutNs, sharp } = judgement;
  if (cutNs === null) return html`<p class="flag untied">No instant: not every member is tied to time.</p>`;
  const share = shareOf(level, cutNs);
  const [, time] = dayAndTime(cutAt);
  const anchor = share < 0.3 ? 'start' : share > 0.7 ? 'end' : 'middle';
  const words = sharp ? `the cut, ${time}` : `the middle of the blur, ${time}`;
  return html`<div class="band"><svg class="flag" width="100%" height="30" aria-hidden="true" focusable="false"><text class="flag-text" x="${percent(share)}" y="14" text-anchor="${anchor}">${words}</text><line class="cut" x1="${percent(share)}" x2="${percent(share)}" y1="20" y2="30"/></svg></div>`;
}

/** From the window in the level above to the whole width of the one below; it lies behind the labels of the axis. */
function drawLens({ judgement }: Report, above: Level, below: Level): Markup {
  const [from, to] = [shareOf(above, below.fromNs) * 100, shareOf(above, below.toNs) * 100];
  const cut = percent(shareOf(above, judgement.cutNs ?? above.fromNs));
  const points = `${from.toFixed(3)},0 ${to.toFixed(3)},0 100,10 0,10`;
  return html`<div class="band"><div class="lens"><svg width="100%" height="${AXIS_HEIGHT + LENS_HEIGHT}" viewBox="0 0 100 10" preserveAspectRatio="none" aria-hidden="true" focusable="false"><polygon class="beam" points="${points}"/><line class="beam-edge" x1="${from.toFixed(3)}" y1="0" x2="0" y2="10"/><line class="beam-edge" x1="${to.toFixed(3)}" y1="0" x2="100" y2="10"/></svg><svg class="over" width="100%" height="${LENS_HEIGHT}" aria-hidden="true" focusable="false"><line class="cut" x1="${cut}" x2="${cut}" y1="0" y2="${LENS_HEIGHT}"/></svg></div></div>`;
}

function drawLevel(report: Report, level: Level, below: Level | undefined): Markup {
  const isLast = below === undefined;
  const rows = report.members.map((member, index) => drawMember(report, member, index, level, isLast));
  const { cutNs } = report.judgement;
  return html`<div class="level${isLast ? ' last' : ''}" data-from="${level.fromNs}" data-to="${level.toNs}" data-cut="${cutNs ?? ''}"${isLast ? undefined : HIDDEN}>
<div class="plot">${drawThrough(report, level, below)}
${rows}
</div>
${drawAxis(level, cutNs, isLast)}
</div>`;
}

/** What is told in full by the last level and by the evidence need not be read out several times. */
const HIDDEN = html` aria-hidden="true"`;

function scaleWords(level: Level, isLast: boolean): string {
  const wide = duration(level.toNs - level.fromNs);
  if (level.zoom === 1) return isLast ? `${wide}, all of it` : `all of it, ${wide}`;
  const times = level.zoom < 10 ? level.zoom.toFixed(1) : Math.round(level.zoom).toLocaleString('en-US');
  return `${times} times larger, ${wide}`;
}

/** What goes through all rows: the grid, the time in which all were held at once or the blur, and the cut. */
function drawThrough({ judgement }: Report, level: Level, below: Level | undefined): Markup {
  const { cutNs, blur, sharedHold } = judgement;
  const zeroNs = cutNs ?? level.fromNs;
  const lines = ticksOf(level, zeroNs, LABELS).map(
    ({ at }) => html`<line class="grid" x1="${percent(at)}" x2="${percent(at)}" y1="0" y2="100%"/>`,
  );
  const [span, kind] = blur === null ? [sharedHold, 'shared'] : [blur, 'blur'];
  const placed = span === null ? undefined : place(level, span);
  const band =
    placed === undefined
      ? undefined
      : html`<rect class="${kind}" x="${percent(placed.from)}" width="${percent(placed.to - placed.from)}" y="0" height="100%"/>`;
  const window = below && place(level, below);
  const frame =
    window &&
    html`<rect class="window" x="${percent(window.from)}" width="${percent(window.to - window.from)}" y="0" height="100%"/>`;
  const cut = percent(shareOf(level, zeroNs));
  const line =
    cutNs === null ? undefined : html`<line class="cut" x1="${cut}" x2="${cut}" y1="0" y2="100%"/>`;
  return html`<svg class="through" width="100%" height="100%" aria-hidden="true" focusable="false">${band}${lines}${frame}${line}</svg>`;
}

function drawMember(
  report: Report,
  member: ReportMember,
  index: number,
  level: Level,
  isLast: boolean,
): Markup {
  const height = isLast ? ROW_HEIGHT : THIN_ROW_HEIGHT;
  const name = isLast
    ? html`<a class="who" href="#member-${index}">${member.name}</a>`
    : html`<span class="who">${member.name}</span>`;
  return html`<div class="row">${name}<svg class="ties" width="100%" height="${height}"${isLast ? groupOf(member) : undefined}>${drawRow({ report, member, index, level, isLast })}</svg></div>`;
}

function groupOf({ name }: ReportMember): Markup {
  return html` role="group" aria-label="${name}"`;
}

function drawAxis(level: Level, cutNs: number | null, isLast: boolean): Markup {
  const zeroNs = cutNs ?? level.fromNs;
  const fine = ticksOf(level, zeroNs, FINE_TICKS).map(
    ({ at }) => html`<line class="fine" x1="${percent(at)}" x2="${percent(at)}" y1="0" y2="4"/>`,
  );
  const coarse = ticksOf(level, zeroNs, LABELS).map((tick) => drawTick(tick, cutNs));
  const cut = percent(shareOf(level, zeroNs));
  const line =
    cutNs === null
      ? undefined
      : html`<line class="cut" x1="${cut}" x2="${cut}" y1="0" y2="${isLast ? 8 : AXIS_HEIGHT}"/>`;
  return html`<div class="row axis"><span class="scale">${scaleWords(level, isLast)}</span><svg class="scale-line" width="100%" height="${AXIS_HEIGHT}" aria-hidden="true" focusable="false">${line}<line class="rule" x1="0" x2="100%" y1="0.5" y2="0.5"/>${fine}${coarse}</svg></div>`;
}

function drawTick({ at, ns }: Tick, cutNs: number | null): Markup {
  const x = percent(at);
  const isZero = Math.abs(ns) < 0.5;
  const label = isZero ? (cutNs === null ? '0' : 'cut') : tickLabel(ns);
  const anchor = at < 0.05 ? 'start' : at > 0.95 ? 'end' : 'middle';
  const kind = isZero && cutNs !== null ? 'tick-label at-cut' : 'tick-label';
  return html`<line class="tick" x1="${x}" x2="${x}" y1="0" y2="7"/><text class="${kind}" x="${x}" y="19" text-anchor="${anchor}">${label}</text>`;
}
