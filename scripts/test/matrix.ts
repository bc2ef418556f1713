import {
  SCENARIOS,
  type ScenarioName,
  SUITE,
  WAYS,
  type WayName,
  whyImpossible,
} from '../../test/conformance/engine/table.ts';

/** What we read of a test in jest's report. */
export interface TestResult {
  readonly status: string;
  readonly ancestorTitles: readonly string[];
  readonly title: string;
}

export interface Matrix {
  /** As it is printed: the table, the reasons, the counts. */
  readonly text: string;
  /** Cells that are no test's, though their way was run: nobody else counts them as failed. */
  readonly missing: number;
}

type Cell = 'passed' | 'impossible' | 'failed' | 'skipped' | 'missing' | 'not run';

const SIGNS: Readonly<Record<Cell, string>> = {
  passed: '+',
  impossible: '-',
  failed: 'FAILED',
  skipped: 'skip',
  missing: 'MISSING',
  'not run': '',
};

const HEADS: Readonly<Record<WayName, string>> = {
  Terraform: 'Terraform',
  OpenTofu: 'OpenTofu',
  'Pulumi in YAML': 'YAML',
  'Pulumi in TypeScript': 'TypeScript',
  'Pulumi in Python': 'Python',
  'Pulumi in Go': 'Go',
  CDKTF: 'CDKTF',
  'CDK Terrain': 'CDKTN',
  'command line': 'stasis',
};

/** What every scenario came to in every way of driving us; undefined where no way was run. */
export function matrixOf(tests: readonly TestResult[]): Matrix | undefined {
  const ours = tests.filter(({ ancestorTitles }) => ancestorTitles[0]?.startsWith(`${SUITE} `));
  if (ours.length === 0) return undefined;
  const cells = new Map<string, Cell>();
  for (const way of WAYS) {
    const column = ours.filter(({ ancestorTitles }) => ancestorTitles[0] === `${SUITE} ${way}`);
    for (const scenario of SCENARIOS) cells.set(`${way}\n${scenario}`, cellOf(way, scenario, column));
  }
  const at = (way: WayName, scenario: ScenarioName): Cell => cells.get(`${way}\n${scenario}`) ?? 'not run';
  const count = (...kinds: readonly Cell[]) =>
    [...cells.values()].filter((cell) => kinds.includes(cell)).length;
  const counts = [
    `${count('passed')} cells passed`,
    `${count('impossible')} impossible`,
    `${count('failed', 'missing')} failed`,
    ...(count('skipped') > 0 ? [`${count('skipped')} skipped`] : []),
    ...(count('not run') > 0 ? [`${count('not run')} not run`] : []),
  ];
  const text = [...table(at), ...reasons(at), `every engine: ${counts.join(', ')}`].join('\n');
  return { text: `${text}\n`, missing: count('missing') };
}

function cellOf(way: WayName, scenario: ScenarioName, column: readonly TestResult[]): Cell {
  if (column.length === 0) return 'not run';
  if (whyImpossible(way, scenario) !== undefined) return 'impossible';
  // A test that a missing tool skips has the reason behind its name.
  const found = column.find(({ title }) => title === scenario || title.startsWith(`${scenario} (`));
  if (found === undefined) return 'missing';
  if (found.status === 'passed' || found.status === 'failed') return found.status;
  return 'skipped';
}

type At = (way: WayName, scenario: ScenarioName) => Cell;

function table(at: At): string[] {
  const first = Math.max(...SCENARIOS.map((scenario) => scenario.length));
  const widths = WAYS.map((way) =>
    Math.max(HEADS[way].length, ...SCENARIOS.map((scenario) => SIGNS[at(way, scenario)].length)),
  );
  const line = (head: string, columns: readonly string[]): string =>
    [head.padEnd(first), ...columns.map((text, index) => text.padEnd(widths[index]!))].join('  ').trimEnd();
  return [
    line(
      '',
      WAYS.map((way) => HEADS[way]),
    ),
    ...SCENARIOS.map((scenario) =>
      line(
        scenario,
        WAYS.map((way) => SIGNS[at(way, scenario)]),
      ),
    ),
  ];
}

function reasons(at: At): string[] {
  return WAYS.flatMap((way) =>
    SCENARIOS.filter((scenario) => at(way, scenario) === 'impossible').map(
      (scenario) => `impossible: ${scenario}: ${whyImpossible(way, scenario)}`,
    ),
  );
}
