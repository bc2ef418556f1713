import { afterEach, describe, expect, test } from '@jest/globals';
import fc from 'fast-check';
import { testContext } from '../../test/support/context.ts';
import { type SimulatedPowers, SimulatedSystem } from '../../test/support/simulated/driver.ts';
import {
  cutStates,
  expectOneInstant,
  participantsOf,
  startWorld,
  stopWorld,
} from '../../test/support/simulated/world.ts';
import { startClock } from '../core/clock.ts';
import { findCut } from './cut.ts';
import { tiesOf } from './ties.ts';

const LIMITS = { maxPauseMs: 2_000, maxBlurMs: 0 };
afterEach(() => stopWorld());

/** A process: frozen, and its memory dumped while it is. */
const process = { hold: 'frozen', mark: true, runtime: true, rank: 0 } as const;
const byUrl = { watch: true, mark: true } as const;

function systemsOf(count: number): SimulatedSystem[] {
  return Array.from({ length: count }, () => new SimulatedSystem());
}

describe('members that are frozen', () => {
  test('what runs is frozen in every cut, alone as well', async () => {
    const [only] = systemsOf(1);
    const { participants, context } = await participantsOf({ p: { system: only!, ...process } });
    const cut = await findCut(participants, LIMITS, context);
    expect(cut.judgement.sharp).toBe(true);
    expect(cut.pauses.map(({ member }) => member)).toEqual(['p']);
    expect(tiesOf(cut.observations.get('p')!)).toMatchObject([{ tie: 'hold', how: 'frozen' }]);
    expect(only!.locked).toBe(false);
  });

  test('several are frozen at once, before any of them is dumped, and thawed after the last dump', async () => {
    const systems = systemsOf(4);
    const order: string[] = [];
    const powers = systems.map(
      (system): SimulatedPowers => ({
        system,
        ...process,
        before: (call) => void order.push(call),
      }),
    );
    const { participants, context } = await participantsOf(
      Object.fromEntries(powers.map((own, index) => [`m${index}`, own])),
    );
    startWorld(systems, 0);
    for (let round = 0; round < 20; round += 1) {
      order.length = 0;
      const cut = await findCut(participants, LIMITS, context);
      expect(cut).toMatchObject({ tries: 1, judgement: { sharp: true } });
      expectOneInstant(await cutStates(participants));
      expect(order.lastIndexOf('freeze')).toBeLessThan(order.indexOf('mark'));
      expect(order.lastIndexOf('mark')).toBeLessThan(order.indexOf('evidence'));
      expect(order.lastIndexOf('evidence')).toBeLessThan(order.indexOf('thaw'));
    }
  });

  test('what can be frozen and need not be is left alone where a lock is enough', async () => {
    const [freezable, lockable] = systemsOf(2);
    startWorld([freezable!, lockable!], 40);
    const { participants, context } = await participantsOf({
      f: { system: freezable!, ...byUrl, hold: 'frozen' },
      l: { system: lockable!, hold: 'locked', mark: true },
    });
    const cut = await findCut(participants, LIMITS, context);
    expect(cut.judgement.sharp).toBe(true);
    expect(freezable!.calls).not.toContain('freeze');
  });

  test('and is frozen where the gentler ways were not sharp', async () => {
    const [never, client] = systemsOf(2);
    // Written to by somebody who is no member: its epoch moves in every reading.
    const stir = (call: string): void => {
      if (call === 'epoch') never!.change();
    };
    const { participants, context } = await participantsOf({
      n: { system: never!, ...byUrl, hold: 'frozen', before: stir },
      c: { system: client!, ...byUrl },
      x: { system: new SimulatedSystem(), mark: true },
    });
    const cut = await findCut(participants, LIMITS, context);
    expect(cut.judgement.sharp).toBe(true);
    expect(cut.pauses.map(({ member }) => member)).toEqual(['n']);
  });

  test('a store whose clients are frozen is waited for until it is idle, and counts as drained', async () => {
    const [client, store] = systemsOf(2);
    startWorld([client!, store!], 0);
    const order: string[] = [];
    const noting = (name: string) => (call: string) => void order.push(`${call} ${name}`);
    const powers = {
      client: { system: client!, ...process, before: noting('client') },
      store: { system: store!, ...byUrl, busyTimes: 3, before: noting('store') },
      other: { system: new SimulatedSystem(), mark: true },
    };
    // On a busy machine four looks at the store may take longer than a search: time goes slower for it.
    const { nowNs, wallMs } = startClock();
    const clock = { wallMs, nowNs: () => Math.floor(nowNs() / 100) };
    const { participants, context } = await participantsOf(powers, testContext({ clock }));
    // One try's search is too short for a store that has to be caught between two writes of another client.
    const cut = await findCut(participants, { ...LIMITS, maxPauseMs: 4_000 }, context);
    expect(cut.judgement.sharp).toBe(true);
    const hold = tiesOf(cut.observations.get('store')!).find((tie) => tie.tie === 'hold');
    expect(hold).toMatchObject({
      how: 'drained',
      conditions: [{ expected: '0', observed: '0' }],
    });
    expect(order.indexOf('freeze client')).toBeLessThan(order.indexOf('busy store'));
    expect(order.filter((call) => call === 'busy store').length).toBeGreaterThanOrEqual(4);
  });

  test('a store that is never seen idle is not called drained, however still it was', async () => {
    const [client, store] = systemsOf(2);
    const { participants, context } = await participantsOf({
      client: { system: client!, ...process },
      store: { system: store!, ...byUrl, busyTimes: 1_000_000 },
      other: { system: new SimulatedSystem(), mark: true },
    });
    const cut = await findCut(participants, LIMITS, context);
    const hold = tiesOf(cut.observations.get('store')!).find((tie) => tie.tie === 'hold');
    expect(hold).toMatchObject({ how: 'still', conditions: [] });
  });

  test('what cannot be copied once it runs again is copied while it is held', async () => {
    const [system] = systemsOf(1);
    const { participants, context } = await participantsOf({
      p: { system: system!, ...process, copies: 'before-release' },
      q: { system: new SimulatedSystem(), ...process },
    });
    const copied: [string, boolean][] = [];
    await findCut(participants, LIMITS, context, async ({ member }) => {
      copied.push([member.name, system!.locked]);
    });
    expect(copied).toEqual([['p', true]]);
  });
});

