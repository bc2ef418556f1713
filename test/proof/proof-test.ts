import { expect } from '@jest/globals';
import { testUnless } from '../support/skipped.ts';
import type { Proof } from './proof.ts';

/** A short form takes minutes where others keep the machine busy. */
const SHORT_MS = 40 * 60_000;

/** The short form of a proof as a test: what failed is named. Skipped, with the reason, where something is missing. */
export function proofTest(proof: Proof, missing?: string): void {
  testUnless(missing)(
    proof.claim,
    async () => {
      const said: string[] = [];
      const result = await proof.run({
        short: true,
        say: (line) => said.push(line),
        signal: new AbortController().signal,
      });
      expect({ complaints: result.complaints, said: result.failures > 0 ? said : [] }).toEqual({
        complaints: [],
        said: [],
      });
      expect(result.runs).toBeGreaterThan(0);
      expect(result.failures).toBe(0);
    },
    SHORT_MS,
  );
}
