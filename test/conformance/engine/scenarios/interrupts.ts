import { spawn } from 'node:child_process';
import { setTimeout as delay } from 'node:timers/promises';
import { expect } from '@jest/globals';
import { createClient } from '@redis/client';
import { eventually, isAlive } from '../../../e2e/terraform/workspace.ts';
import { processesBelow } from '../../../support/processes.ts';
import type { RedisServer } from '../../../support/redis-server.ts';
import type { Desk, Place } from '../desk.ts';
import { PAUSE } from '../gate.ts';
import type { Scenario } from '../suite.ts';
import { type ScenarioName, whyImpossible } from '../table.ts';
import type { Run } from '../way.ts';

/** The lease is what is allowed and three seconds: by it alone a member would be held for more than a minute. */
const LONG_PAUSE_MS = 60_000;
/** Where the lease is what has to let it go. */
const SHORT_PAUSE_MS = 2_000;
const LET_GO_MS = 15_000;
/** Between two presses of Ctrl-C, while it lets go. */
const SECOND_PRESS_MS = 200;

/** What the user reads who pressed once, and waits. */
const INTERRUPTED = /interrupted/i;

type Act = (run: Run, providers: readonly number[]) => Promise<void>;

export const INTERRUPTS = {
  async 'cancelled once in freeze'(desk) {
    expect(await inFreeze(desk, LONG_PAUSE_MS, (run) => press(run, 1))).toMatch(INTERRUPTED);
  },
  async 'cancelled twice in freeze'(desk) {
    await inFreeze(desk, LONG_PAUSE_MS, (run) => press(run, 2));
  },
  async 'cancelled once in copy'(desk) {
    expect(await inCopy(desk, (run) => press(run, 1))).toMatch(INTERRUPTED);
  },
  async 'cancelled twice in copy'(desk) {
    await inCopy(desk, (run) => press(run, 2));
  },
  // The provider notices that its engine is gone, and lets go before any lease ends.
  async 'engine killed by -9'(desk) {
    const maxPauseMs = isOneProcess(desk) ? SHORT_PAUSE_MS : LONG_PAUSE_MS;
    let others: readonly number[] = [];
    try {
      await inFreeze(desk, maxPauseMs, async ({ pid }, providers) => {
        others = [...(await processesBelow(pid)).keys()].filter((below) => !providers.includes(below));
        process.kill(pid, 'SIGKILL');
      });
    } finally {
      // Pulumi's host of a language may outlive its engine.
      for (const pid of others) if (await isAlive(pid)) process.kill(pid, 'SIGKILL');
    }
  },
  async 'provider killed by -9'(desk) {
    await inFreeze(desk, SHORT_PAUSE_MS, async (_run, providers) => {
      for (const pid of providers) process.kill(pid, 'SIGKILL');
    });
  },
} satisfies Partial<Record<ScenarioName, Scenario>>;

function isOneProcess({ way }: Desk): boolean {
  return whyImpossible(way, 'provider killed by -9') !== undefined;
}

async function press(run: Run, times: number): Promise<void> {
  for (let time = 0; time < times; time += 1) {
    if (time > 0) await delay(SECOND_PRESS_MS);
    run.interrupt();
  }
}

/** Acts while both servers are paused, one of which has not answered yet. */
async function inFreeze(desk: Desk, maxPauseMs: number, act: Act): Promise<string> {
  const place = await desk.fresh();
  const { gate, carts, gated } = desk.servers;
  const members = {
    carts: { redis: { url: { secret: 'carts' } } },
    gated: { redis: { url: { secret: 'gated' } } },
  };
  await desk.project.write({ resources: [place.snapshot({ members, maxPauseMs })] });
  await using writer = await connected(carts.url);
  await using reader = await connected(carts.url);
  // A server that nobody writes to is seen to be still, and is paused by nobody.
  using _traffic = trafficOn([carts, gated]);
  gate.arm(PAUSE);
  const run = await desk.project.start('apply');
  let providers: readonly number[] = [];
  try {
    await Promise.race([gate.reached(), endedTooSoon(run)]);
    const { write } = await heldWrite(writer, reader);
    providers = await providersOf(desk, run);
    await act(run, providers);
    await within(LET_GO_MS, 'the server is let go', write);
  } finally {
    gate.open();
  }
  return expectConverges(desk, place, run, providers);
}

