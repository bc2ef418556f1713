import { expect, test } from '@jest/globals';
import { StasisError } from '../../../provider/core/errors.ts';
import { sleep } from '../../../provider/core/wait.ts';
import { memoryBlobs, testContext } from '../../support/context.ts';
import type { Disturbance, DriverAdapter, System } from './adapter.ts';
import { type CutResult, cut, MOMENTS, type Moment } from './cut.ts';
import { compared, host, memberOf, restoreInto, undisturbed } from './support.ts';

/** What a capture may be kept waiting by a disturbance that the capture itself keeps waiting. */
const PATIENCE_MS = 150;
const DISTURBANCE_MS = 20_000;
/** A capture, and nearly always a restore, for each of many kinds: on a busy machine some seconds each. */
const ALL_MS = 900_000;
/** Outcomes that may follow of each disturbance, counted so that a suite in which none was honest is seen. */
type Outcome = 'sharp' | 'not sharp' | 'failed';

/**
 * What breaks naive captures, done to the member at every moment of a cut. Each has to end in a failure of ours, in
 * evidence that does not stand, or in a capture that is honest: restored, it is a state that the member was in. And no
 * hold stands over a time in which the member was changed.
 */
export function testDisturbances(adapter: DriverAdapter, system: () => System): void {
  test('there are disturbances', () => {
    expect(system().disturbances.length).toBeGreaterThan(0);
  });

  test.each(MOMENTS)(
    'each kind of disturbance, %s the cut: never a wrong one',
    async (moment) => {
      const outcomes: Record<string, Outcome> = {};
      for (const disturbance of system().disturbances) {
        await using load = await system().load();
        outcomes[disturbance.name] = await disturbedAt(adapter, system(), disturbance, moment);
        expect({ [disturbance.name]: await undisturbed(system(), load) }).toEqual({ [disturbance.name]: [] });
      }
      console.log(`${adapter.driver.name}, ${moment}: ${JSON.stringify(outcomes)}`);
    },
    ALL_MS,
  );
}

async function disturbedAt(
  adapter: DriverAdapter,
  system: System,
  disturbance: Disturbance,
  moment: Moment,
): Promise<Outcome> {
  const context = testContext();
  const controller = new AbortController();
  let done = Promise.resolve();
  let finishedNs = Number.POSITIVE_INFINITY;
  const interrupt = async (at: Moment): Promise<void> => {
    if (at !== moment) return;
    done = disturbance
      .disturb(AbortSignal.any([controller.signal, AbortSignal.timeout(DISTURBANCE_MS)]))
      .then(() => {
        finishedNs = context.clock.nowNs();
      });
    await Promise.race([done.catch(() => {}), sleep(PATIENCE_MS)]);
  };
  let result: CutResult;
  try {
    await using session = await adapter.driver.prepare(system.spec, host, context);
    const blobs = memoryBlobs();
    await session.preload?.(blobs);
    result = await cut(session, blobs, context, interrupt);
  } catch (error) {
    controller.abort();
    await done.catch(() => {});
    expect(error).toBeInstanceOf(StasisError);
    return 'failed';
  }
  await done;
  const label = { disturbance: disturbance.name, moment };
  // What a lock kept waiting may be done in the instant in which it is released: that is no change within.
  const untilNs = Math.max(...result.ties.map((tie) => (tie.tie === 'hold' ? tie.heldToNs : 0)));
  const within = (moment === 'held' || moment === 'marked') && finishedNs < untilNs;
  if (disturbance.changes && within)
    expect({ ...label, held: result.held }).toEqual({ ...label, held: false });
  if (!result.sharp) return 'not sharp';
  expect({ ...label, faults: await faultsOf(adapter, system, result) }).toEqual({ ...label, faults: [] });
  return 'sharp';
}

/** Brings it back, and looks whether it is a state that there was. */
async function faultsOf(
  adapter: DriverAdapter,
  system: System,
  result: CutResult,
): Promise<readonly string[]> {
  const { driver } = adapter;
  await using target = await system.emptyTarget();
  const from = { member: memberOf(driver, system.spec, result), blobs: result.blobs };
  await using held = await restoreInto(driver, target, from);
  const { differences } = await compared(result.fingerprint, held.fingerprint());
  await held.release();
  const named = differences.map(({ object, message }) => `${object} ${message}`);
  return [...named, ...(await target.faults())];
}
