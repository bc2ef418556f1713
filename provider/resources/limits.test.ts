import { describe, expect, test } from '@jest/globals';
import { type SimulatedPowers, simulatedDriver } from '../../test/support/simulated/driver.ts';
import { context, inputsOf, simulatedResources } from '../../test/support/simulated/resources.ts';
import type { Values } from '../core/resource.ts';
import { sleep } from '../core/wait.ts';

const rig = simulatedResources();

/** Two, as the mark of one alone is sharp by itself. */
const MEMBERS = { a: { simulated: { place: 'here' } }, b: { simulated: { place: 'there' } } };

/** Captures with these limits of the provider and of the resource; the code with which it failed. */
async function captured(powers: Omit<SimulatedPowers, 'system'>, configuration: Values, own: Values) {
  const driver = simulatedDriver({ system: rig.system, ...powers });
  const { Snapshot } = rig.definitions({ driver, configuration });
  return Snapshot.apply({ inputs: inputsOf({ members: MEMBERS, ...own }) }, context).then(
    ({ outputs }) => ({ outputs }),
    ({ code }: { code: string }) => ({ code }),
  );
}

describe('a limit in the provider’s configuration', () => {
  /** Members that are locked for as long as their marks take. */
  const SLOW = {
    hold: 'locked' as const,
    mark: true,
    before: async (call: string) => {
      if (call === 'mark') await sleep(150);
    },
  };

  test('of the pause ends a capture that would pause for longer', async () => {
    expect(await captured(SLOW, { maxPauseMs: 20 }, {})).toEqual({ code: 'cut.pause-too-long' });
    expect(rig.system.calls).toContain('thaw');
    expect(await rig.store().then((store) => store.name('shop'))).toBeUndefined();
  });

  test('of the pause is not needed: what holds then is long enough for this one', async () => {
    expect(await captured(SLOW, {}, {})).toMatchObject({ outputs: { sharp: true, generation: 1 } });
  });

  test('of the pause gives way to the resource’s own', async () => {
    expect(await captured(SLOW, { maxPauseMs: 20 }, { maxPauseMs: 10_000 })).toMatchObject({
      outputs: { sharp: true, generation: 1 },
    });
    expect(await captured(SLOW, { maxPauseMs: 10_000 }, { maxPauseMs: 20 })).toEqual({
      code: 'cut.pause-too-long',
    });
  });

  /** Read bit by bit: no instant of it can be told. */
  const SMEARED = { smear: true };

  test('of the blur lets a capture be that is not sharp, and gives way to the resource’s own', async () => {
    expect(await captured(SMEARED, {}, {})).toEqual({ code: 'cut.not-sharp' });
    expect(await captured(SMEARED, { maxBlurMs: 60_000 }, {})).toMatchObject({ outputs: { sharp: false } });
    expect(await captured(SMEARED, { maxBlurMs: 60_000 }, { maxBlurMs: 0 })).toEqual({
      code: 'cut.not-sharp',
    });
  });
});
