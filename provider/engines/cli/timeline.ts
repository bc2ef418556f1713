import type { Certificate, Finding, Judgement, Pause, Tie } from '../../core/certificate.ts';
import type { Digest } from '../../core/digest.ts';
import { judge } from '../../core/judgement.ts';
import type { Manifest, MemberCapture } from '../../core/manifest.ts';
import { formatWallClock } from '../../core/printable.ts';
import { formatReference } from '../../core/reference.ts';
import { formatBytes, formatMs, nsToMs } from '../../core/units.ts';
import { type Axis, axisAround, type Span } from './screen/axis.ts';
import { drawAxis, drawTies, spanOf, wordOf } from './screen/bars.ts';
import { columnWidths, table } from './screen/table.ts';
import {
  clampWidth,
  clip,
  flow,
  type Line,
  paragraph,
  piece,
  printable,
  type RenderOptions,
  shorten,
  spread,
  toText,
  widthOf,
} from './screen/text.ts';

export interface TimelineOptions extends RenderOptions {
  /** The sealed snapshot's digest, which no manifest can hold itself; without it only the generation is named. */
  readonly digest?: Digest;
  /** How long copying took, which is measured by whoever ran the capture. */
  readonly copyMs?: number;
}

/** Narrower than this a picture shows nothing: the columns beside it go below it. */
const MIN_PLOT = 28;
const MAX_PLOT = 110;
const MAX_NAME = 20;
const MIN_SUMMARY = 14;
const GAP = 2;
const INDENT = '  ';
/** What the axis needs beyond its end for ` ms`. */
const UNIT_WIDTH = 3;

/**
 * The picture of a cut: every member with its tie to time on one axis, and what the snapshot cost and holds. It is
 * drawn from the certificate and from the judgement that follows from it, not from what the manifest claims.
 */
export function renderTimeline(manifest: Manifest, options: TimelineOptions): string {
  const width = clampWidth(options.width);
  const judgement = judge(manifest.certificate);
  const lines = [
    title(manifest, judgement, width, options.ascii),
    ...picture(manifest, judgement, width, options.ascii),
    ...facts(manifest, options, width),
    ...doubts(manifest, judgement, width, options.ascii),
    ...outside(manifest, width, options.ascii),
    ...flow(identity(manifest, options, width), width, INDENT),
  ];
  return toText(lines, options);
}

function title(manifest: Manifest, judgement: Judgement, width: number, ascii?: boolean): Line {
  return spread([piece(printable(manifest.name, ascii), 'strong')], [sharpness(judgement)], width, ascii);
}

/** `sharp`, or by how much it is not. */
export function sharpness(judged: {
  readonly sharp: boolean;
  readonly blurMs: number | null;
}): ReturnType<typeof piece> {
  if (judged.sharp) return piece('sharp', 'good');
  return judged.blurMs === null
    ? piece('not tied to time', 'bad')
    : piece(`blur ${formatMs(judged.blurMs)}`, 'bad');
}

interface MemberRow {
  readonly left: readonly Line[];
  readonly right: readonly Line[];
  readonly ties: readonly Tie[];
}

function picture(manifest: Manifest, judgement: Judgement, width: number, ascii?: boolean): Line[] {
  const rows = Object.entries(manifest.members).map(([name, capture]) =>
    memberRow(name, capture, manifest.certificate, ascii),
  );
  const leftWidths = columnWidths(
    rows.map(({ left }) => left),
    [{ maxWidth: MAX_NAME }, {}, {}],
  );
  const [sizeWidth = 0, summaryWidth = 0] = columnWidths(
    rows.map(({ right }) => right),
    [{}, {}],
  );
  const leftWidth = INDENT.length + leftWidths.reduce((sum, columns) => sum + columns + GAP, 0);
  const free = width - leftWidth - sizeWidth - 2 * GAP;
  const plot = Math.min(MAX_PLOT, Math.max(MIN_PLOT, free - summaryWidth));
  if (free - plot < Math.min(MIN_SUMMARY, summaryWidth))
    return stackedPicture(rows, judgement, manifest, width, ascii);
  const axis = axisOf(manifest.certificate, judgement, plot);
  const body = table(
    rows.map(({ left, right, ties }) => [...left, drawTies(ties, axis, ascii), ...right]),
    [{ maxWidth: MAX_NAME }, {}, {}, {}, { align: 'end' }, {}],
    { width, indent: INDENT, gap: GAP, ascii },
  );
  return [...body, ...axisLines(axis, judgement, leftWidth, width, ascii)];
}

/** For a narrow screen: the ties in one row of a member, what it holds in the next. */
function stackedPicture(
  rows: readonly MemberRow[],
  judgement: Judgement,
  manifest: Manifest,
  width: number,
  ascii?: boolean,
): Line[] {
  const heads = rows.map(({ left: [name = [], , how = []] }) => [name, how]);
  const headWidths = columnWidths(heads, [{ maxWidth: MAX_NAME }, {}]);
  const leftWidth = INDENT.length + headWidths.reduce((sum, columns) => sum + columns + GAP, 0);
  const axis = axisOf(manifest.certificate, judgement, width - leftWidth - UNIT_WIDTH);
  const ties = table(
    rows.map((row, index) => [...heads[index]!, drawTies(row.ties, axis, ascii)]),
    [{ maxWidth: MAX_NAME }, {}, {}],
    { width, indent: INDENT, gap: GAP, ascii },
  );
  const contents = table(
    rows.map(({ left: [name = [], driver = []], right }) => [name, driver, ...right]),
    [{ maxWidth: MAX_NAME }, {}, { align: 'end' }, {}],
    { width, indent: INDENT, gap: GAP, ascii },
  );
  return [...ties, ...axisLines(axis, judgement, leftWidth, width, ascii), ...contents];
}

