import { expect, test } from '@jest/globals';
import { memoryBlobs, testContext } from '../../test/support/context.ts';
import { putJson } from '../core/blobs.ts';
import { startClock } from '../core/clock.ts';
import type { Clock, Context } from '../core/context.ts';
import { StasisError } from '../core/errors.ts';
import type { Manifest } from '../core/manifest.ts';
import type { Answers, Question } from '../core/probe.ts';
import type { Pace, SampleWarmth } from '../core/sample.ts';
import { NS_PER_MS } from '../core/units.ts';
import type { OpenSnapshot } from './compare.ts';
import { measureWarmth } from './measured-warmth.ts';
import { Turn } from './turn.ts';

/** A clock that only answers move. */
class SteppedClock implements Clock {
  atMs = 0;
  nowNs = (): number => this.atMs * NS_PER_MS;
  wallMs = (): number => this.atMs;
}

const questions: readonly Question[] = ['one', 'two', 'three'].map((word) => ({
  kind: 'redis',
  words: [word],
}));

/** A member of which a request takes what `tookMs` says, and of which some are not found in its cache. */
function member(
  clock: SteppedClock,
  tookMs: (word: string, count: number) => number,
  more: { readonly idleMs?: number; readonly found?: (count: number) => boolean } = {},
) {
  const asked: string[] = [];
  let found = 0;
  const answers: Answers = {
    answer: async () => ({ rows: [] }),
    open: async () => ({
      async ask({ words: [word = ''] }) {
        asked.push(word);
        if (more.found?.(asked.length) ?? true) found += 1;
        clock.atMs += tookMs(word, asked.length);
      },
      async idle() {
        clock.atMs += more.idleMs ?? 0;
      },
      hits: async () => ({ asked: asked.length, found }),
      [Symbol.asyncDispose]: async () => {},
    }),
  };
  return { asked, answers };
}

test('requests are asked in turn, for no longer than they are to be, and the line and the hits are known', async () => {
  const clock = new SteppedClock();
  const { asked, answers } = member(clock, (word) => (word === 'three' ? 6 : 2), {
    ...{ idleMs: 1, found: (count) => count % 4 !== 0 },
  });
  await using turn = await Turn.open(answers, questions, {
    clock,
    signal: new AbortController().signal,
  });
  const pace = await turn.pace((_requests, elapsedMs) => elapsedMs >= 40);
  expect(asked).toEqual([...Array(4)].flatMap(() => ['one', 'two', 'three']));
  expect(pace).toEqual({ requests: 12, p50Ms: 2, p99Ms: 6, lineMs: 1, hitRate: 0.75 });
  await turn.pace((requests) => requests >= 2);
  expect(asked.slice(12)).toEqual(['one', 'two']);
  expect((await turn.pace(() => true)).requests).toBe(1);
  expect(asked.at(-1)).toBe('three');
});

test('what tells of no caches, or has no idle question, is measured all the same', async () => {
  const clock = new SteppedClock();
  const { answers } = member(clock, () => 4);
  const silent: Answers = {
    ...answers,
    open: async (...all) => ({
      ...(await answers.open!(...all)),
      hits: async () => {
        throw new StasisError('redis.refused', 'NOPERM');
      },
      idle: async () => {
        throw new StasisError('probe.command-failed', 'No such program.');
      },
    }),
  };
  await using turn = await Turn.open(silent, questions, { clock, signal: new AbortController().signal });
  expect(await turn.pace((asked) => asked >= 5)).toEqual({ requests: 5, p50Ms: 4, p99Ms: 4, lineMs: 0 });
});

test('a request that hangs ends with the time that there is', async () => {
  const clock = startClock();
  const answers: Answers = {
    answer: async () => ({ rows: [] }),
    open: async () => ({
      ask: () => new Promise(() => {}),
      idle: async () => {},
      [Symbol.asyncDispose]: async () => {},
    }),
  };
  const found = await measured(answers, clock, { withinMs: 200 });
  expect(found).toMatchObject({ requests: 0, error: expect.stringMatching(/longer than \d+ ms/) });
  expect(clock.nowNs()).toBeLessThan(10_000 * NS_PER_MS);
});

