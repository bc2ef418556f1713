import type { StasisError } from '../../core/errors.ts';
import type { Estimate } from '../../core/resource.ts';
import { formatBytes, formatMs } from '../../core/units.ts';
import { positionOf } from './document/placing.ts';
import { renderProblem } from './screen/problem.ts';
import { table } from './screen/table.ts';
import {
  clampWidth,
  count,
  type Line,
  piece,
  printable,
  type RenderOptions,
  spread,
  toText,
} from './screen/text.ts';

export interface PlanView {
  /** What would be done: `capture shop`, `restore shop:3`. */
  readonly deed: string;
  readonly estimate?: Estimate;
  /** Placed in the user's file. */
  readonly problems: readonly StasisError[];
}

const MAX_NAME = 20;

/** What an apply would do, what it is expected to take, and every problem at its line. */
export function renderPlan(view: PlanView, options: RenderOptions): string {
  const width = clampWidth(options.width);
  const { ascii } = options;
  const errors = view.problems.filter(({ severity }) => severity === 'error').length;
  const ready = errors === 0 ? piece('ready', 'good') : piece(count(errors, 'error'), 'bad');
  const lines: Line[] = [spread([piece(printable(view.deed, ascii), 'strong')], [ready], width, ascii)];
  if (view.estimate) lines.push(...estimateLines(view.estimate, width, ascii));
  const problems = view.problems.map((problem) => renderProblem(problem, positionOf(problem), options));
  return [toText(lines, options), ...problems].join('\n');
}

function estimateLines(estimate: Estimate, width: number, ascii?: boolean): Line[] {
  const row = (name: string, { sizeBytes, pauseMs }: { sizeBytes: number; pauseMs: number }): Line[] => [
    [piece(printable(name, ascii))],
    [piece(`about ${formatBytes(sizeBytes)}`)],
    pauseMs === 0 ? [piece('no pause', 'good')] : [piece(`about ${formatMs(pauseMs)} of pause`, 'caution')],
  ];
  const rows = Object.entries(estimate.members).map(([name, member]) => row(name, member));
  const whole = rows.length > 1 ? [row('all', estimate)] : [];
  return table([...rows, ...whole], [{ maxWidth: MAX_NAME }, { align: 'end' }, {}], { width, ascii });
}
