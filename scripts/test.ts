import { bundle } from './build/bundle.ts';
import { ensureNeeds, NEEDS } from './setup/needs.ts';
import { say } from './setup/say.ts';
import { recordDurations, slowestOf } from './test/durations.ts';
import { runJest } from './test/jest.ts';
import { matrixOf } from './test/matrix.ts';
import { passes, STATIC_CHECKS } from './test/static-checks.ts';

/**
 * `npm test`: sets up what the tests need, then runs them all. Arguments go to jest (`npm test -- provider/core`),
 * and the checks of the whole tree then stay out. The last line is `N passed, N failed, N skipped`.
 */
const args = process.argv.slice(2);

/** How many files are named at the end. */
const SLOWEST = 10;

for (const { reason } of await ensureNeeds(NEEDS.test)) say(`${reason}; tests that need it are skipped`);

const checks = args.length > 0 ? [] : STATIC_CHECKS;
const failedChecks: string[] = [];
for (const check of checks) {
  say(`checking ${check.name}`);
  if (!(await passes(check))) failedChecks.push(check.name);
}
try {
  await bundle();
} catch (error) {
  say(`the build failed: ${error instanceof Error ? error.message : error}`);
  failedChecks.push('build');
}
const tally = await runJest(args);
// A file of which only some tests ran would look like a short one.
if (!args.some((arg) => /^(-t|--testNamePattern)/.test(arg))) await recordDurations(tally.durations);
const matrix = matrixOf(tally.tests);
if (matrix) process.stdout.write(`\n${matrix.text}\n`);

for (const line of slowestOf(tally.durations, SLOWEST)) say(`slowest: ${line}`);
for (const name of tally.skippedNames) say(`skipped: ${name}`);
for (const name of failedChecks) say(`failed: ${name}`);
const passed = tally.passed + checks.filter((check) => !failedChecks.includes(check.name)).length;
const failed = tally.failed + failedChecks.length + (matrix?.missing ?? 0);
process.exitCode = failed > 0 || tally.passed === 0 ? 1 : 0;
process.stdout.write(`${passed} passed, ${failed} failed, ${tally.skipped} skipped\n`);
