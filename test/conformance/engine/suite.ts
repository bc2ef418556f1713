import { afterAll, beforeAll, describe, test } from '@jest/globals';
import { Desk } from './desk.ts';
import { HALF_DONE } from './scenarios/half-done.ts';
import { INTERRUPTS } from './scenarios/interrupts.ts';
import { LIFE } from './scenarios/life.ts';
import { REFUSALS } from './scenarios/refusals.ts';
import { REMEMBERING } from './scenarios/remembering.ts';
import { SECRETS } from './scenarios/secrets.ts';
import { TOGETHER } from './scenarios/together.ts';
import { UNKNOWNS } from './scenarios/unknowns.ts';
import { SCENARIOS, type ScenarioName, SUITE, whyImpossible } from './table.ts';
import type { Way } from './way.ts';

/** What is done in every way, written once. */
export type Scenario = (desk: Desk) => Promise<void>;

const RUNS: Readonly<Record<ScenarioName, Scenario>> = {
  ...LIFE,
  ...REMEMBERING,
  ...REFUSALS,
  ...TOGETHER,
  ...UNKNOWNS,
  ...SECRETS,
  ...HALF_DONE,
  ...INTERRUPTS,
};

/** Building a program in Go from scratch, or installing an SDK. */
const PREPARE_MS = 1_800_000;
const CELL_MS = 180_000;

/** The column of a way: a test for each cell that it can have. */
export async function describeWay(way: Way): Promise<void> {
  const missing = await way.missing();
  const cells = SCENARIOS.filter((scenario) => whyImpossible(way.name, scenario) === undefined);
  describe(`${SUITE} ${way.name}`, () => {
    if (missing !== undefined) {
      for (const scenario of cells) test.skip(`${scenario} (${missing})`, () => {});
      return;
    }
    const ends = new AsyncDisposableStack();
    let desk: Desk;
    beforeAll(async () => {
      desk = ends.use(await Desk.open(way.name, ends.use(await way.prepare())));
    }, PREPARE_MS);
    afterAll(() => ends.disposeAsync(), CELL_MS);
    for (const scenario of cells) test(scenario, () => RUNS[scenario](desk), CELL_MS);
  });
}
