import { expect, test } from '@jest/globals';
import { sleep } from '../../../provider/core/wait.ts';
import { testContext } from '../../support/context.ts';
import type { DriverAdapter, Load, System } from './adapter.ts';
import { type Step, stepsOf, takeSteps } from './protocol.ts';
import { codeOf, host, undisturbed } from './support.ts';

/** A step has to end within this once it was cancelled. */
const CANCELLED_MS = 15_000;

/** Freeze, thaw and abort at every step, while the member is under load. */
export function testLifecycle({ driver, sessions }: DriverAdapter, system: () => System): void {
  const steps = stepsOf(sessions);
  test.each(
    [...steps.keys(), steps.length].map((count) => [steps[count - 1]?.name ?? 'prepare', count] as const),
  )('disposal after "%s" leaves nothing, and the load goes on', async (_, count) => {
    await using load = await system().load();
    const context = testContext();
    const session = await driver.prepare(system().spec, host, context);
    await takeSteps(session, steps.slice(0, count), context);
    await session[Symbol.asyncDispose]();
    await session[Symbol.asyncDispose]();
    expect(await undisturbed(system(), load)).toEqual([]);
  });

  if (sessions.hold) testHold(driver, system);

  if (sessions.mark === 'held')
    test('what only a hold ties to time is not marked without one', async () => {
      const { signal } = new AbortController();
      await using session = await driver.prepare(system().spec, host, testContext());
      expect(await codeOf(session.mark!.take(signal))).toMatch(/^[a-z]+\.not-[a-z]+$/);
      await session.hold!.settle?.(signal);
      await session.hold!.freeze(5_000, signal);
      await session.mark!.take(signal);
      await session.hold!.thaw();
      expect(await codeOf(session.mark!.take(signal))).toMatch(/^[a-z]+\.not-[a-z]+$/);
    });

  test('nothing starts once it was cancelled', async () => {
    const controller = new AbortController();
    controller.abort();
    const opened = driver.prepare(system().spec, host, testContext({ signal: controller.signal }));
    // A driver that needs no wait to be prepared may succeed; its first step then fails.
    const stepped = opened.then(async (session) => {
      await using own = session;
      await own.watch?.epoch(controller.signal);
      await own.mark?.take(controller.signal);
    });
    expect(await codeOf(stepped)).toBe('cancelled');
    expect(await undisturbed(system())).toEqual([]);
  });

  test.each(steps.map(({ name }, index) => [name, index] as const))(
    'cancelled at the start of "%s", and just after, it ends and leaves nothing',
    async (_, index) => {
      await using load = await system().load();
      for (const whenMs of [undefined, 0, 2]) {
        const ended = await cancelledDuring(driver, system(), steps.slice(0, index + 1), whenMs);
        // What was done already when the cancel came is done; and a fingerprint needs a copy that was not lost.
        expect(ended).toMatch(/^(none|cancelled|cut\.lost|[a-z]+\.no(t)?-[a-z]+)$/);
        expect(await undisturbed(system(), load)).toEqual([]);
      }
    },
  );
}

/** Freeze and thaw, of what can be held. */
function testHold(driver: DriverAdapter['driver'], system: () => System): void {
  const goesOn = async (load: Load): Promise<void> => {
    expect(await undisturbed({ ...system(), residue: async () => [] }, load)).toEqual([]);
  };

  test('thaw may come at any time and any number of times', async () => {
    await using load = await system().load();
    const { signal } = new AbortController();
    await using session = await driver.prepare(system().spec, host, testContext());
    const hold = session.hold!;
    await hold.thaw();
    await hold.settle?.(signal);
    await hold.freeze(5_000, signal);
    await hold.thaw();
    await hold.thaw();
    await goesOn(load);
  });

  test('a member that is held does not change, and goes on after', async () => {
    await using load = await system().load();
    const { signal } = new AbortController();
    await using session = await driver.prepare(system().spec, host, testContext());
    const hold = session.hold!;
    await hold.settle?.(signal);
    await hold.freeze(5_000, signal);
    const before = await load.operations();
    await sleep(100);
    // One write may have been acknowledged while the answer was under way to the load.
    expect((await load.operations()) - before).toBeLessThanOrEqual(1);
    await hold.thaw();
    await goesOn(load);
  });

  test('a lease thaws the member when we never do, and nothing of it stays', async () => {
    await using load = await system().load();
    const { signal } = new AbortController();
    const session = await driver.prepare(system().spec, host, testContext());
    try {
      await session.hold!.settle?.(signal);
      await session.hold!.freeze(300, signal);
      await goesOn(load);
    } finally {
      await session[Symbol.asyncDispose]();
    }
    expect(await undisturbed(system(), load)).toEqual([]);
  });
}

/** Takes the steps before the last of these, begins it, and cancels it at once or so much later; how it ended. */
async function cancelledDuring(
  driver: DriverAdapter['driver'],
  system: System,
  steps: readonly Step[],
  whenMs: number | undefined,
): Promise<string> {
  const controller = new AbortController();
  const context = testContext({ signal: controller.signal });
  await using session = await driver.prepare(system.spec, host, context);
  const blobs = await takeSteps(session, steps.slice(0, -1), context);
  if (whenMs === undefined) controller.abort();
  const running = codeOf(steps.at(-1)!.run(session, blobs, controller.signal));
  if (whenMs !== undefined) {
    await sleep(whenMs);
    controller.abort();
  }
  // Awaited here, so that the session is not ended below a step that goes on.
  return await withinBounds(running);
}

async function withinBounds(running: Promise<string>): Promise<string> {
  const waited = new AbortController();
  const never = sleep(CANCELLED_MS, waited.signal).then(
    () => 'never',
    () => 'ended',
  );
  try {
    return await Promise.race([running, never]);
  } finally {
    waited.abort();
  }
}
