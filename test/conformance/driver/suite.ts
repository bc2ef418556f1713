import { afterAll, beforeAll, describe, jest } from '@jest/globals';
import { describeUnless } from '../../support/skipped.ts';
import type { DriverAdapter, System } from './adapter.ts';
import { testDeclaration } from './declaration.ts';
import { testDisturbances } from './disturbances.ts';
import { testFidelity } from './fidelity.ts';
import { testLifecycle } from './lifecycle.ts';
import { testSafety } from './safety.ts';

/** Long enough for real servers on two busy cores. */
const TEST_MS = 300_000;

/** What a driver has to pass, by themes. */
const PARTS = {
  'declares itself': testDeclaration,
  'brings back what it captured': testFidelity,
  'can be ended at every step': testLifecycle,
  'never harms a target': testSafety,
  'is honest under what breaks naive captures': testDisturbances,
} as const;
export type Part = keyof typeof PARTS;
const ALL = Object.keys(PARTS) as Part[];

/**
 * What every driver has to pass, on a real system and under load. A driver that passes it is done. Where it takes long,
 * several files may have some parts each, and run at once.
 */
export async function describeDriver(adapter: DriverAdapter, parts: readonly Part[] = ALL): Promise<void> {
  const { name } = adapter.driver;
  jest.setTimeout(TEST_MS);
  describeUnless(await adapter.unavailable())(`the driver ${name}`, () => {
    let started: System | undefined;
    const system = (): System => {
      if (started === undefined) throw new Error('the system is not running');
      return started;
    };
    beforeAll(async () => {
      started = await adapter.start();
    }, TEST_MS);
    afterAll(async () => {
      await started?.[Symbol.asyncDispose]();
    }, TEST_MS);

    for (const part of parts) describe(part, () => PARTS[part](adapter, system));
  });
}
