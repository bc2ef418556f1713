import { spawn } from 'node:child_process';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { describe, expect, test } from '@jest/globals';
import { tallyOf, unsteady, without } from './jest.ts';

const assertion = (status: string, fullName: string) => ({
  ...{ status, fullName, title: fullName },
  ancestorTitles: [],
});

describe('the tally of a run', () => {
  test('counts a file that cannot be loaded as a failure', () => {
    const report = { numPassedTests: 3, numFailedTests: 1, numPendingTests: 0, numRuntimeErrorTestSuites: 2 };
    expect(tallyOf({ ...report, testResults: [] })).toMatchObject({ passed: 3, failed: 3, skipped: 0 });
  });

  test('names what was skipped', () => {
    const testResults = [
      {
        ...{ name: 'x.test.ts', startTime: 1, endTime: 2 },
        status: 'passed',
        assertionResults: [assertion('passed', 'a works'), assertion('pending', 'b (no tofu)')],
      },
    ];
    const report = { numPassedTests: 1, numFailedTests: 0, numPendingTests: 1, numRuntimeErrorTestSuites: 0 };
    expect(tallyOf({ ...report, testResults }).skippedNames).toEqual(['b (no tofu)']);
  });

  test('a file that is run again is counted by its second run, and what passes then is named', () => {
    const file = (name: string, ...statuses: string[]) => ({
      ...{ name, startTime: 1, endTime: 2 },
      status: statuses.includes('failed') ? 'failed' : 'passed',
      assertionResults: statuses.map((status, index) => assertion(status, `test ${index}`)),
    });
    const reportOf = (...testResults: ReturnType<typeof file>[]) => ({
      numPassedTests: 0,
      numFailedTests: 0,
      numPendingTests: 0,
      numRuntimeErrorTestSuites: 1,
      testResults,
    });
    const first = reportOf(file('a', 'passed', 'failed'), file('b', 'passed', 'pending'));
    expect(tallyOf(without(first, ['a']))).toMatchObject({ passed: 1, failed: 0, skipped: 1 });
    expect(unsteady(first, reportOf(file('a', 'passed', 'passed')))).toEqual(['a: test 1']);
    expect(unsteady(first, reportOf(file('a', 'passed', 'failed')))).toEqual([]);
  });
});

test('whoever ends the run ends what it has started', async () => {
  const program = `import { spawn } from 'node:child_process';
    import { endOf } from ${JSON.stringify(join(import.meta.dirname, 'jest.ts'))};
    const child = spawn('sleep', ['60'], { stdio: 'ignore' });
    const ending = endOf(child);
    console.log(child.pid);
    await ending;
    console.log('ended');`;
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) {
    const run = spawn(process.execPath, ['--input-type=module', '-e', program], {
      stdio: ['ignore', 'pipe', 'inherit'],
    });
    const said = createInterface({ input: run.stdout })[Symbol.asyncIterator]();
    const pid = Number((await said.next()).value);
    run.kill(signal);
    expect((await said.next()).value).toBe('ended');
    expect(() => process.kill(pid, 0)).toThrow('ESRCH');
  }
});
