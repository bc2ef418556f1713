import { createInterface } from 'node:readline';
import { createClient } from '@redis/client';
import pg from 'pg';
import { z } from 'zod';

/**
 * Requests of a shop, for `bench/warm.ts`: a line of JSON a phase in, one out. A request looks its session up in Redis,
 * from Postgres where it is not there, and reads an order. What is measured is each request's time, by window.
 */
const phase = z.object({
  postgresUrl: z.string(),
  redisUrl: z.string(),
  /** Of orders and sessions that are asked for: numbers from 1 on. */
  hot: z.int(),
  forMs: z.number(),
});
type Phase = z.infer<typeof phase>;

export interface Window {
  /** Since the phase's first request. */
  readonly atMs: number;
  readonly p99Ms: number;
  readonly requests: number;
  /** Of sessions: how many were in Redis, of all that were asked for. */
  readonly hitRate: number;
}

export const WINDOW_MS = 100;
const WORKERS = 2;

interface Request {
  readonly endMs: number;
  readonly tookMs: number;
  readonly hit: boolean;
}

for await (const line of createInterface({ input: process.stdin })) {
  const windows = windowsOf(await run(phase.parse(JSON.parse(line))));
  process.stdout.write(`${JSON.stringify(windows)}\n`);
}

async function run(asked: Phase): Promise<Request[]> {
  const requests: Request[] = [];
  const workers = await Promise.all(Array.from({ length: WORKERS }, () => connect(asked)));
  const startMs = performance.now();
  await Promise.all(
    workers.map(async ({ request, close }) => {
      for (let atMs = 0; atMs < asked.forMs; ) {
        const beganMs = performance.now();
        const hit = await request(1 + Math.floor(Math.random() * asked.hot));
        const nowMs = performance.now();
        atMs = nowMs - startMs;
        requests.push({ endMs: atMs, tookMs: nowMs - beganMs, hit });
      }
      await close();
    }),
  );
  return requests;
}

async function connect({ postgresUrl, redisUrl }: Phase): Promise<{
  request(number: number): Promise<boolean>;
  close(): Promise<void>;
}> {
  const postgres = new pg.Client({ connectionString: postgresUrl });
  await postgres.connect();
  const redis = await createClient({ url: redisUrl }).connect();
  const query = (name: string, text: string, number: number) =>
    postgres.query({ name, text, values: [number] });
  return {
    async request(number) {
      const known = await redis.get(`session:${number}`);
      if (known === null) {
        const { rows } = await query('session', 'SELECT body FROM sessions WHERE id = $1', number);
        await redis.set(`session:${number}`, rows[0].body);
      }
      await query('order', 'SELECT body FROM orders WHERE id = $1', number);
      return known !== null;
    },
    async close() {
      await postgres.end();
      await redis.close();
    },
  };
}

function windowsOf(requests: readonly Request[]): Window[] {
  const byWindow = Map.groupBy(requests, ({ endMs }) => Math.floor(endMs / WINDOW_MS));
  return [...byWindow]
    .toSorted(([a], [b]) => a - b)
    .map(([window, within]) => {
      const times = within.map(({ tookMs }) => tookMs).toSorted((a, b) => a - b);
      return {
        atMs: window * WINDOW_MS,
        p99Ms: times[Math.min(times.length - 1, Math.floor(times.length * 0.99))]!,
        requests: times.length,
        hitRate: within.filter(({ hit }) => hit).length / within.length,
      };
    });
}
