import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from '@jest/globals';
import { type TestContext, testContext } from '../../test/support/context.ts';
import { SimulatedSystem, simulatedDriver } from '../../test/support/simulated/driver.ts';
import { readJson } from '../core/blobs.ts';
import type { Driver } from '../core/driver.ts';
import { StasisError } from '../core/errors.ts';
import type { Question } from '../core/probe.ts';
import type { Sample } from '../core/sample.ts';
import type { SealedSnapshot, Store } from '../core/store.ts';
import { sleep } from '../core/wait.ts';
import { localHost } from '../hosts/local/host.ts';
import { ociLayout } from '../stores/oci-layout/type.ts';
import { capture } from './capture.ts';

const questions: readonly Question[] = ['one', 'two', 'three'].map((word) => ({
  kind: 'redis',
  words: [word],
}));

let folder: string;
let store: Store;
let context: TestContext;
let system: SimulatedSystem;

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'stasis-samples-'));
  store = await ociLayout.open({ path: folder }, testContext());
  context = testContext();
  system = new SimulatedSystem();
});
afterEach(() => rm(folder, { recursive: true, force: true }));

/** Its requests are among its calls. */
function answering(ask: (question: Question) => Promise<void>): Driver {
  return {
    ...simulatedDriver({ system, hold: 'locked', watch: true, mark: true }),
    ask: async () => ({
      answer: async () => ({ rows: [] }),
      open: async () => ({
        ask: async (question) => {
          system.calls.push(`ask ${question.words[0]}`);
          await ask(question);
        },
        idle: async () => {},
        [Symbol.asyncDispose]: async () => {
          system.calls.push('hang up');
        },
      }),
    }),
  };
}

function photograph(driver: Driver, durationMs: number): Promise<SealedSnapshot> {
  const members = [{ name: 'a', driver, spec: driver.spec.parse({ place: 'here' }), host: localHost() }];
  const samples: Sample[] = [{ name: 'mine', member: 'a', questions, durationMs }];
  const limits = { maxPauseMs: 2_000, maxBlurMs: 0 };
  const request = { name: 'photo', owner: 'test', members, store, limits, createdBy: 'test', samples };
  return capture(request, context);
}

test('requests are asked and the connection is given up before anything else of a capture begins', async () => {
  const { manifest } = await photograph(
    answering(() => sleep(10)),
    100,
  );
  const begins = system.calls.indexOf('prepare');
  const asked = system.calls.filter((call) => call.startsWith('ask'));
  expect(system.calls.slice(0, begins)).toEqual([...asked, 'hang up']);
  expect(asked.slice(0, 4)).toEqual(['ask one', 'ask two', 'ask three', 'ask one']);
  const { before, requests } = manifest.samples!.mine!;
  expect(before).toMatchObject({ requests: asked.length });
  expect(before!.p50Ms).toBeGreaterThan(5);
  expect(requests!.count).toBe(3);
});

test('of requests for which there was no time, nothing is kept', async () => {
  const sealed = await photograph(
    answering(() => sleep(60)),
    100,
  );
  const { requests, before } = sealed.manifest.samples!.mine!;
  expect(requests!.count).toBe(before!.requests);
  expect(requests!.count).toBeLessThan(questions.length);
  const snapshot = await store.open('photo', sealed.digest, context);
  expect(await readJson(snapshot.blobs('a'), requests!.digest)).toEqual(questions.slice(0, requests!.count));
  expect((await store.verifyAll('content', context)).findings).toEqual([]);
});

test('one that fails is told, and fails no capture', async () => {
  const driver = answering(async ({ words }) => {
    if (words[0] === 'two') throw new StasisError('redis.refused', 'No such command.');
  });
  const { manifest } = await photograph(driver, 100);
  expect(manifest.samples).toEqual({
    mine: {
      ...{ member: 'a', kind: 'redis', durationMs: 100 },
      error: { code: 'redis.refused', message: 'No such command.' },
    },
  });
  const warnings = context.events.filter(({ severity }) => severity === 'warning');
  expect(warnings.map(({ message }) => message)).toEqual([
    'The sample "mine" could not be measured: No such command.',
  ]);
});

test('whoever cancels meanwhile has cancelled the capture, before it has begun', async () => {
  const canceller = new AbortController();
  context = testContext({ signal: canceller.signal });
  const driver = answering(async () => canceller.abort());
  await expect(photograph(driver, 60_000)).rejects.toMatchObject({ code: 'cancelled' });
  expect(system.calls).toEqual(['ask one', 'hang up']);
  expect(await store.name('photo')).toBeUndefined();
});
