import type { Digest } from '../../core/digest.ts';
import { formatWallClock } from '../../core/printable.ts';
import { formatReference } from '../../core/reference.ts';
import type { GenerationEntry, NameRecord, Pin, SealedSnapshot } from '../../core/store.ts';
import { formatBytes, formatMs } from '../../core/units.ts';
import { table } from './screen/table.ts';
import {
  clampWidth,
  count,
  type Line,
  paragraph,
  piece,
  printable,
  type RenderOptions,
  spread,
  toText,
} from './screen/text.ts';
import { renderTimeline, sharpness } from './timeline.ts';

/** So much of a digest tells snapshots of one store apart for people. */
const DIGEST_SHOWN = 'sha256:'.length + 12;

/** The names in a store, each with its newest snapshot. */
export function renderNames(
  location: string,
  names: ReadonlyMap<string, NameRecord>,
  options: RenderOptions,
): string {
  const width = clampWidth(options.width);
  const { ascii } = options;
  const rows = [...names].map(([name, { generations, owner }]): Line[] => [
    [piece(printable(name, ascii), 'strong')],
    [piece(count(generations.length, 'generation'))],
    [piece(generations[0] ? formatWallClock(generations[0].cutAt) : 'none sealed')],
    [piece(`owned by ${printable(owner, ascii)}`, 'faint')],
  ]);
  const head = spread([piece(printable(location, ascii))], [piece(count(names.size, 'name'))], width, ascii);
  const body = table(rows, [{}, { align: 'end' }, {}, {}], { width, ascii });
  return toText([head, ...body], options);
}

export interface ListedGeneration {
  readonly entry: GenerationEntry;
  /** Absent when its manifest cannot be read. */
  readonly snapshot?: SealedSnapshot;
}

/** The snapshots of one name, newest first. */
export function renderGenerations(
  name: string,
  record: Pick<NameRecord, 'owner' | 'pins'>,
  generations: readonly ListedGeneration[],
  options: RenderOptions,
): string {
  const width = clampWidth(options.width);
  const { ascii } = options;
  const rows = generations.map(({ entry, snapshot }): Line[] => [
    [piece(formatReference({ name, generation: entry.generation }), 'strong')],
    [piece(formatWallClock(entry.cutAt))],
    snapshot ? [sharpness(snapshot.manifest)] : [piece('unreadable', 'bad')],
    snapshot ? [piece(formatBytes(snapshot.manifest.sizeBytes))] : [],
    snapshot ? [piece(`${formatBytes(snapshot.manifest.newBytes)} new`, 'faint')] : [],
    [piece(entry.digest.slice(0, DIGEST_SHOWN), 'faint')],
  ]);
  const head = spread(
    [piece(printable(name, ascii))],
    [piece(`${count(generations.length, 'generation')}, owned by ${printable(record.owner, ascii)}`)],
    width,
    ascii,
  );
  const columns = [{}, {}, {}, { align: 'end' }, { align: 'end' }, {}] as const;
  const body = table(rows, columns, { width, ascii }).flatMap((line, index) => [
    line,
    ...pinLines(record.pins, generations[index]!.entry.digest, width, ascii),
  ]);
  return toText([head, ...body], options);
}

function pinLines(pins: readonly Pin[], digest: Digest, width: number, ascii?: boolean): Line[] {
  const by = pins.filter((pin) => pin.digest === digest).map((pin) => pin.by);
  if (by.length === 0) return [];
  return paragraph(printable(`pinned by ${by.join(', ')}`, ascii), width, '    ', 'accent');
}

/** One snapshot in full: its cut, and of each member where it was, what it was, and what was compared. */
export function renderShow(snapshot: SealedSnapshot, pins: readonly Pin[], options: RenderOptions): string {
  const width = clampWidth(options.width);
  const { manifest, digest } = snapshot;
  const { ascii } = options;
  const members = Object.entries(manifest.members).flatMap(([name, member]) => {
    const system = Object.values(member.system).join(' ');
    const objects = `${count(member.fingerprint.entries, 'object')} fingerprinted`;
    const facts = [
      member.endpoint,
      system,
      member.coverage.layers.join(', '),
      objects,
      `restored as ${member.fidelity}`,
    ];
    const sentence = facts.filter((fact) => fact !== '').join(', ');
    return [...paragraph(printable(`${name}: ${sentence}`, ascii), width, '  ', 'faint')];
  });
  const closing: Line[] = [
    [piece(printable(`  made by ${manifest.createdBy}, format ${manifest.formatVersion}`, ascii), 'faint')],
    ...pinLines(pins, digest, width, ascii),
  ];
  return `${renderTimeline(manifest, { ...options, digest })}\n${toText([...members, ...closing], options)}`;
}

/** What was found wrong, or that nothing was. */
export interface Verification {
  readonly reference: string;
  readonly findings: readonly { readonly message: string }[];
  readonly storedBytes: number;
  readonly verifyMs: number;
  readonly sharp: boolean;
  readonly blurMs: number | null;
}

export function renderVerification(found: Verification, options: RenderOptions): string {
  const width = clampWidth(options.width);
  const read = `${formatBytes(found.storedBytes)} read and hashed in ${formatMs(found.verifyMs)}`;
  const judged: Line = [piece('  its certificate, judged again: '), sharpness(found)];
  return toText(
    [...wholeness(found.reference, found, width, options), [piece(`  ${read}`)], judged],
    options,
  );
}

/** The same of a store as a whole. */
export interface StoreVerificationView {
  readonly store: string;
  readonly findings: readonly { readonly message: string }[];
  readonly snapshots: readonly { readonly sharp: boolean }[];
  readonly verifyMs: number;
}

export function renderStoreVerification(found: StoreVerificationView, options: RenderOptions): string {
  const width = clampWidth(options.width);
  const { snapshots, verifyMs } = found;
  const sharp = snapshots.filter((snapshot) => snapshot.sharp).length;
  const read = `${count(snapshots.length, 'snapshot')} read and hashed in ${formatMs(verifyMs)}, ${sharp} sharp`;
  return toText([...wholeness(found.store, found, width, options), [piece(`  ${read}`)]], options);
}

function wholeness(
  title: string,
  { findings }: Pick<Verification, 'findings'>,
  width: number,
  { ascii }: RenderOptions,
): Line[] {
  const isWhole = findings.length === 0;
  const word = isWhole ? piece('whole', 'good') : piece('damaged', 'bad');
  return [
    spread([piece(printable(title, ascii), 'strong')], [word], width, ascii),
    ...findings.flatMap(({ message }) => paragraph(printable(message, ascii), width, '  ', 'bad')),
  ];
}
