import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { expect, test } from '@jest/globals';
import { memoryBlobs, testContext } from '../../../test/support/context.ts';
import { cut, host, never, redis } from '../../../test/support/redis-capture.ts';
import { describeEveryRedis } from '../../../test/support/redis-everywhere.ts';
import { type RedisServer, startRedis } from '../../../test/support/redis-server.ts';
import { redisVersions } from '../../../test/support/redis-versions.ts';

const { servers } = await redisVersions();

/** Clients of the server that are ours, by their names. */
async function ours(server: RedisServer): Promise<string[]> {
  const clients = await server.cli('CLIENT', 'LIST');
  return [...clients.matchAll(/name=(stasis\S*)/g)].map(([, name]) => name!);
}

/** How long a write waits. */
async function writeMs(server: RedisServer): Promise<number> {
  const start = performance.now();
  await server.cli('SET', 'probe', String(start));
  return performance.now() - start;
}

async function expectNothingLeft(server: RedisServer): Promise<void> {
  expect(await ours(server)).toEqual([]);
  expect(await server.cli('INFO', 'replication')).toContain('connected_slaves:0');
  expect(await writeMs(server)).toBeLessThan(2_000);
}

describeEveryRedis(servers, (rig) => {
  test('a server that dies in the cut fails it', async () => {
    const mortal = await startRedis({ binary: rig.binary });
    try {
      await using session = await redis.prepare({ url: mortal.url }, host, testContext());
      const made = cut(session, async (moment) => {
        if (moment === 'marked') await mortal.kill();
      });
      await expect(made).rejects.toMatchObject({ code: 'redis.connection-lost' });
    } finally {
      await mortal.stop();
    }
  });

  test('whoever stops at whichever step leaves nothing behind', async () => {
    for (const step of ['prepare', 'settle', 'freeze', 'take', 'evidence', 'copy'] as const) {
      const abort = new AbortController();
      const session = await redis.prepare(
        { url: rig.server.url },
        host,
        testContext({ signal: abort.signal }),
      );
      const { hold, mark } = session;
      if (step !== 'prepare') await hold!.settle!(never);
      if (['freeze', 'take', 'evidence', 'copy'].includes(step)) await hold!.freeze(5_000, abort.signal);
      if (['take', 'evidence', 'copy'].includes(step)) await mark!.take(abort.signal);
      if (['evidence', 'copy'].includes(step)) await hold!.evidence(abort.signal);
      if (step === 'copy') {
        await hold!.thaw();
        const blobs = memoryBlobs();
        await session
          .copy({
            ...blobs,
            put: async () => {
              throw new Error('the store is gone');
            },
          })
          .catch(() => undefined);
      }
      abort.abort();
      await session[Symbol.asyncDispose]();
      await expectNothingLeft(rig.server);
    }
  });

  test('a freeze that is cancelled while it is under way thaws', async () => {
    for (const delayMs of [0, 1, 3]) {
      const abort = new AbortController();
      const session = await redis.prepare({ url: rig.server.url }, host, testContext());
      const freezing = session.hold!.freeze(5_000, abort.signal).catch(() => undefined);
      await sleep(delayMs);
      abort.abort();
      await freezing;
      await session.hold!.thaw();
      await session.hold!.thaw();
      await session[Symbol.asyncDispose]();
      await expectNothingLeft(rig.server);
    }
  });

  test('if we die, the server runs again within the lease', async () => {
    // A server of its own: 6.2 keeps the end of an earlier, longer pause, though that was ended by UNPAUSE.
    await using fresh = await startRedis({ binary: rig.binary });
    const leaseMs = 1_500;
    const script = join(import.meta.dirname, '../../../test/support/redis-freeze-and-wait.ts');
    const child = spawn(process.execPath, [script], {
      env: { PATH: process.env.PATH, STASIS_TEST_URL: fresh.url, STASIS_TEST_LEASE_MS: String(leaseMs) },
      stdio: ['ignore', 'pipe', 'inherit'],
    });
    try {
      await once(child.stdout!, 'data');
      const start = performance.now();
      child.kill('SIGKILL');
      await fresh.cli('INCR', 'counter');
      expect(performance.now() - start).toBeLessThan(leaseMs + 5_000);
      await sleep(100);
      expect(await ours(fresh)).toEqual([]);
      await using session = await redis.prepare({ url: fresh.url }, host, testContext());
      expect((await cut(session)).judgement.sharp).toBe(true);
    } finally {
      child.kill('SIGKILL');
    }
  });

  test('a second capture of the same server is refused while the first one lives', async () => {
    await using first = await redis.prepare({ url: rig.server.url }, host, testContext());
    await expect(redis.prepare({ url: rig.server.url }, host, testContext())).rejects.toMatchObject({
      code: 'redis.capture-running',
      at: ['url'],
    });
    expect((await cut(first)).judgement.sharp).toBe(true);
  });

  test('a slow store loses nothing, and the server gets rid of what it has for us', async () => {
    const large = 'y'.repeat(1_000_000);
    for (let index = 0; index < 60; index += 1)
      await rig.other.call(['SET', `large:${index}`, large.replace('y', String(index)) + Math.random()]);
    await rig.other.call(['CONFIG', 'SET', 'rdbcompression', 'no']);
    await using session = await redis.prepare({ url: rig.server.url }, host, testContext());
    await cut(session);
    const blobs = memoryBlobs();
    /** However slow the store is, the server has nothing left to keep for us after a while. */
    const allSent = async () => {
      const untilMs = performance.now() + 30_000;
      for (;;) {
        const info = await rig.server.cli('INFO', 'replication');
        if (info.includes('connected_slaves:0')) return;
        if (performance.now() > untilMs) throw new Error(`the server still sends: ${info}`);
        await sleep(50);
      }
    };
    const slow = {
      ...blobs,
      async put(content: AsyncIterable<Uint8Array>, options: { chunking: 'content' }) {
        return blobs.put(
          (async function* () {
            let chunks = 0;
            for await (const chunk of content) {
              if (chunks++ === 0) await allSent();
              yield chunk;
            }
          })(),
          options,
        );
      },
    };
    const { sizeBytes } = await session.copy(slow);
    expect(sizeBytes).toBeGreaterThan(60_000_000);
    await rig.other.call(['CONFIG', 'SET', 'rdbcompression', 'yes']);
  });
});
