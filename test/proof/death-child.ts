import { capture } from '../../provider/coordinator/capture.ts';
import type { Member } from '../../provider/coordinator/member.ts';
import { restore } from '../../provider/coordinator/restore.ts';
import { startClock } from '../../provider/core/clock.ts';
import type { Context } from '../../provider/core/context.ts';
import type { Driver, RestoreOptions } from '../../provider/core/driver.ts';
import { STORE_TYPES } from '../../provider/stores/registry.ts';
import { memberOf } from '../support/member.ts';
import { sabotagedDriver } from './sabotaged.ts';

/**
 * Captures or restores, stops at one step of the protocol, tells its parent, and waits there to be killed. What to do
 * comes by the environment, as it holds URLs.
 */
export interface DeathOrder {
  readonly work: 'capture' | 'restore';
  /** Where to stop; `none` goes through to the end. */
  readonly step: string;
  readonly storeFolder: string;
  readonly members: Readonly<
    Record<string, readonly [driver: string, spec: Readonly<Record<string, unknown>>]>
  >;
  readonly maxPauseMs: number;
}

const order = JSON.parse(process.env.DEATH_ORDER ?? '') as DeathOrder;
const signal = new AbortController().signal;

/** Stops for good when this is the step. The timer keeps the process alive. */
async function stopAt(step: string): Promise<void> {
  if (step !== order.step) return;
  process.send?.({ reached: step });
  setInterval(() => {}, 1_000);
  await new Promise<never>(() => {});
}

const context: Context = {
  signal,
  clock: startClock(),
  logger: { log: () => {} },
  // Progress is no place to stop in; it is told to the parent, which kills at once.
  progress: ({ step }) => {
    if (`progress:${step}` === order.step) process.send?.({ reached: order.step });
  },
};

function stopping(driver: Driver): Driver {
  const stopped = sabotagedDriver(driver, {
    afterEpoch: () => stopAt('epoch'),
    afterFreeze: () => stopAt('frozen'),
    beforeMark: () => stopAt('before-mark'),
    afterMark: () => stopAt('marked'),
    beforeEvidence: () => stopAt('evidence'),
    beforeCopy: () => stopAt('copy'),
  });
  return {
    ...stopped,
    restore: async (spec, at, from, blobs, options: RestoreOptions, own) => {
      const journal = async (entry: unknown): Promise<void> => {
        await options.journal(entry);
        await stopAt('journaled');
      };
      const held = await driver.restore(spec, at, from, blobs, { ...options, journal }, own);
      await stopAt('loaded');
      return {
        fingerprint: () => held.fingerprint(),
        release: async () => {
          await stopAt('before-release');
          await held.release();
          await stopAt('released');
        },
        [Symbol.asyncDispose]: () => held[Symbol.asyncDispose](),
      };
    },
  };
}

const members: Member[] = Object.entries(order.members).map(([name, [driverName, spec]]) => {
  const member = memberOf(driverName, spec, { name });
  return { ...member, driver: stopping(member.driver) };
});
const store = await STORE_TYPES[0]!.open({ path: order.storeFolder }, context);
const common = { store, members, createdBy: 'death' };
if (order.work === 'capture')
  await capture(
    { ...common, name: 'shop', owner: 'death', limits: { maxPauseMs: order.maxPauseMs, maxBlurMs: 0 } },
    context,
  );
else {
  const newest = (await store.name('shop'))!.generations[0]!;
  const snapshot = await store.open('shop', newest.digest, context);
  await restore(
    {
      ...common,
      restoreId: 'death',
      snapshot,
      verify: 'equivalent',
      overwrite: true,
      safetySnapshot: false,
      expiry: 'absolute',
    },
    context,
  );
}
process.send?.({ reached: 'end' });
process.disconnect?.();
