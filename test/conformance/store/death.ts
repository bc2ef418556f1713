import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { describe, expect, test } from '@jest/globals';
import { isDigest } from '../../../provider/core/digest.ts';
import { testContext } from '../../support/context.ts';
import type { Task } from './child.ts';
import { StoreChild } from './children.ts';
import { captureInto, MB, readMembers, sampleBytes } from './samples.ts';
import { type OpenedStore, openFresh } from './suite.ts';
import type { StoreUnderTest } from './under-test.ts';

const KILLS = 20;
/** Many processes are started, on machines that are busy. */
const TIMEOUT_MS = 300_000;
/** After which line of the child, and how long after it at most, in ms. */
const MOMENTS = [
  ['begin', 500],
  ['sealing', 40],
  ['sealed', 150],
  ['sealing', 15],
] as const;

/** Other processes, and their death by kill -9 at any time. */
export function describeDeath(under: StoreUnderTest): void {
  function child(opened: OpenedStore, task: Pick<Task, 'what' | 'name'> & Partial<Task>): StoreChild {
    return new StoreChild({ type: under.type.name, spec: opened.fresh.spec, seed: 1, ...task });
  }

  describe('other processes', () => {
    test(
      'a lock of a living one is busy, of a dead one free',
      async () => {
        await using opened = await openFresh(under);
        await using holder = child(opened, { what: 'hold-lock', name: 'shop' });
        await holder.says('held');
        await expect(opened.store.lock('shop', 200, testContext())).rejects.toMatchObject({
          code: 'store.busy',
          message: expect.stringContaining(String(holder.pid)),
        });
        await holder.kill();
        await using _lock = await opened.store.lock('shop', 5000, testContext());
      },
      TIMEOUT_MS,
    );

    test(
      'a name that a living one writes is busy, and its draft is left alone; a dead one leaves nothing',
      async () => {
        await using opened = await openFresh(under);
        const { store, fresh } = opened;
        const bank = await captureInto(store, 'bank', { a: sampleBytes(1, MB) });
        await using writer = child(opened, { what: 'hold-draft', name: 'shop' });
        await writer.says('held');
        await expect(store.begin('shop', 'resource:shop', testContext())).rejects.toMatchObject({
          code: 'store.busy',
          message: expect.stringContaining(String(writer.pid)),
        });
        expect(await store.sweep(testContext())).toEqual({ removedBytes: 0 });
        await captureInto(store, 'bank', { a: sampleBytes(2, MB) });
        await writer.kill();
        expect(await fresh.leftovers()).not.toEqual([]);
        expect((await store.sweep(testContext())).removedBytes).toBeGreaterThan(0);
        expect(await fresh.leftovers()).toEqual([]);
        expect(await store.name('shop')).toBeUndefined();
        // Whoever captures next sweeps as well, whatever its name.
        await using another = child(opened, { what: 'hold-draft', name: 'shop' });
        await another.says('held');
        await another.kill();
        expect(await fresh.leftovers()).not.toEqual([]);
        await captureInto(store, 'bank', { a: sampleBytes(4, MB) });
        expect(await fresh.leftovers()).toEqual([]);
        expect(await store.verify(bank.digest, 'content', testContext())).toEqual([]);
        expect((await captureInto(store, 'shop', { a: sampleBytes(3, MB) })).generation).toBe(1);
      },
      TIMEOUT_MS,
    );

    test(
      'two that capture different names at once both get on',
      async () => {
        await using opened = await openFresh(under);
        const names = ['shop', 'bank'];
        await using stack = new AsyncDisposableStack();
        const writers = names.map((name, seed) => stack.use(child(opened, { what: 'capture', name, seed })));
        while (writers.some(({ lines }) => lines.filter((line) => line.startsWith('sealed')).length < 5))
          await Promise.all(writers.map((writer) => Promise.race([writer.says('never'), delay(50)])));
        for (const [place, writer] of writers.entries()) {
          await writer.kill();
          await expectSealed(opened, names[place]!, writer.lines);
        }
      },
      TIMEOUT_MS,
    );

    test(
      `${KILLS} times kill -9 in the middle of captures: what was sealed is whole, the rest is swept`,
      async () => {
        await using opened = await openFresh(under);
        const { store, fresh } = opened;
        const lines: string[] = [];
        for (let round = 0; round < KILLS; round += 1) {
          await using writer = child(opened, { what: 'capture', name: 'shop', seed: round });
          // At any time; and often while it seals, which is short.
          const [line, spanMs] = MOMENTS[round % MOMENTS.length]!;
          await writer.says(line);
          await delay(Math.random() * spanMs);
          await writer.kill();
          lines.push(...writer.lines);
          await expectSealed(opened, 'shop', writer.lines);
        }
        const { generations } = (await store.name('shop'))!;
        // One whose writer died before it could say so may be sealed as well, and is whole like all others.
        const sealed = lines.filter((line) => line.startsWith('sealed ')).map((line) => line.slice(7));
        expect(generations.map(({ digest }) => digest)).toEqual(expect.arrayContaining(sealed));
        for (const { digest } of generations) {
          expect(await store.verify(digest, 'content', testContext())).toEqual([]);
          expect((await readMembers(store, 'shop', digest)).base!.equals(sampleBytes(1, MB))).toBe(true);
        }
        await store.sweep(testContext());
        expect(await fresh.leftovers()).toEqual([]);
        const next = await captureInto(store, 'shop', { a: sampleBytes(3, MB) }, 'resource:shop');
        expect(next.generation).toBe(generations[0]!.generation + 1);
      },
      TIMEOUT_MS,
    );

    test(
      'a lock is never held by two, also while its holders are killed',
      async () => {
        await using opened = await openFresh(under);
        const folder = await mkdtemp(join(tmpdir(), 'stasis-turns-'));
        await using stack = new AsyncDisposableStack();
        stack.defer(() => rm(folder, { recursive: true, force: true }));
        const log = join(folder, 'log');
        const start = () => stack.use(child(opened, { what: 'take-turns', name: 'x', log }));
        let players = [start(), start(), start()];
        const killed = new Set<number>();
        for (let round = 0; round < 6; round += 1) {
          await Promise.all(players.map((player) => player.says('begin')));
          await delay(150 + Math.random() * 250);
          const [victim, ...others] = players;
          await victim!.kill();
          killed.add(victim!.pid);
          players = [...others, start()];
        }
        await Promise.all(players.map((player) => player.kill()));
        const turns = turnsOf(await readFile(log, 'utf8'));
        expect(turns.length).toBeGreaterThan(20);
        for (const [place, { pid, left }] of turns.entries())
          if (!left && place < turns.length - 1) {
            // Killed in its turn: it must not be heard of again.
            expect(killed.has(pid)).toBe(true);
            expect(turns.slice(place + 1).some((later) => later.pid === pid)).toBe(false);
          }
      },
      TIMEOUT_MS,
    );
  });
}

/** Everything that a writer said it had sealed is listed and whole. */
async function expectSealed({ store }: OpenedStore, name: string, lines: readonly string[]): Promise<void> {
  const sealed = lines.filter((line) => line.startsWith('sealed ')).map((line) => line.slice(7));
  const listed = new Set((await store.name(name))?.generations.map(({ digest }) => digest));
  for (const digest of sealed) {
    if (!isDigest(digest)) continue;
    expect(listed.has(digest)).toBe(true);
    expect(await store.verify(digest, 'content', testContext())).toEqual([]);
  }
}

/** @throws when someone entered or left in another's turn */
function turnsOf(log: string): { pid: number; left: boolean }[] {
  const turns: { pid: number; left: boolean }[] = [];
  for (const line of log.split('\n').filter((text) => text !== '')) {
    const [what, pid] = line.split(' ');
    if (what === 'enter') turns.push({ pid: Number(pid), left: false });
    else {
      const last = turns.at(-1);
      if (last?.pid !== Number(pid)) throw new Error(`process ${pid} left in the turn of ${last?.pid}`);
      last.left = true;
    }
  }
  return turns;
}