function memberRow(
  name: string,
  capture: MemberCapture,
  certificate: Certificate,
  ascii?: boolean,
): MemberRow {
  const ties = certificate.members[name] ?? [];
  const { word, tone } = wordOf(ties);
  return {
    left: [
      [piece(printable(name, ascii))],
      [piece(printable(capture.driver, ascii), 'faint')],
      [piece(word, tone)],
    ],
    right: [[piece(formatBytes(capture.sizeBytes))], [piece(printable(capture.summary, ascii), 'faint')]],
    ties,
  };
}

function axisOf(certificate: Certificate, judgement: Judgement, columns: number): Axis {
  const spans = Object.values(certificate.members).flat().map(spanOf);
  const { cutNs } = judgement;
  if (cutNs === null)
    return axisAround(
      { zero: '0', zeroNs: Math.min(...spans.map(({ fromNs }) => fromNs), Number.MAX_SAFE_INTEGER) },
      spans,
      columns,
    );
  const blur = blurOf(judgement);
  return axisAround({ zero: 'cut', zeroNs: cutNs }, blur ? [...spans, blur] : spans, columns);
}

/** The interval within which all of an unsharp snapshot lies. */
function blurOf({ sharp, blurMs, cutNs }: Judgement): Span | undefined {
  if (sharp || blurMs === null || cutNs === null) return undefined;
  const halfNs = (blurMs * 1_000_000) / 2;
  return { fromNs: cutNs - halfNs, toNs: cutNs + halfNs };
}

function axisLines(
  axis: Axis,
  judgement: Judgement,
  leftWidth: number,
  width: number,
  ascii?: boolean,
): Line[] {
  const indent = piece(' '.repeat(leftWidth));
  return drawAxis(axis, blurOf(judgement), ascii).map((line) => clip([indent, ...line], width, ascii));
}

function facts(manifest: Manifest, options: TimelineOptions, width: number): Line[] {
  const copied = `copied ${formatBytes(manifest.sizeBytes)}`;
  const stored = `stored ${formatBytes(manifest.storedBytes)}, ${formatBytes(manifest.newBytes)} new`;
  return flow(
    [
      [piece(`cut at ${formatWallClock(manifest.cutAt)}`)],
      [pausePiece(manifest)],
      [piece(options.copyMs === undefined ? copied : `${copied} in ${formatMs(options.copyMs)}`)],
      [piece(stored)],
    ],
    width,
    INDENT,
  );
}

function pausePiece({ pauseMs, certificate }: Manifest): ReturnType<typeof piece> {
  if (pauseMs === 0) return piece('nobody paused', 'good');
  const longest = longestPause(certificate.pauses);
  const whom =
    longest && new Set(certificate.pauses.map(({ member }) => member)).size > 1 ? ` (${longest.member})` : '';
  return piece(`paused ${formatMs(pauseMs)}${printable(whom)}`, 'caution');
}

function longestPause(pauses: readonly Pause[]): Pause | undefined {
  return [...pauses].sort((a, b) => lengthMs(b) - lengthMs(a))[0];
}

function lengthMs(pause: Pause): number {
  return nsToMs(pause.toNs - pause.fromNs);
}

/** Why it is not sharp, and where the manifest claims something else than its certificate proves. */
function doubts(manifest: Manifest, judgement: Judgement, width: number, ascii?: boolean): Line[] {
  const word = (isSharp: boolean): string => (isSharp ? 'sharp' : 'not sharp');
  const claim = {
    member: '',
    message: `the manifest says ${word(manifest.sharp)}, its certificate ${word(judgement.sharp)}`,
  };
  const findings = manifest.sharp === judgement.sharp ? judgement.findings : [claim, ...judgement.findings];
  return findings.flatMap((finding) =>
    paragraph(findingText(finding, ascii), width, INDENT, judgement.sharp ? 'caution' : 'bad'),
  );
}

export function findingText({ member, message }: Finding, ascii?: boolean): string {
  return printable(member === '' ? message : `${member}: ${message}`, ascii);
}

function outside(manifest: Manifest, width: number, ascii?: boolean): Line[] {
  const items = Object.entries(manifest.members).flatMap(([member, { coverage }]) =>
    coverage.outside.map(({ message }) => `${message} (${member})`),
  );
  if (items.length === 0) return [];
  const lead = 'not in the snapshot: ';
  const sentence = printable(items.join(', '), ascii);
  if (widthOf([piece(INDENT + lead + sentence)]) <= width)
    return [[piece(INDENT + lead), piece(sentence, 'caution')]];
  return [
    [piece(`${INDENT}not in the snapshot:`)],
    ...items.flatMap((item) => paragraph(printable(item, ascii), width, `${INDENT}  `, 'caution')),
  ];
}

/** The reference, in full where it fits; the generation is enough to name it too. */
function identity({ name, generation }: Manifest, options: TimelineOptions, width: number): Line[] {
  if (options.digest === undefined) return [[piece(formatReference({ name, generation }), 'strong')]];
  const reference = formatReference({ name, digest: options.digest });
  const shown = shorten(reference, width - INDENT.length, options.ascii);
  return [[piece(shown, 'strong')], [piece(`generation ${generation}`)]];
}
