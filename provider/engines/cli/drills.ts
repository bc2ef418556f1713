import { formatWallClock, printable } from '../../core/printable.ts';
import { formatMs } from '../../core/units.ts';
import type { CheckedCertificate } from '../../resources/drill-certificates.ts';
import { flow, type Line, piece, type RenderOptions, spread, toText } from './screen/text.ts';
import { renderVerdict, type VerdictView } from './verdict.ts';

export interface DrillView extends VerdictView {
  readonly reference: string;
  readonly teardownMs: number;
  readonly keyId: string;
  readonly certificateDigest: string;
}

/** A verdict, and below it what is left of the drill: nothing but its certificate. */
export function renderDrill(view: DrillView, options: RenderOptions): string {
  const facts: Line[] = [
    [piece(`taken down in ${formatMs(view.teardownMs)}`)],
    [piece(`certificate ${view.certificateDigest}`)],
    [piece(`signed by ${view.keyId.slice(0, 16)}`)],
  ];
  return `${renderVerdict(view.reference, view, options)}\n${toText(flow(facts, options.width, '  '), options)}`;
}

/** The certificates of a snapshot as one key finds them, newest first. */
export function renderChecked(
  reference: string,
  isRehearsed: boolean,
  certificates: readonly CheckedCertificate[],
  options: RenderOptions,
): string {
  const { width, ascii } = options;
  const word = isRehearsed ? 'rehearsed' : 'not rehearsed';
  const lines: Line[] = [
    spread([piece(reference, 'strong')], [piece(word, isRehearsed ? 'good' : 'bad')], width, ascii),
  ];
  if (certificates.length === 0) lines.push([piece('  It has no certificate of a drill.')]);
  for (const { digest, facts, problem } of certificates) {
    const what: Line[] =
      facts === undefined
        ? [[piece(printable(problem ?? '', ascii), 'bad')]]
        : [
            [piece(formatWallClock(facts.finishedAt))],
            [piece(facts.verdict, facts.passed ? 'good' : 'bad')],
            [piece(`restored in ${formatMs(facts.restoreMs)}`)],
            [piece(`by ${printable(facts.tool, ascii)}`, 'faint')],
          ];
    lines.push(...flow([...what, [piece(digest.slice(0, 19), 'faint')]], width, '  '));
  }
  return toText(lines, options);
}
