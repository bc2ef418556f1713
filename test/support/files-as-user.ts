import { filesDriver } from '../../provider/drivers/files/driver.ts';
import { localHost } from '../../provider/hosts/local/host.ts';
import { testContext } from './context.ts';
import { captureQuietly, restoreAndCompare } from './files-capture.ts';

/**
 * Captures argv[2] and, if the plan finds nothing wrong, restores it to argv[3]; for tests that start it as another
 * user. Prints what was found as one JSON object.
 */
const [source = '', target = ''] = process.argv.slice(2);
const planned = await filesDriver.plan({ path: source }, localHost(), testContext());
const errors = planned.problems.filter(({ severity }) => severity === 'error');
const result: Record<string, unknown> = { plan: planned.problems.map(({ code }) => code) };
if (errors.length > 0) {
  result.messages = errors.map(({ message }) => message);
  result.copy = await captureQuietly({ path: source }).then(
    () => 'copied',
    (error: { code: string }) => error.code,
  );
} else {
  const captured = await captureQuietly({ path: source });
  result.unprovable = captured.readings.map(({ unprovable }) => unprovable ?? null);
  result.outside = captured.capture.coverage.outside.map(({ code }) => code);
  const there = await filesDriver.planRestore({ path: target }, localHost(), captured.member, testContext());
  result.planRestore = there.problems.map(({ code }) => code);
  if (there.problems.length === 0) result.compared = await restoreAndCompare({ path: target }, captured);
}
console.log(JSON.stringify(result));
