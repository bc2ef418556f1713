/** One measured ratio against a named peer, both taken in the same run. */
export interface Figure {
  readonly name: string;
  readonly unit: string;
  readonly ours: number;
  readonly peer: number;
  readonly peerName: string;
  /** As `target` reads it: peer / ours where more is better, ours / peer where less is. */
  readonly ratio: number;
  /** For people: `>= 1.7`, `<= 0.1`; empty where the figure is only shown. */
  readonly target: string;
  /** Whether the target is met; true where there is none. */
  readonly holds: boolean;
}

export function median(values: readonly number[]): number {
  const sorted = values.toSorted((a, b) => a - b);
  const middle = Math.floor(sorted.length / 2);
  if (sorted.length === 0) return Number.NaN;
  return sorted.length % 2 === 1 ? sorted[middle]! : (sorted[middle - 1]! + sorted[middle]!) / 2;
}

type Measured = Pick<Figure, 'name' | 'unit' | 'ours' | 'peer' | 'peerName'>;

/** How many times faster (or smaller) than the peer we are; at least `target`. */
export function timesBetter(measured: Measured, target?: number): Figure {
  const ratio = measured.peer / measured.ours;
  return {
    ...measured,
    ratio,
    target: target === undefined ? '' : `>= ${target}`,
    holds: target === undefined || ratio >= target,
  };
}

/** Our share of the peer's; at most `target`. */
export function shareOf(measured: Measured, target?: number): Figure {
  const ratio = measured.ours / measured.peer;
  return {
    ...measured,
    ratio,
    target: target === undefined ? '' : `<= ${target}`,
    holds: target === undefined || ratio <= target,
  };
}

export function figureTable(figures: readonly Figure[]): string {
  const rows = figures.map((figure) => [
    figure.name,
    `${rounded(figure.ours)} ${figure.unit}`,
    `${rounded(figure.peer)} ${figure.unit}`,
    figure.peerName,
    rounded(figure.ratio),
    figure.target,
    figure.target === '' ? '' : figure.holds ? 'holds' : 'FALLS SHORT',
  ]);
  const all = [['figure', 'ours', 'peer', 'peer is', 'ratio', 'target', ''], ...rows];
  const widths = all[0]!.map((_, column) => Math.max(...all.map((row) => row[column]!.length)));
  return all
    .map((row) =>
      row
        .map((cell, column) => cell.padEnd(widths[column]!))
        .join('  ')
        .trimEnd(),
    )
    .join('\n');
}

function rounded(value: number): string {
  return value >= 100 ? value.toFixed(0) : value.toPrecision(3);
}
