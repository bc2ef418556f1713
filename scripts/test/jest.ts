import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { say } from '../setup/say.ts';
import { type DurationsMs, durationsOf, type TimedFile } from './durations.ts';
import type { TestResult } from './matrix.ts';

const ROOT = join(import.meta.dirname, '../..');

export interface Tally {
  readonly passed: number;
  readonly failed: number;
  readonly skipped: number;
  /** Full names of what was skipped; a name carries the reason. */
  readonly skippedNames: readonly string[];
  /** Every test with how it ended. */
  readonly tests: readonly TestResult[];
  /** Of the first run of each file, among others. */
  readonly durations: DurationsMs;
}

/** What we read of jest's report. */
export interface JestReport {
  readonly numPassedTests: number;
  readonly numFailedTests: number;
  readonly numPendingTests: number;
  /** Files that could not even be loaded: no test of theirs is counted. */
  readonly numRuntimeErrorTestSuites: number;
  readonly testResults: readonly (TimedFile & {
    readonly status: string;
    readonly assertionResults: readonly (TestResult & { readonly fullName: string })[];
  })[];
}

export function tallyOf(report: JestReport): Tally {
  const all = report.testResults.flatMap((file) => file.assertionResults);
  return {
    passed: report.numPassedTests,
    failed: report.numFailedTests + report.numRuntimeErrorTestSuites,
    skipped: report.numPendingTests,
    skippedNames: all.filter((test) => test.status === 'pending').map((test) => test.fullName),
    tests: all,
    durations: durationsOf(report.testResults),
  };
}

/** More failing files than this are no matter of company: they are not tried again. */
const MOST_AGAIN = 8;

/**
 * Runs jest with these further arguments, its output going to ours. What failed is run once more, alone: the tests run
 * real servers two at a time, and the machines are shared. What passes then is named as unsteady, never silently.
 */
export async function runJest(args: readonly string[]): Promise<Tally> {
  const first = await runOnce(args);
  if (first === undefined)
    return { passed: 0, failed: 1, skipped: 0, skippedNames: [], tests: [], durations: {} };
  const failing = first.report.testResults
    .filter((file) => file.status === 'failed')
    .map((file) => file.name);
  if (failing.length === 0 || failing.length > MOST_AGAIN) return outcomeOf(first);
  say(`${failing.length} files failed; running them once more, alone`);
  const again = await runOnce(['--runInBand', '--runTestsByPath', ...failing]);
  if (again === undefined) return outcomeOf(first);
  for (const name of unsteady(first.report, again.report))
    say(`unsteady: failed among others, passed alone: ${name}`);
  const others = outcomeOf({ ...first, report: without(first.report, failing), status: 0 });
  return { ...together(others, outcomeOf(again)), durations: durationsOf(first.report.testResults) };
}

interface Run {
  readonly report: JestReport;
  readonly status: unknown;
}

/** Whatever else made jest fail (an open handle that it was told to refuse, a coverage bound) is a failure too. */
function outcomeOf({ report, status }: Run): Tally {
  const tally = tallyOf(report);
  return status !== 0 && tally.failed === 0 ? { ...tally, failed: 1 } : tally;
}

export function unsteady(first: JestReport, again: JestReport): string[] {
  const failed = new Set(namesOf(first, 'failed'));
  return namesOf(again, 'passed').filter((name) => failed.has(name));
}

function namesOf(report: JestReport, status: string): string[] {
  return report.testResults.flatMap((file) =>
    file.assertionResults
      .filter((one) => one.status === status)
      .map((one) => `${file.name}: ${one.fullName}`),
  );
}

/** The report without these files: they are counted by their second run. */
export function without(report: JestReport, files: readonly string[]): JestReport {
  const testResults = report.testResults.filter((file) => !files.includes(file.name));
  const count = (status: string): number =>
    testResults.flatMap((file) => file.assertionResults).filter((one) => one.status === status).length;
  return {
    numPassedTests: count('passed'),
    numFailedTests: count('failed'),
    numPendingTests: count('pending'),
    numRuntimeErrorTestSuites: 0,
    testResults,
  };
}

function together(a: Tally, b: Tally): Omit<Tally, 'durations'> {
  return {
    passed: a.passed + b.passed,
    failed: a.failed + b.failed,
    skipped: a.skipped + b.skipped,
    skippedNames: [...a.skippedNames, ...b.skippedNames],
    tests: [...a.tests, ...b.tests],
  };
}

const SIGNALS = ['SIGINT', 'SIGTERM', 'SIGHUP'] as const;

/** Whoever ends us means jest as well, which would go on by itself otherwise. */
export async function endOf(child: ChildProcess): Promise<unknown> {
  const passOn = (signal: NodeJS.Signals): void => void child.kill(signal);
  for (const signal of SIGNALS) process.on(signal, passOn);
  try {
    const [status] = await once(child, 'close');
    return status;
  } finally {
    for (const signal of SIGNALS) process.off(signal, passOn);
  }
}

async function runOnce(args: readonly string[]): Promise<Run | undefined> {
  const folder = await mkdtemp(join(tmpdir(), 'stasis-test-'));
  const file = join(folder, 'report.json');
  try {
    const child = spawn(
      process.execPath,
      [
        ...['--disable-warning=ExperimentalWarning', '--experimental-vm-modules'],
        ...[join(ROOT, 'node_modules/jest/bin/jest.js'), '--json', '--outputFile', file, ...args],
      ],
      { cwd: ROOT, stdio: ['ignore', 'ignore', 'inherit'] },
    );
    const status = await endOf(child);
    const text = await readFile(file, 'utf8').catch(() => undefined);
    return text === undefined ? undefined : { report: JSON.parse(text), status };
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}
