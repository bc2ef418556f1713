import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { chmod, mkdtemp, readdir, readFile, readlink, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';
import pg from 'pg';
import { findPulumi } from '../../scripts/engines/pulumi.ts';
import { findTool } from '../../scripts/setup/tools.ts';
import { labOrReason } from '../support/lab.ts';

const ROOT = join(import.meta.dirname, '../..');
const RUN_MS = 240_000;

let temporary: string;

beforeEach(async () => {
  temporary = await mkdtemp(join(tmpdir(), 'stasis-demo-test-'));
  // The demo's servers run as another user.
  await chmod(temporary, 0o755);
});

afterEach(async () => {
  await rm(temporary, { recursive: true, force: true });
});

interface Demo {
  readonly child: ChildProcess;
  readonly stderr: () => string;
  readonly ended: Promise<{ readonly status: number | null; readonly stdout: string }>;
}

/** As `npm run demo` does it, with everything temporary below a folder of the test's own. */
function startDemo(...args: string[]): Demo {
  const child = spawn('sh', ['scripts/with-node.sh', 'scripts/demo.ts', ...args], {
    cwd: ROOT,
    env: { ...process.env, TMPDIR: temporary },
    stdio: ['ignore', 'pipe', 'pipe'],
    detached: true,
  });
  let [stdout, stderr] = ['', ''];
  child.stdout.on('data', (chunk: Buffer) => {
    stdout += chunk.toString();
  });
  child.stderr.on('data', (chunk: Buffer) => {
    stderr += chunk.toString();
  });
  const ended = once(child, 'close').then(([status]) => ({ status, stdout }));
  return { child, stderr: () => stderr, ended };
}

/** Processes whose working folder lies below the test's: the demo's servers among them. */
async function processesBelow(folder: string): Promise<string[]> {
  const pids = (await readdir('/proc')).filter((name) => /^\d+$/.test(name));
  const folders = await Promise.all(pids.map((pid) => readlink(`/proc/${pid}/cwd`).catch(() => '')));
  return pids.filter((_, index) => folders[index]!.startsWith(`${folder}/`));
}

async function expectNothingLeft(): Promise<void> {
  expect(await processesBelow(temporary)).toEqual([]);
  expect(await readdir(temporary)).toEqual([]);
}

/** With `--keep` both sides answer until Ctrl-C. */
async function expectKeptUntilInterrupted(demo: Demo): Promise<void> {
  await saying(demo, 'Ctrl-C ends both');
  const urls = [...demo.stderr().matchAll(/psql (postgres:\S+)/g)].map((match) => match[1]!);
  expect(urls).toHaveLength(2);
  const [, report = ''] = /^ {2}report +(\S+)$/m.exec(demo.stderr()) ?? [];
  expect(await readFile(report, 'utf8')).toContain('Is the restored application the same?');
  for (const connectionString of urls) {
    const client = new pg.Client({ connectionString });
    await client.connect();
    const { rows } = await client.query('SELECT count(*)::int AS orders FROM orders');
    await client.end();
    expect(rows[0].orders).toBeGreaterThanOrEqual(200);
  }
  interrupt(demo);
}

/** Resolves when the demo has said this. @throws Error when it ends without. */
async function saying(demo: Demo, text: string): Promise<void> {
  let ended = false;
  void demo.ended.then(() => {
    ended = true;
  });
  while (!demo.stderr().includes(text)) {
    if (ended) throw new Error(`the demo ended without saying "${text}":\n${demo.stderr()}`);
    await sleep(50);
  }
}

/** As Ctrl-C in its terminal does. */
function interrupt(demo: Demo): void {
  process.kill(-demo.child.pid!, 'SIGINT');
}

/** Customers are logged in still, and the job goes on; or it is said why there was nobody to remember either. */
function expectMemory(memory: Record<string, unknown>): void {
  if (lab.reason !== undefined) {
    expect(memory).toEqual({ reason: lab.reason });
    return;
  }
  expect(memory).toMatchObject({ faults: [], stillLoggedIn: memory.loggedIn, stepsInAll: 1_000_000 });
  expect(memory.loggedIn).toBeGreaterThan(100);
  expect(memory.stepAtCut).toBeGreaterThan(0);
  expect(memory.stepNow).toBeGreaterThan(Number(memory.stepAtCut));
  expect(memory.awayMs).toBeGreaterThan(0);
}

const lab = await labOrReason();
const engines = ['terraform', 'tofu', 'pulumi', 'stasis'] as const;
const missing = new Map<string, string>();
for (const engine of engines) {
  if (engine === 'stasis') continue;
  const tool = await (engine === 'pulumi' ? findPulumi('yaml') : findTool(engine));
  if (typeof tool !== 'string' && 'reason' in tool) missing.set(engine, tool.reason);
}

describe('the demo', () => {
  for (const engine of engines) {
    const reason = missing.get(engine);
    const run = reason === undefined ? test : test.skip;
    run(
      `with ${engine} photographs a shop that sells, and its twin is the same${reason ? ` (${reason})` : ''}`,
      async () => {
        const demo = startDemo('--json', '--engine', engine, ...(engine === 'stasis' ? ['--keep'] : []));
        if (engine === 'stasis') await expectKeptUntilInterrupted(demo);
        const { status, stdout } = await demo.ended;
        if (status !== 0) throw new Error(`the demo ended with ${status}:\n${demo.stderr()}`);
        const result = JSON.parse(stdout.trim().split('\n').at(-1)!);
        expect(result).toMatchObject({
          engine,
          sharp: true,
          blurMs: 0,
          verdict: 'equivalent',
          secondPlanEmpty: engine === 'stasis' ? null : true,
          consistent: true,
          faults: [],
          reference: expect.stringMatching(/^shop@sha256:[0-9a-f]{64}$/),
        });
        for (const figure of ['sizeBytes', 'storedBytes', 'pauseMs', 'restoreMs', 'orders'])
          expect(result[figure]).toBeGreaterThan(0);
        expect(demo.stderr()).toContain('one instant');
        expectMemory(result.memory);
        // The example with machines asks for warm caches.
        if (!('reason' in result.memory)) expect(result.warmth.orders.warmedBytes).toBeGreaterThan(0);
        await expectNothingLeft();
      },
      RUN_MS,
    );
  }

  test(
    'ends what it started when it is interrupted in the middle',
    async () => {
      const demo = startDemo('--engine', 'stasis');
      demo.child.stderr!.on('data', () => {
        if (demo.stderr().includes('photographing')) process.kill(-demo.child.pid!, 'SIGINT');
      });
      const { status } = await demo.ended;
      expect({ status, said: demo.stderr() }).toMatchObject({ status: 130 });
      await expectNothingLeft();
    },
    RUN_MS,
  );

  test(
    'refuses an engine that is none',
    async () => {
      const demo = startDemo('--engine', 'chef');
      const { status } = await demo.ended;
      expect(status).toBe(1);
      expect(demo.stderr()).toContain('there is no engine "chef"');
    },
    RUN_MS,
  );
});
