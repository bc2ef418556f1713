import { mkdir, mkdtemp, readdir, readFile, rm, utimes, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';
import { startClock } from '../../core/clock.ts';
import { ownerOfTemporary } from './durable.ts';
import { livenessOf, thisProcess } from './holder.ts';
import { acquireLock, type HeldLock, liveTokens } from './lock-chain.ts';

let folder: string;
const context = { signal: new AbortController().signal, clock: startClock() };

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'stasis-locks-'));
});

afterEach(() => rm(folder, { recursive: true, force: true }));

function acquire(waitMs = 0): Promise<HeldLock> {
  const request = { folder: join(folder, 'locks', 'x'), temporary: join(folder, 'tmp'), what: 'x', waitMs };
  return acquireLock(request, context);
}

/** Makes the lock held by a process that cannot be looked at from here, as on another host. */
async function heldElsewhere(number: number, touchedSecondsAgo: number): Promise<void> {
  const file = join(folder, 'locks', 'x', String(number));
  await mkdir(join(folder, 'locks', 'x'), { recursive: true });
  const self = await thisProcess();
  const record = {
    ...self,
    bootId: 'another',
    hostname: 'elsewhere',
    token: 'theirs',
    what: 'x',
    since: 'then',
  };
  await writeFile(file, JSON.stringify(record));
  const at = new Date(Date.now() - touchedSecondsAgo * 1000);
  await utimes(file, at, at);
}

describe('liveness', () => {
  test('this process lives, and one with its id and another start is dead', async () => {
    const self = await thisProcess();
    expect(await livenessOf(self)).toBe('alive');
    expect(await livenessOf({ ...self, startTime: '1' })).toBe('dead');
    expect(await livenessOf({ ...self, pid: 2 ** 22 + 1 })).toBe('dead');
  });

  test('another boot, container or machine cannot be told from here', async () => {
    const self = await thisProcess();
    expect(await livenessOf({ ...self, bootId: 'another' })).toBe('unknown');
    expect(await livenessOf({ ...self, pidNamespace: 'pid:[1]' })).toBe('unknown');
    expect(await livenessOf({ ...self, bootId: '', startTime: '' })).toBe('unknown');
  });
});

describe('a lock of files', () => {
  test('excludes others until it is released, which is idempotent', async () => {
    const first = await acquire();
    await expect(acquire()).rejects.toMatchObject({ code: 'store.busy', hint: expect.any(String) });
    expect(await first.isHeld()).toBe(true);
    expect(await liveTokens(join(folder, 'locks'))).toEqual(new Set([first.token]));
    await first[Symbol.asyncDispose]();
    await first[Symbol.asyncDispose]();
    expect(await first.isHeld()).toBe(false);
    expect(await liveTokens(join(folder, 'locks'))).toEqual(new Set());
    await using second = await acquire();
    expect(second.token).not.toBe(first.token);
  });

  test('many that want it at once get it one after another', async () => {
    let holders = 0;
    let most = 0;
    await Promise.all(
      Array.from({ length: 20 }, async () => {
        await using _lock = await acquire(30_000);
        holders += 1;
        most = Math.max(most, holders);
        await new Promise((resolve) => setTimeout(resolve, 2));
        holders -= 1;
      }),
    );
    expect(most).toBe(1);
    expect((await readdir(join(folder, 'locks', 'x'))).length).toBeLessThanOrEqual(17);
    expect(await readdir(join(folder, 'tmp'))).toEqual([]);
  });

  test('a holder on another host keeps it by its heartbeat, and loses it without one', async () => {
    await heldElsewhere(3, 30);
    await expect(acquire()).rejects.toMatchObject({
      code: 'store.busy',
      message: expect.stringContaining('elsewhere'),
    });
    expect(await liveTokens(join(folder, 'locks'))).toEqual(new Set(['theirs']));
    await heldElsewhere(3, 600);
    await using lock = await acquire();
    expect(await liveTokens(join(folder, 'locks'))).toEqual(new Set([lock.token]));
  });

  test('one that was taken for dead knows that it no longer holds it', async () => {
    const first = await acquire();
    await heldElsewhere(2, 0);
    expect(await first.isHeld()).toBe(false);
    await first[Symbol.asyncDispose]();
    await expect(acquire()).rejects.toMatchObject({ message: expect.stringContaining('elsewhere') });
  });

  test('what a power cut left of a record is nobody, after a while', async () => {
    await mkdir(join(folder, 'locks', 'x'), { recursive: true });
    const file = join(folder, 'locks', 'x', '1');
    await writeFile(file, '');
    await expect(acquire()).rejects.toMatchObject({ code: 'store.busy' });
    const long = new Date(Date.now() - 600_000);
    await utimes(file, long, long);
    await using _lock = await acquire();
  });

  test('temporary files say whose they are', async () => {
    await using _lock = await acquire();
    const self = await thisProcess();
    const name = `${self.pid}_${self.startTime}_${self.bootId}_${self.pidNamespace.replace(/\D/g, '')}_abc`;
    expect(await livenessOf(ownerOfTemporary(name)!)).toBe('alive');
    expect(ownerOfTemporary('something-else')).toBeUndefined();
    expect(JSON.parse(await readFile(join(folder, 'locks', 'x', '1'), 'utf8'))).toMatchObject({
      pid: process.pid,
    });
  });
});