describe('a freeze that was torn', () => {
  type Tear = { readonly at: string; readonly member: number; readonly changes: boolean };
  const tears = fc.record({
    at: fc.constantFrom('mark', 'evidence'),
    member: fc.nat({ max: 2 }),
    changes: fc.boolean(),
  });

  /** Thaws one member in the middle of the first cut, as a lease that fires does; it may change then. */
  async function cutTorn({ at, member, changes }: Tear) {
    const systems = systemsOf(3);
    let torn = false;
    const tear = (call: string): void => {
      if (call !== at || torn) return;
      torn = true;
      systems[member]!.lockedUntilMs = 0;
      if (changes) systems[member]!.change();
    };
    const { participants, context } = await participantsOf(
      {
        a: { system: systems[0]!, ...process, before: tear },
        b: { system: systems[1]!, ...process },
        c: { system: systems[2]!, ...process },
      },
      testContext(),
    );
    return { systems, participants, cut: await findCut(participants, LIMITS, context) };
  }

  test('never judges sharp: the cut is made again', async () => {
    await fc.assert(
      fc.asyncProperty(tears, async (tear) => {
        const { systems, participants, cut } = await cutTorn(tear);
        expect(cut.tries).toBe(2);
        expect(cut.judgement.sharp).toBe(true);
        expect(await cutStates(participants)).toEqual(systems.map(({ state }) => state));
        expect(systems.map(({ locked }) => locked)).toEqual([false, false, false]);
      }),
      { numRuns: 60 },
    );
  });

  test('where it is torn in every try, no snapshot comes of it', async () => {
    const [system] = systemsOf(1);
    const { participants, context } = await participantsOf({
      p: {
        system: system!,
        ...process,
        before: (call) => {
          if (call === 'evidence') system!.lockedUntilMs = 0;
        },
      },
    });
    await expect(findCut(participants, LIMITS, context)).rejects.toMatchObject({
      code: 'cut.not-sharp',
      message: expect.stringContaining('still held at the end'),
    });
    expect(system!.locked).toBe(false);
  });
});
