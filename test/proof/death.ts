import { fork } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import pg from 'pg';
import { testContext } from '../support/context.ts';
import { startPostgres } from '../support/postgres-server.ts';
import { startRedis } from '../support/redis-server.ts';
import { type Application, keepBusy, startApplication } from './application.ts';
import type { DeathOrder } from './death-child.ts';
import { isChosen, type Proof, type ProofCase, type ProofOptions } from './proof.ts';

const RUNS_A_STEP = 5;
const MAX_PAUSE_MS = 1_000;
/** The lease runs three seconds longer than the pause allowed; the rest is for a busy machine. */
const LEASE_MS = MAX_PAUSE_MS + 3_000;
const SLACK_MS = 3_000;

const CAPTURE_STEPS = [
  'progress:plan',
  'progress:prepare',
  'epoch',
  'frozen',
  'before-mark',
  'marked',
  'evidence',
  'copy',
  'progress:fingerprint',
  'progress:seal',
];
const RESTORE_STEPS = ['progress:verify', 'journaled', 'loaded', 'before-release', 'released'];

/** Our process is killed by -9 at every step: members go on, nothing is half there, the next run converges. */
export const deathProof: Proof = {
  name: 'death',
  claim:
    'killed at any step, members run again within the lease, no snapshot appears, nothing is lost, the next run converges',
  async run(options) {
    await using application = await startApplication();
    const complaints: string[] = [];
    const cases: ProofCase[] = [];
    const runs = options.runs ?? (options.short ? 1 : RUNS_A_STEP);
    for (const step of CAPTURE_STEPS)
      cases.push(
        ...(await repeat(`capture killed at ${step}`, runs, options, complaints, () =>
          dieInCapture(application, step),
        )),
      );
    for (const step of RESTORE_STEPS)
      cases.push(
        ...(await repeat(`restore killed at ${step}`, runs, options, complaints, () =>
          dieInRestore(application, step),
        )),
      );
    return {
      name: 'death',
      runs: cases.reduce((sum, one) => sum + one.runs, 0),
      failures: cases.reduce((sum, one) => sum + one.failures, 0),
      figures: { steps: cases.length },
      complaints,
      cases,
    };
  },
};

async function repeat(
  name: string,
  runs: number,
  options: ProofOptions,
  complaints: string[],
  once: () => Promise<string[]>,
): Promise<ProofCase[]> {
  if (!isChosen(name, options)) return [];
  let failures = 0;
  let done = 0;
  for (; done < runs && !options.signal.aborted; done += 1) {
    const faults = await once();
    options.say(`${name}: ${faults.length === 0 ? 'all went on' : faults.join('; ')}`);
    if (faults.length === 0) continue;
    failures += 1;
    complaints.push(`${name}: ${faults.join('; ')}`);
  }
  return [{ name, runs: done, failures, outcome: `${done - failures} went on and converged` }];
}

const specsOf = (application: Application): DeathOrder['members'] => ({
  a: ['postgres', { url: application.a.url() }],
  b: ['postgres', { url: application.b.url() }],
  redis: ['redis', { url: application.redis.url }],
  folder: ['files', { path: application.folder }],
});

async function dieInCapture(application: Application, step: string): Promise<string[]> {
  const faults: string[] = [];
  const order: DeathOrder = {
    work: 'capture',
    step,
    storeFolder: application.storeFolder,
    members: specsOf(application),
    maxPauseMs: MAX_PAUSE_MS,
  };
  const before = await generations(application);
  // Nothing is quiet in this application while the capture runs, so that it has to take the lock.
  const restless = keepBusy(application);
  try {
    if (!(await killAt(order))) faults.push('the step was never reached');
    faults.push(...(await goesOn(application)));
  } finally {
    await restless[Symbol.asyncDispose]();
  }
  if ((await generations(application)) !== before) faults.push('a snapshot appeared');
  if (!(await finishes({ ...order, step: 'none' }))) faults.push('the next capture failed');
  if ((await generations(application)) !== before + 1) faults.push('the next capture made no snapshot');
  return faults;
}

async function generations(application: Application): Promise<number> {
  const store = await application.openStore(testContext());
  return (await store.name('shop'))?.generations.length ?? 0;
}

