import { chmod, mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { bundle } from './build/bundle.ts';
import { aborted, Interrupted, interruptSignal } from './demo/interrupt.ts';
import { parseOptions, USAGE } from './demo/options.ts';
import { writeDemoReport } from './demo/picture.ts';
import { type DemoResult, runDemo } from './demo/run-demo.ts';
import { drawKept, drawScreen } from './demo/screen.ts';
import { ensureNeeds, NEEDS } from './setup/needs.ts';
import { say } from './setup/say.ts';

/**
 * `npm run demo`: a small shop that sells is photographed by a real `terraform apply` and brought back to life on other
 * servers. Sets up what it needs first; ends all that it started, also on Ctrl-C.
 */
async function main(): Promise<void> {
  const options = parseOptions(process.argv.slice(2));
  const signal = interruptSignal();
  const [missing] = await ensureNeeds(NEEDS.demo);
  if (missing) throw new Error(missing.reason);
  await bundle();
  const folder = await mkdtemp(join(tmpdir(), 'stasis-demo-'));
  try {
    // Servers run as another user, and reach their own folders only.
    await chmod(folder, 0o755);
    await runDemo(options, folder, signal, async (result, sides) => {
      const screen = options.json ? process.stderr : process.stdout;
      screen.write(
        drawScreen(result, { columns: screen.columns, color: screen.isTTY && screen.hasColors() }),
      );
      const report = options.report ?? (options.keep ? join(folder, 'report.html') : undefined);
      if (report !== undefined) {
        await writeDemoReport(report, folder, result.applied, signal);
        screen.write(`  report      ${report}\n`);
      }
      if (options.json) process.stdout.write(`${JSON.stringify(jsonOf(result))}\n`);
      if (!succeeded(result)) process.exitCode = 1;
      if (!options.keep) return;
      screen.write(drawKept(sides.shop.stores, sides.twin.stores));
      await aborted(signal);
    });
  } finally {
    await rm(folder, { recursive: true, force: true, maxRetries: 5 });
  }
}

function succeeded({ applied, audit, secondPlanEmpty, memory }: DemoResult): boolean {
  const same = applied.verdict === 'identical' || applied.verdict === 'equivalent';
  const remembered = 'reason' in memory || memory.faults.length === 0;
  return same && applied.sharp && audit.consistent && remembered && secondPlanEmpty !== false;
}

function jsonOf({ engine, applied, audit, shop, secondPlanEmpty, memory }: DemoResult) {
  return {
    engine,
    ...applied,
    secondPlanEmpty,
    consistent: audit.consistent,
    faults: audit.faults,
    orders: audit.orders,
    slowestOrderMs: shop.slowestMs,
    memory,
  };
}

try {
  await main();
} catch (error) {
  const interrupted = error instanceof Interrupted;
  say(error instanceof Error ? error.message : String(error));
  if (error instanceof TypeError && 'code' in error) say(USAGE);
  process.exitCode = interrupted ? 130 : 1;
}
// A library's idle timer or socket must not keep us: all that was started has ended.
process.exit();
