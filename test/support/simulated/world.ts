import { expect } from '@jest/globals';
import type { Member, Participant } from '../../../provider/coordinator/member.ts';
import { localHost } from '../../../provider/hosts/local/host.ts';
import { testContext } from '../context.ts';
import { type SimulatedPowers, type SimulatedSystem, simulatedDriver } from './driver.ts';

let stop: () => void = () => {};

export function stopWorld(): void {
  stop();
}

/** Advances the systems one after another, all by one in each round, so that a torn cut shows as states that differ by more than one round. */
export function startWorld(systems: readonly SimulatedSystem[], restTurns: number): void {
  let running = true;
  stop = () => {
    running = false;
  };
  void (async () => {
    while (running) {
      for (const system of systems) {
        while (running && !system.change()) await new Promise((resolve) => setImmediate(resolve));
        await new Promise((resolve) => setImmediate(resolve));
      }
      for (let turn = 0; turn < restTurns; turn += 1) await new Promise((resolve) => setImmediate(resolve));
    }
  })();
}

export async function participantsOf(
  powers: Readonly<Record<string, SimulatedPowers>>,
  context = testContext(),
): Promise<{ participants: Participant[]; context: typeof context }> {
  const participants: Participant[] = [];
  for (const [name, own] of Object.entries(powers)) {
    const driver = simulatedDriver(own);
    const member: Member = { name, driver, spec: { place: name }, host: localHost() };
    participants.push({ member, session: await driver.prepare(member.spec, member.host, context) });
  }
  return { participants, context };
}

export async function cutStates(participants: readonly Participant[]): Promise<number[]> {
  return Promise.all(
    participants.map(async ({ session }) => {
      const marked = session as unknown as { marked?: number };
      return marked.marked!;
    }),
  );
}

/** In a world that advances the systems in order, states of one instant are those of one round: never rising, and apart by one at most. */
export function expectOneInstant(states: readonly number[]): void {
  const sorted = [...states].sort((a, b) => b - a);
  expect(states).toEqual(sorted);
  expect(states[0]! - states.at(-1)!).toBeLessThanOrEqual(1);
}
