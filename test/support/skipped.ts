import { describe, test } from '@jest/globals';

type Declare = (name: string, work: () => Promise<void>, timeoutMs?: number) => void;

/** `test` where nothing is missing; else one that is skipped and counted as such, with the reason in its name. */
export function testUnless(reason: string | undefined): Declare {
  if (reason === undefined) return (name, work, timeoutMs) => test(name, work, timeoutMs);
  return (name) => test.skip(`${name} (${reason})`, () => {});
}

/** The same for a suite. */
export function describeUnless(reason: string | undefined): (name: string, tests: () => void) => void {
  if (reason === undefined) return (name, tests) => describe(name, tests);
  return (name, tests) => describe.skip(`${name} (${reason})`, tests);
}