/** Everything accepts writes again within the lease, and no session, lock or replica of ours is left. */
async function goesOn(application: Application): Promise<string[]> {
  const faults: string[] = [];
  const deadline = AbortSignal.timeout(LEASE_MS + SLACK_MS);
  const written = application.redis.cli('SET', 'after-death', 'x');
  const answered = await Promise.race([written.then(() => true), once(deadline, 'abort').then(() => false)]);
  if (!answered) faults.push('Redis does not take writes');
  await application
    .query(
      'a',
      "SET statement_timeout = '5s'; ALTER TABLE entries ADD COLUMN IF NOT EXISTS probe int; ALTER TABLE entries DROP COLUMN probe; RESET statement_timeout",
    )
    .catch((error: Error) => faults.push(`Postgres is still locked: ${error.message}`));
  const replicas = await application.redis.cli('CLIENT', 'LIST', 'TYPE', 'replica');
  if (replicas.trim() !== '') faults.push('a replica connection of ours is left');
  return faults;
}

async function dieInRestore(application: Application, step: string): Promise<string[]> {
  const faults: string[] = [];
  await using resources = new AsyncDisposableStack();
  const [a, b, redis] = await Promise.all([startPostgres(), startPostgres(), startRedis()]);
  resources.defer(async () => {
    await Promise.all([a.stop(), b.stop(), redis.stop()]);
  });
  const folder = await mkdtemp(join(tmpdir(), 'stasis-death-'));
  resources.defer(() => rm(folder, { recursive: true, force: true }));
  const client = new pg.Client({ connectionString: a.url() });
  await client.connect();
  await client.query("CREATE TABLE precious (note text); INSERT INTO precious VALUES ('was here')");
  await client.end();
  const order: DeathOrder = {
    work: 'restore',
    step,
    storeFolder: application.storeFolder,
    members: {
      a: ['postgres', { url: a.url() }],
      b: ['postgres', { url: b.url() }],
      redis: ['redis', { url: redis.url }],
      folder: ['files', { path: join(folder, 'twin') }],
    },
    maxPauseMs: MAX_PAUSE_MS,
  };
  if (!(await killAt(order))) faults.push('the step was never reached');
  if (step !== 'released' && !(await holdsPrecious(a.url()))) faults.push('what the target held is lost');
  if (!(await finishes({ ...order, step: 'none' }))) faults.push('the next restore failed');
  if (await holdsPrecious(a.url())) faults.push('the next restore did not replace the target');
  faults.push(...(await leftovers(a.url())));
  return faults;
}

async function holdsPrecious(url: string): Promise<boolean> {
  const client = new pg.Client({ connectionString: url });
  await client.connect();
  try {
    const { rows } = await client.query("SELECT to_regclass('precious') IS NOT NULL AS there");
    return rows[0].there;
  } finally {
    await client.end();
  }
}

/** Databases of ours beside the target's. */
async function leftovers(url: string): Promise<string[]> {
  const client = new pg.Client({ connectionString: url });
  await client.connect();
  try {
    const { rows } = await client.query(
      "SELECT datname FROM pg_database WHERE datname NOT IN ('postgres', 'template0', 'template1')",
    );
    return rows.map(({ datname }) => `the database ${datname} is left`);
  } finally {
    await client.end();
  }
}

function startChild(order: DeathOrder) {
  return fork(join(import.meta.dirname, 'death-child.ts'), [], {
    env: { PATH: process.env.PATH, HOME: process.env.HOME, DEATH_ORDER: JSON.stringify(order) },
    execArgv: ['--disable-warning=ExperimentalWarning'],
    stdio: ['ignore', 'ignore', 'pipe', 'ipc'],
  });
}

/** Whether the step was reached; the child is dead afterwards. */
async function killAt(order: DeathOrder): Promise<boolean> {
  const child = startChild(order);
  const exited = once(child, 'exit');
  const reached = new Promise<boolean>((resolve) => {
    child.on('message', (message: { reached: string }) => {
      if (message.reached === order.step) resolve(true);
    });
    void exited.then(() => resolve(false));
  });
  const result = await Promise.race([reached, sleep(60_000, false, { ref: false })]);
  child.kill('SIGKILL');
  await exited;
  return result;
}

async function finishes(order: DeathOrder): Promise<boolean> {
  const child = startChild(order);
  const errors: Buffer[] = [];
  child.stderr?.on('data', (chunk: Buffer) => errors.push(chunk));
  const timer = setTimeout(() => child.kill('SIGKILL'), 120_000);
  const [code] = (await once(child, 'exit')) as [number | null];
  clearTimeout(timer);
  if (code !== 0) process.stderr.write(Buffer.concat(errors));
  return code === 0;
}
