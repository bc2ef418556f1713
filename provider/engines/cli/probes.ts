import { printable } from '../../core/printable.ts';
import type { Values } from '../../core/resource.ts';
import { type Line, paragraph, piece, type RenderOptions, toText } from './screen/text.ts';

/** A probe or a sample as an output of a Snapshot or a Restore tells it. */
export interface ProbeView {
  readonly member: string;
  readonly outcome: string;
  readonly message: string;
}

const GOOD = ['answered', 'equal'];

/** Nothing where nothing was asked; one line where all is well; else each that is not, with why. */
export function probeLines(
  probes: Readonly<Record<string, ProbeView>> = {},
  { width, ascii }: Pick<RenderOptions, 'width' | 'ascii'>,
): Line[] {
  const all = Object.entries(probes);
  if (all.length === 0) return [];
  const wrong = all.filter(([, { outcome }]) => !GOOD.includes(outcome));
  const good = all.length - wrong.length;
  const outcome = all.some(([, one]) => one.outcome === 'equal') ? 'equal' : 'answered';
  return [
    [piece(`  ${good} of ${all.length} probes ${outcome}`)],
    ...wrong.flatMap(([name, one]) => [
      [piece(`    ${printable(name, ascii)} (${printable(one.member, ascii)})  `), piece(one.outcome, 'bad')],
      ...paragraph(printable(one.message, ascii), width, '      ', 'faint'),
    ]),
  ];
}

/** How quickly requests were answered before the cut, or why that is not known. */
function sampleLines(
  samples: Readonly<Record<string, ProbeView>> = {},
  { width, ascii }: Pick<RenderOptions, 'width' | 'ascii'>,
): Line[] {
  return Object.entries(samples).flatMap(([name, { member, outcome, message }]) =>
    paragraph(
      printable(`${name} (${member}): ${message}`, ascii),
      width,
      '  ',
      outcome === 'failed' ? 'bad' : undefined,
    ),
  );
}

/** The same as text, after a picture that ends in its own last line. */
export function renderAsked({ probeResults, sampleResults }: Values, options: RenderOptions): string {
  const lines = [
    ...probeLines(probeResults as Readonly<Record<string, ProbeView>> | undefined, options),
    ...sampleLines(sampleResults as Readonly<Record<string, ProbeView>> | undefined, options),
  ];
  return lines.length === 0 ? '' : `\n${toText(lines, options)}`;
}
