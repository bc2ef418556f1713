import { test } from '@jest/globals';

type Declare = (name: string, work: () => Promise<void>, timeoutMs?: number) => void;

/** `test` where nothing is missing; else one that is skipped and counted as such, with the reason in its name. */
export function testUnless(reason: string | undefined): Declare {
  if (reason === undefined) return (name, work, timeoutMs) => test(name, work, timeoutMs);
  return (name) => test.skip(`${name} (${reason})`, () => {});
}
