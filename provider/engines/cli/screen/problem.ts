import type { StasisError } from '../../../core/errors.ts';
import type { Position } from '../document/document.ts';
import { type Line, paragraph, piece, printable, type RenderOptions, toText } from './text.ts';

/** A problem as people read it: what, where, and what to do. The user's own text is never quoted: it may hold a password. */
export function renderProblem(
  problem: StasisError,
  position: Position | undefined,
  options: RenderOptions,
): string {
  const { ascii } = options;
  const tone = problem.severity === 'error' ? 'bad' : 'caution';
  // What a server or a child program adds may have several lines.
  const [first = '', ...more] = problem.message.split('\n').map((line) => printable(line.trim(), ascii));
  const head: Line = [
    piece(`${problem.severity}: `, tone),
    piece(first),
    piece(`  [${problem.code}]`, 'faint'),
  ];
  const lines: Line[] = [head, ...more.flatMap((line) => paragraph(line, options.width, '  '))];
  const place = placeText(problem, position, ascii);
  if (place !== '') lines.push([piece(`  at ${place}`, 'accent')]);
  if (problem.hint !== undefined)
    lines.push(...paragraph(`hint: ${printable(problem.hint, ascii)}`, options.width, '  '));
  return toText(lines, options);
}

function placeText(problem: StasisError, position: Position | undefined, ascii?: boolean): string {
  const file = position ? `${position.file}:${position.line}:${position.column}` : '';
  return printable([file, problem.at.join('.')].filter((part) => part !== '').join('  '), ascii);
}