/** Writes to each about a thousand times a second, from processes of their own, until it is disposed of. */
function trafficOn(servers: readonly RedisServer[]): Disposable {
  const clients = servers.map(({ port, password }) =>
    spawn('redis-cli', ['-p', String(port), '-r', '-1', '-i', '0.001', 'INCR', 'traffic'], {
      stdio: 'ignore',
      env: { ...process.env, ...(password === undefined ? {} : { REDISCLI_AUTH: password }) },
    }),
  );
  return { [Symbol.dispose]: () => clients.forEach((client) => void client.kill('SIGKILL')) };
}

/** A write that waits although its server answers: the server is paused. */
async function heldWrite(writer: Client, reader: Client): Promise<{ readonly write: Promise<unknown> }> {
  for (let tries = 0; tries < 500; tries += 1) {
    const write = writer.client.set('probe', String(tries));
    const waits = await Promise.race([write.then(() => false), delay(50, true)]);
    if (!waits) continue;
    await reader.client.ping();
    return { write };
  }
  throw new Error('the server was never paused');
}

/** Acts while the orders are being copied. */
async function inCopy(desk: Desk, act: Act): Promise<string> {
  const place = await desk.fresh();
  const { dump } = desk.servers;
  const members = {
    orders: { postgres: { url: { secret: 'orders' }, clientPath: dump.clientPath } },
    carts: { redis: { url: { secret: 'carts' } } },
  } as const;
  await desk.project.write({ resources: [place.snapshot({ members })] });
  await dump.arm();
  const run = await desk.project.start('apply');
  let providers: readonly number[] = [];
  try {
    await Promise.race([dump.reached(), endedTooSoon(run)]);
    providers = await providersOf(desk, run);
    await act(run, providers);
    await within(LET_GO_MS, 'the run has ended', run.finished);
  } finally {
    await dump.go();
  }
  return expectConverges(desk, place, run, providers);
}

async function endedTooSoon(run: Run): Promise<never> {
  throw new Error(`it ended before: ${(await run.finished).text}`);
}

/**
 * It failed, no provider is left, all members run, there is no snapshot, nothing is remembered, and the next apply makes
 * it whole. What the failed one printed.
 */
async function expectConverges(
  desk: Desk,
  place: Place,
  run: Run,
  providers: readonly number[],
): Promise<string> {
  const { succeeded, text } = await within(LET_GO_MS, 'the run has ended', run.finished);
  expect(succeeded).toBe(false);
  for (const pid of providers)
    await eventually(
      'the provider is gone',
      async () => ((await isAlive(pid)) ? undefined : true),
      LET_GO_MS,
    );
  const { postgres, carts, gated } = desk.servers;
  await within(
    LET_GO_MS,
    'all members run',
    Promise.all([
      postgres.query("INSERT INTO orders (what) VALUES ('after')", { database: 'orders' }),
      ...[carts, gated].map((server) => server.cli('SET', 'after', 'it')),
    ]),
  );
  expect(await place.generations('shop')).toEqual([]);
  await gated.cli('DEL', 'after');
  await desk.project.unlock();
  expect(await desk.project.remembered('shop')).toBeUndefined();
  await desk.ok('apply');
  expect(await desk.project.remembered('shop')).toMatchObject({ generation: 1, sharp: true });
  expect(await place.generations('shop')).toEqual([1]);
  return text;
}

async function within<T>(ms: number, what: string, work: Promise<T>): Promise<T> {
  const controller = new AbortController();
  const late = delay(ms, undefined, { signal: controller.signal }).then(() => {
    throw new Error(`not within ${ms} ms: ${what}`);
  });
  late.catch(() => {});
  try {
    return await Promise.race([work, late]);
  } finally {
    controller.abort();
  }
}

interface Client extends AsyncDisposable {
  readonly client: ReturnType<typeof clientOf>;
}

function clientOf(url: string) {
  return createClient({ url }).on('error', () => {});
}

async function connected(url: string): Promise<Client> {
  const client = clientOf(url);
  await client.connect();
  return { client, [Symbol.asyncDispose]: async () => client.destroy() };
}

/** Our plugins below the engine's process, or that process where it is both. */
async function providersOf(desk: Desk, { pid: engine }: Run): Promise<readonly number[]> {
  if (isOneProcess(desk)) return [engine];
  const below = await processesBelow(engine);
  const ours = [...below].filter(([, { command }]) => OURS.test(command)).map(([pid]) => pid);
  expect(ours.length).toBeGreaterThan(0);
  return ours;
}

const OURS = /(terraform-provider|pulumi-resource)-stasis\.mjs/;
