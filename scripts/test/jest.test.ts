import { describe, expect, test } from '@jest/globals';
import { tallyOf } from './jest.ts';

const assertion = (status: string, fullName: string) => ({ status, fullName });

describe('the tally of a run', () => {
  test('counts a file that cannot be loaded as a failure', () => {
    const report = { numPassedTests: 3, numFailedTests: 1, numPendingTests: 0, numRuntimeErrorTestSuites: 2 };
    expect(tallyOf({ ...report, testResults: [] })).toMatchObject({ passed: 3, failed: 3, skipped: 0 });
  });

  test('names what was skipped', () => {
    const testResults = [
      { assertionResults: [assertion('passed', 'a works'), assertion('pending', 'b (no tofu)')] },
    ];
    const report = { numPassedTests: 1, numFailedTests: 0, numPendingTests: 1, numRuntimeErrorTestSuites: 0 };
    expect(tallyOf({ ...report, testResults }).skippedNames).toEqual(['b (no tofu)']);
  });
});