async function measured(
  answers: Answers | undefined | (() => Promise<Answers>),
  clock: Clock,
  { withinMs = 60_000, ...more }: { readonly withinMs?: number } & Partial<Context> = {},
  before: Pace | undefined = { requests: 3, p50Ms: 2, p99Ms: 2, lineMs: 0, hitRate: 1 },
): Promise<SampleWarmth> {
  const blobs = memoryBlobs();
  const requests = { ...(await putJson(blobs, questions)), count: questions.length };
  const sample = { member: 'a', kind: 'redis', durationMs: 1_000 };
  const record = before
    ? { ...sample, before, requests }
    : { ...sample, error: { code: 'x', message: 'No.' } };
  const manifest = { samples: { mine: record } } as unknown as Manifest;
  const snapshot = { manifest, blobs: () => blobs } as unknown as OpenSnapshot;
  const answersOf = async () => (typeof answers === 'function' ? answers() : answers);
  const result = await measureWarmth(
    snapshot,
    { sinceNs: clock.nowNs(), withinMs, answersOf },
    testContext({ clock, ...more }),
  );
  return result.mine!;
}

test('what is slow at first is as before when it is, and not for one good moment', async () => {
  const clock = new SteppedClock();
  // Cold for 3 s: each request reads. A moment at 1 s is good.
  const isCold = (): boolean => clock.atMs < 3_000 && (clock.atMs < 1_000 || clock.atMs >= 1_300);
  const { answers } = member(clock, () => (isCold() ? 20 : 2), { found: () => !isCold() });
  const found = await measured(answers, clock);
  expect(found).toMatchObject({
    ...{
      member: 'a',
      before: { p99Ms: 2 },
      first: { p99Ms: 20, hitRate: 0 },
      last: { p99Ms: 2, hitRate: 1 },
    },
  });
  expect(found.timeToWarmMs).toBeGreaterThanOrEqual(3_000);
  // A window of requests of 20 ms is a second.
  expect(found.timeToWarmMs).toBeLessThan(4_100);
  expect(found.error).toBeUndefined();
});

test('what is warm from the beginning on is so at once, and is seen for a second', async () => {
  const clock = new SteppedClock();
  const { answers, asked } = member(clock, () => 2, { idleMs: 0 });
  expect(await measured(answers, clock)).toMatchObject({ timeToWarmMs: 0, requests: asked.length });
  expect(clock.atMs).toBeGreaterThanOrEqual(1_000);
  expect(clock.atMs).toBeLessThan(1_300);
});

test('requests that are quick and read all the same are not as before', async () => {
  const clock = new SteppedClock();
  const { answers } = member(clock, () => 2, { found: (count) => count % 20 !== 0 });
  const found = await measured(answers, clock, { withinMs: 5_000 });
  expect(found).not.toHaveProperty('timeToWarmMs');
  expect(found).toMatchObject({ last: { p99Ms: 2 } });
  expect(clock.atMs).toBeGreaterThanOrEqual(5_000);
  expect(clock.atMs).toBeLessThan(5_100);
});

test('a failing request is asked again on a new connection, and never thrown', async () => {
  const clock = new SteppedClock();
  const { answers } = member(clock, () => 2);
  let failures = 0;
  const failing = async (): Promise<Answers> => {
    failures += 1;
    if (failures < 3) throw new StasisError('redis.unreachable', 'Not yet.');
    return answers;
  };
  expect(await measured(failing, clock)).toMatchObject({ timeToWarmMs: 0, error: 'Not yet.' });
  expect(failures).toBe(3);
});

test('who cannot be asked is not asked again; nor what had no answer before the cut', async () => {
  const clock = new SteppedClock();
  expect(await measured(undefined, clock)).toMatchObject({
    requests: 0,
    error: expect.stringMatching(/cannot be asked/),
  });
  const { answers, asked } = member(clock, () => 2);
  expect(await measured(answers, clock, {}, null as never)).toEqual({
    ...{ member: 'a', requests: 0, error: 'Nor before the cut: No.' },
  });
  expect(asked).toEqual([]);
});

test('whoever cancels has what was measured until then', async () => {
  const clock = new SteppedClock();
  const canceller = new AbortController();
  const { answers } = member(clock, (_word, count) => {
    if (count === 500) canceller.abort();
    return 20;
  });
  const found = await measured(answers, clock, { signal: canceller.signal, withinMs: 3_600_000 });
  expect(found).toMatchObject({ first: { p99Ms: 20 } });
  expect(found).not.toHaveProperty('timeToWarmMs');
  expect(clock.atMs).toBeLessThan(11_000);
});
