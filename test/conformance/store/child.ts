/**
 * Another process that uses the store, to be killed by the suite. Its task comes as JSON in STASIS_TEST_TASK; it
 * prints a line for everything that it has done.
 */
import { appendFileSync } from 'node:fs';
import { setTimeout as delay } from 'node:timers/promises';
import type { Store } from '../../../provider/core/store.ts';
import { STORE_TYPES } from '../../../provider/stores/registry.ts';
import { testContext } from '../../support/context.ts';
import { MB, manifestOf, put, sampleBytes } from './samples.ts';

export interface Task {
  readonly type: string;
  readonly spec: unknown;
  readonly name: string;
  readonly seed: number;
  readonly log?: string;
  readonly what: 'hold-lock' | 'hold-draft' | 'capture' | 'take-turns';
}

function say(line: string): void {
  process.stdout.write(`${line}\n`);
}

const TASKS: Readonly<Record<Task['what'], (store: Store, task: Task) => Promise<void>>> = {
  async 'hold-lock'(store, { name }) {
    await using _lock = await store.lock(name, 5000, testContext());
    say('held');
    await delay(600_000);
  },

  async 'hold-draft'(store, { name, seed }) {
    await using draft = await store.begin(name, `resource:${name}`, testContext());
    await put(draft.blobs('member'), sampleBytes(seed, 3 * MB));
    say('held');
    await delay(600_000);
  },

  /** One generation after another, until killed. */
  async capture(store, { name, seed }) {
    const base = sampleBytes(1, MB);
    for (let round = 0; ; round += 1) {
      say('begin');
      await using draft = await store.begin(name, `resource:${name}`, testContext());
      const blobs = {
        base: await put(draft.blobs('base'), base),
        own: await put(draft.blobs('own'), sampleBytes(seed * 1000 + round, MB / 2)),
      };
      say('sealing');
      const { digest } = await draft.seal({ manifest: manifestOf(name, blobs) });
      say(`sealed ${digest}`);
    }
  },

  /** Writes into a log when it comes to hold the lock, and when it is about to let it go. */
  async 'take-turns'(store, { name, log }) {
    say('begin');
    for (;;) {
      await using _lock = await store.lock(name, 30_000, testContext());
      appendFileSync(log!, `enter ${process.pid}\n`);
      await delay(Math.random() * 5);
      appendFileSync(log!, `leave ${process.pid}\n`);
    }
  },
};

const task = JSON.parse(process.env.STASIS_TEST_TASK ?? '') as Task;
const type = STORE_TYPES.find(({ name }) => name === task.type);
if (type === undefined) throw new Error(`no store of type ${task.type}`);
await TASKS[task.what](await type.open(task.spec, testContext()), task);
