import { afterEach, describe, expect, test } from '@jest/globals';
import { testContext } from '../../test/support/context.ts';
import { type SimulatedPowers, SimulatedSystem } from '../../test/support/simulated/driver.ts';
import {
  cutStates,
  expectOneInstant,
  participantsOf,
  startWorld,
  stopWorld,
} from '../../test/support/simulated/world.ts';
import { StasisError } from '../core/errors.ts';
import { type Cut, findCut } from './cut.ts';

const LIMITS = { maxPauseMs: 2_000, maxBlurMs: 0 };
afterEach(() => stopWorld());

describe('the search for a cut', () => {
  const marked = { watch: true, mark: true };

  test('three busy systems with epochs are cut with nothing paused, at one instant', async () => {
    const systems = [new SimulatedSystem(), new SimulatedSystem(), new SimulatedSystem()];
    startWorld(systems, 60);
    const { participants, context } = await participantsOf({
      a: { system: systems[0]!, ...marked },
      b: { system: systems[1]!, ...marked },
      c: { system: systems[2]!, ...marked },
    });
    for (let round = 0; round < 20; round += 1) {
      const cut = await findCut(participants, LIMITS, context);
      expect(cut.judgement.sharp).toBe(true);
      expect(cut.pauses).toEqual([]);
      expectOneInstant(await cutStates(participants));
    }
  });

  test('a system without epochs is locked, for the others to be cut with it', async () => {
    const systems = [new SimulatedSystem(), new SimulatedSystem()];
    startWorld(systems, 0);
    const { participants, context } = await participantsOf({
      a: { system: systems[0]!, ...marked },
      b: { system: systems[1]!, hold: 'locked', mark: true },
    });
    for (let round = 0; round < 20; round += 1) {
      const cut = await findCut(participants, LIMITS, context);
      expect(cut.judgement.sharp).toBe(true);
      expect(cut.pauses.map(({ member }) => member)).toEqual(['b']);
      expect(systems[1]!.locked).toBe(false);
      expectOneInstant(await cutStates(participants));
    }
  });

  test('a lockable system alone, or among quiet ones, is not locked at all', async () => {
    const quiet = new SimulatedSystem();
    const alone = new SimulatedSystem();
    const { participants, context } = await participantsOf({
      a: { system: quiet, ...marked },
      b: { system: alone, hold: 'locked', mark: true },
    });
    const cut = await findCut(participants, LIMITS, context);
    expect(cut).toMatchObject({ pauses: [], judgement: { sharp: true } });
    expect(alone.calls).not.toContain('freeze');
  });

  test('a system with slow epochs and no mark is read outside of the locks', async () => {
    const [folder, store] = [new SimulatedSystem(), new SimulatedSystem()];
    startWorld([store], 0);
    const { participants, context } = await participantsOf({
      f: { system: folder, watch: true, costMs: 50 },
      s: { system: store, hold: 'locked', mark: true },
      p: { system: new SimulatedSystem(), mark: true },
    });
    const cut = await findCut(participants, LIMITS, context);
    expect(cut.judgement.sharp).toBe(true);
    expect(folder.calls.filter((call) => call === 'epoch').length).toBeGreaterThanOrEqual(2);
  });

  test('a system with slow epochs that changes only as long as the locked one lets it is read within the lock', async () => {
    const [folder, store] = [new SimulatedSystem(), new SimulatedSystem()];
    // One client: it writes the store, then the folder, without a rest.
    startWorld([store, folder], 0);
    const order: string[] = [];
    const { participants, context } = await participantsOf({
      f: { system: folder, watch: true, costMs: 50, before: (call) => void order.push(call) },
      s: { system: store, hold: 'locked', mark: true, before: (call) => void order.push(call) },
    });
    for (let round = 0; round < 20; round += 1) {
      const cut = await findCut(participants, LIMITS, context);
      expect(cut.judgement.sharp).toBe(true);
      const [folderState, storeState] = await cutStates(participants);
      expectOneInstant([storeState!, folderState!]);
      expect(store.locked).toBe(false);
    }
    // What can be looked at before the lock is: within it little is left to do.
    expect(order.join(' ')).not.toContain('thaw freeze');
  });

  test('two busy systems that can only be marked are not called sharp', async () => {
    const systems = [new SimulatedSystem(), new SimulatedSystem()];
    startWorld(systems, 0);
    const { participants, context } = await participantsOf({
      a: { system: systems[0]!, mark: true },
      b: { system: systems[1]!, mark: true },
    });
    await expect(findCut(participants, LIMITS, context)).rejects.toMatchObject({ code: 'cut.not-sharp' });
    const blurred = await findCut(participants, { ...LIMITS, maxBlurMs: 1_000 }, context);
    expect(blurred.judgement.sharp).toBe(false);
    expect(blurred.judgement.blurMs).toBeGreaterThan(0);
  }, 60_000);

  test.each(['freeze', 'mark', 'evidence'])('whatever fails at "%s", all are thawed', async (step) => {
    const [a, b, c] = [new SimulatedSystem(), new SimulatedSystem(), new SimulatedSystem()];
    const failing = (call: string): void => {
      if (call === step) throw new StasisError('simulated.broken', 'It broke.');
    };
    const { participants, context } = await participantsOf({
      a: { system: a, hold: 'locked', mark: true },
      b: { system: b, hold: 'locked', mark: true, before: failing },
      c: { system: c, mark: true },
    });
    await expect(findCut(participants, LIMITS, context)).rejects.toMatchObject({ code: 'simulated.broken' });
    expect([a.locked, b.locked]).toEqual([false, false]);
  });

  test('past maxPauseMs everything is thawed and the capture fails, saying at which step', async () => {
    const [a, b] = [new SimulatedSystem(), new SimulatedSystem()];
    const slow = async (call: string): Promise<void> => {
      if (call === 'mark') await new Promise((resolve) => setTimeout(resolve, 400));
    };
    const { participants, context } = await participantsOf({
      a: { system: a, hold: 'locked', mark: true, before: slow },
      b: { system: b, hold: 'locked', mark: true },
    });
    await expect(findCut(participants, { ...LIMITS, maxPauseMs: 100 }, context)).rejects.toMatchObject({
      code: 'cut.pause-too-long',
      message: expect.stringContaining('"mark"'),
    });
    expect([a.locked, b.locked]).toEqual([false, false]);
  });

  test('a freeze that is answered after the deadline is thawed all the same', async () => {
    const [a, b] = [new SimulatedSystem(), new SimulatedSystem()];
    const late = async (call: string): Promise<void> => {
      if (call === 'freeze') await new Promise((resolve) => setTimeout(resolve, 300));
    };
    const { participants, context } = await participantsOf({
      a: { system: a, hold: 'locked', mark: true, before: late },
      b: { system: b, hold: 'locked', mark: true },
    });
    await expect(findCut(participants, { ...LIMITS, maxPauseMs: 100 }, context)).rejects.toMatchObject({
      code: 'cut.pause-too-long',
    });
    expect([a.locked, b.locked]).toEqual([false, false]);
  });

  test('a cancel in mid-hold thaws at once', async () => {
    const [a, b] = [new SimulatedSystem(), new SimulatedSystem()];
    const cancel = new AbortController();
    const context = testContext({ signal: cancel.signal });
    const cancelling = (call: string): void => {
      if (call === 'evidence') cancel.abort();
    };
    const { participants } = await participantsOf(
      {
        a: { system: a, hold: 'locked', mark: true, before: cancelling },
        b: { system: b, hold: 'locked', mark: true },
      },
      context,
    );
    await expect(findCut(participants, LIMITS, context)).rejects.toMatchObject({ code: 'cancelled' });
    expect([a.locked, b.locked]).toEqual([false, false]);
  });

  test('lower ranks are held first and thawed last', async () => {
    const order: string[] = [];
    const noting = (name: string) => (call: string) => {
      if (call === 'freeze' || call === 'thaw') order.push(`${call} ${name}`);
    };
    const powers = (name: string, rank: number): SimulatedPowers => ({
      system: new SimulatedSystem(),
      hold: 'locked',
      mark: true,
      rank,
      before: noting(name),
    });
    const { participants, context } = await participantsOf({
      store: powers('store', 10),
      client: powers('client', 0),
    });
    const cut: Cut = await findCut(participants, LIMITS, context);
    expect(cut.judgement.sharp).toBe(true);
    expect(order.slice(0, 4)).toEqual(['freeze client', 'freeze store', 'thaw store', 'thaw client']);
  });
});
