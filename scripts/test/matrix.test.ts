import { describe, expect, test } from '@jest/globals';
import { SCENARIOS, SUITE, WAYS, type WayName, whyImpossible } from '../../test/conformance/engine/table.ts';
import { matrixOf } from './matrix.ts';

/** The report of a way whose tests all ended so. */
function column(way: WayName, status = 'passed') {
  return SCENARIOS.filter((scenario) => whyImpossible(way, scenario) === undefined).map((title) => ({
    ...{ status, title },
    ancestorTitles: [`${SUITE} ${way}`],
  }));
}

describe('the matrix of scenarios and ways', () => {
  test('is none where no way was run', () => {
    expect(
      matrixOf([{ status: 'passed', title: 'create', ancestorTitles: ['another suite'] }]),
    ).toBeUndefined();
  });

  test('has a row for each scenario, and counts every cell once', () => {
    const { text, missing } = matrixOf(WAYS.flatMap((way) => column(way)))!;
    const impossible = WAYS.flatMap((way) => SCENARIOS.filter((scenario) => whyImpossible(way, scenario)));
    const passed = WAYS.length * SCENARIOS.length - impossible.length;
    expect(missing).toBe(0);
    for (const scenario of SCENARIOS) expect(text).toContain(`\n${scenario} `);
    expect(text.split('\n').filter((line) => line.startsWith('impossible: '))).toHaveLength(
      impossible.length,
    );
    expect(text).toContain(
      `every engine: ${passed} cells passed, ${impossible.length} impossible, 0 failed\n`,
    );
  });

  test('a cell that has no test is missing, and one that failed or was skipped is none that passed', () => {
    const [gone, failed, skipped, ...others] = column('Terraform');
    const tests = [
      { ...failed!, status: 'failed' },
      { ...skipped!, status: 'pending', title: `${skipped!.title} (Terraform is not on PATH)` },
      ...others,
    ];
    const { text, missing } = matrixOf(tests)!;
    expect(missing).toBe(1);
    expect(text).toMatch(new RegExp(`^${gone!.title} +MISSING`, 'm'));
    expect(text).toMatch(new RegExp(`^${failed!.title} +FAILED`, 'm'));
    expect(text).toMatch(/ 0 impossible, 2 failed, 1 skipped, \d+ not run\n$/);
  });
});
