import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, beforeAll, beforeEach, describe, expect, test } from '@jest/globals';
import { memoryBlobs, testContext } from '../../../test/support/context.ts';
import { cut, host, type Meddle, never, redis } from '../../../test/support/redis-capture.ts';
import { everything, run } from '../../../test/support/redis-data.ts';
import { type RedisServer, startRedis } from '../../../test/support/redis-server.ts';
import { redisVersions } from '../../../test/support/redis-versions.ts';
import type { BlobDigest } from '../../core/blob-digest.ts';
import { Connection, text } from './connection.ts';
import { decodeValue } from './rdb/decode.ts';
import { readRdb } from './rdb/reader.ts';

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

describe.each(servers.map((server) => [`${server.product} ${server.version}`, server.path, server] as const))(
  '%s',
  (_name, binary, { version }) => {
    let server: RedisServer;
    let other: Connection;
    beforeAll(async () => {
      server = await startRedis({ binary, config: { save: '3600 1000000' } });
    });
    beforeEach(async () => {
      other = await Connection.open({ url: server.url }, never);
      await other.call(['FLUSHALL']);
      await run(other, everything());
      await other.call(['SET', 'counter', '0']);
      return () => other[Symbol.asyncDispose]();
    });
    afterAll(async () => {
      await server.stop();
    });

    test('a cut under load shows exactly the state that was held', async () => {
      await using session = await redis.prepare({ url: server.url }, host, testContext());
      await using load = await Connection.open({ url: server.url }, never);
      let writing = true;
      const writer = (async () => {
        while (writing)
          await load.pipeline([['MULTI'], ['INCR', 'counter'], ['RPUSH', 'log', 'x'], ['EXEC']]);
      })();
      while ((await other.call(['LLEN', 'log'])) === 0) await sleep(1);
      for (let round = 0; round < 5; round += 1) {
        const seen: string[] = [];
        const made = await cut(session, async (moment) => {
          if (moment !== 'thawed') seen.push(text(await other.call(['GET', 'counter'])));
          if (moment === 'held') await sleep(5);
        });
        expect(made.judgement).toMatchObject({ sharp: true, findings: [] });
        expect(new Set(seen).size).toBe(1);
        const blobs = memoryBlobs();
        const { content } = await session.copy(blobs);
        expect(await counterOf(blobs, content)).toEqual({ counter: seen[0], log: seen[0] });
      }
      writing = false;
      await writer;
      expect(Number(text(await other.call(['GET', 'counter'])))).toBeGreaterThan(0);
    });

    test('a mark without a lock is an instant of its own', async () => {
      await using session = await redis.prepare({ url: server.url }, host, testContext());
      const [mark] = await session.mark!.take(never);
      expect(mark!.conditions!.every(({ expected, observed }) => expected === observed)).toBe(true);
      const capture = await session.copy(memoryBlobs());
      expect(capture.summary).toMatch(/^8\d keys, 3 databases$/);
    });

    test('a mark without a lock is of the epoch before and after it, where nobody wrote', async () => {
      await using session = await redis.prepare({ url: server.url }, host, testContext());
      // The first SYNC of a server begins a history.
      await session.mark!.take(never);
      const before = await session.watch!.epoch(never);
      const [mark] = await session.mark!.take(never);
      const after = await session.watch!.epoch(never);
      expect([mark!.epoch, after.value]).toEqual([before.value, before.value]);
      await session.copy(memoryBlobs());
    });

    test.each([
      ['a write', [['SET', 'counter', '1']]],
      ['an empty FLUSHALL', [['FLUSHALL']]],
      ['a write and a SAVE', [['INCR', 'counter'], ['SAVE']]],
      ['a write that expires at once', [['SET', 'fleeting', '1', 'PX', '1']]],
      [
        'a write and its deletion',
        [
          ['SET', 'other', '1'],
          ['DEL', 'other'],
        ],
      ],
    ] as const)(
      'an epoch is never the same again after %s, with a backlog or before there is one',
      async (_, commands) => {
        await using fresh = await startRedis({ binary });
        await fresh.feed('SET counter 1');
        await using other = await Connection.open({ url: fresh.url }, never);
        await using session = await redis.prepare({ url: fresh.url }, host, testContext());
        const seen = [(await session.watch!.epoch(never)).value];
        for (const step of ['without', 'with']) {
          if (step === 'with') await session.mark!.take(never);
          seen.push((await session.watch!.epoch(never)).value);
          for (const command of commands) await other.attempt(command);
          seen.push((await session.watch!.epoch(never)).value);
        }
        // Equal only where nothing came between: the first two readings.
        expect(new Set(seen).size).toBe(seen.length - 1);
      },
    );

    test('it is busy while others ask it, and not when they have stopped', async () => {
      await using other = await Connection.open({ url: server.url }, never);
      await using session = await redis.prepare({ url: server.url }, host, testContext());
      let asking = true;
      const asked = (async () => {
        while (asking) await other.call(['PING']);
      })();
      const busy: number[] = [];
      for (let look = 0; look < 50; look += 1) busy.push((await session.watch!.busy!(never))!);
      asking = false;
      await asked;
      expect(Math.max(...busy)).toBeGreaterThan(0);
      expect(await session.watch!.busy!(never)).toBe(0);
    });

    /** Each of these breaks what the hold rests on; none may pass for sharp, or what was captured must be lost. */
    const meddlers: readonly (readonly [name: string, meddle: Meddle])[] = [
      ['an unpause and a write before the fork', at('held', ['CLIENT', 'UNPAUSE'], ['SET', 'counter', '1'])],
      ['an unpause and a write after the fork', at('marked', ['CLIENT', 'UNPAUSE'], ['SET', 'counter', '1'])],
      [
        'an unpause, a write and a new pause',
        at('held', ['CLIENT', 'UNPAUSE'], ['INCR', 'counter'], ['CLIENT', 'PAUSE', '2000', 'WRITE']),
      ],
      ['an unpause alone', at('held', ['CLIENT', 'UNPAUSE'])],
      ['an unpause and a FLUSHALL before the fork', at('held', ['CLIENT', 'UNPAUSE'], ['FLUSHALL'])],
      ['an unpause and a FLUSHALL after the fork', at('marked', ['CLIENT', 'UNPAUSE'], ['FLUSHALL'])],
      ['an unpause, a write and a SAVE', at('held', ['CLIENT', 'UNPAUSE'], ['INCR', 'counter'], ['SAVE'])],
      [
        'an unpause, a FLUSHALL and a SWAPDB',
        at('marked', ['CLIENT', 'UNPAUSE'], ['FLUSHDB'], ['SWAPDB', '0', '3']),
      ],
      [
        'an unpause and a script that writes',
        at('held', ['CLIENT', 'UNPAUSE'], ['EVAL', "redis.call('INCR', KEYS[1])", '1', 'counter']),
      ],
      ['a new ACL user', at('held', ['ACL', 'SETUSER', 'slipped-in'])],
      ['counters that are set back', at('marked', ['CONFIG', 'RESETSTAT'])],
      ['a second fork', later('marked', 400, ['BGSAVE'])],
      ['a rewrite of the append-only file', later('marked', 400, ['BGREWRITEAOF'])],
    ];
    test.each(meddlers)('%s is not taken for a cut', async (_what, meddle) => {
      await using session = await redis.prepare({ url: server.url }, host, testContext());
      const { judgement } = await cut(session, meddle);
      expect(judgement.sharp).toBe(false);
      await other.call(['ACL', 'DELUSER', 'slipped-in']);
      // The next cut, with nobody meddling, drops the earlier SYNC and is sharp.
      await other.attempt(['CONFIG', 'RESETSTAT']);
      const again = await cut(session);
      expect(again.judgement).toMatchObject({ sharp: true });
      expect((await session.copy(memoryBlobs())).sizeBytes).toBeGreaterThan(0);
    });

    function at(when: string, ...commands: string[][]): Meddle {
      return later(when, 0, ...commands);
    }

    function later(when: string, waitMs: number, ...commands: string[][]): Meddle {
      return async (moment) => {
        if (moment !== when) return;
        await sleep(waitMs);
        await run(other, commands);
      };
    }

    test("somebody else's BGSAVE that came before our SYNC: what the RDB shows decides", async () => {
      await using session = await redis.prepare({ url: server.url }, host, testContext());
      const made = await cut(session, async (moment) => {
        if (moment === 'held') await other.call(['BGSAVE']);
        // Written before the fork that our SYNC has to wait for.
        if (moment === 'thawed') await other.call(['INCR', 'counter']);
      });
      const copied = session.copy(memoryBlobs());
      if (made.judgement.sharp) await expect(copied).rejects.toMatchObject({ code: 'cut.lost' });
      else await copied.catch(() => undefined);
      const again = await cut(session);
      expect(again.judgement.sharp).toBe(true);
      await session.copy(memoryBlobs());
    });

    test('a save that runs already is waited for, not joined', async () => {
      await other.call(['SET', 'large', 'x'.repeat(5_000_000)]);
      await using session = await redis.prepare({ url: server.url }, host, testContext());
      await other.call(['BGSAVE']);
      const { judgement, evidence } = await cut(session);
      expect(judgement.sharp).toBe(true);
      expect(evidence.conditions.every(({ expected, observed }) => expected === observed)).toBe(true);
    });

    test('the last reading comes before the thaw of the same exchange, and is no worse than one by itself', async () => {
      await using session = await redis.prepare({ url: server.url }, host, testContext());
      const { hold, mark } = session;
      await hold!.settle!(never);
      await hold!.freeze(5_000, never);
      const [marked] = await mark!.take(never);
      const waiting = other.call(['INCR', 'counter']);
      const { readings, conditions, captured } = await hold!.thawWithEvidence!(never);
      expect(await waiting).toBe(1);
      expect(conditions.filter(({ expected, observed }) => expected !== observed)).toEqual([]);
      expect(readings.map(({ value }) => value)).toEqual([captured, captured, captured]);
      expect(readings.at(-1)!.sentNs).toBeGreaterThanOrEqual(marked!.acknowledgedNs);
      await hold!.thaw();
      const content = (await session.copy(memoryBlobs())).summary;
      expect(content).toMatch(/keys/);
    });

    test("the server's own PING to a replica is no write", async () => {
      await using primary = await startRedis({ binary, config: { 'repl-ping-replica-period': 1 } });
      await using replica = await startRedis({ binary, config: { replicaof: `127.0.0.1 ${primary.port}` } });
      await primary.cli('SET', 'a', 'b');
      for (let waited = 0; waited < 200 && (await replica.cli('GET', 'a')) !== 'b'; waited += 1)
        await sleep(50);
      await using session = await redis.prepare({ url: primary.url }, host, testContext());
      const offset = async () =>
        /master_repl_offset:(\d+)/.exec(await primary.cli('INFO', 'replication'))?.[1];
      let before: string | undefined;
      let pinged = 0;
      for (let round = 0; round < 3 && pinged === 0; round += 1) {
        const { judgement } = await cut(session, async (moment) => {
          if (moment === 'held') before = await offset();
          if (moment === 'marked') await sleep(900);
          if (moment === 'before-thaw') pinged = Number(await offset()) - Number(before);
        });
        expect({ pinged, sharp: judgement.sharp }).toEqual({ pinged, sharp: pinged <= 14 });
        await session.copy(memoryBlobs());
      }
      expect(pinged).toBe(14);
    });

    test('a lock that its own timer ends is not taken for held', async () => {
      await using session = await redis.prepare({ url: server.url }, host, testContext());
      const made = await cut(
        session,
        async (moment) => {
          // Waits for the end of the pause, and goes through while we believe to hold.
          if (moment === 'marked') await other.call(['INCR', 'counter']);
        },
        50,
      );
      expect(made.judgement.sharp).toBe(false);
    });

    test('a server that dies in the cut fails it', async () => {
      const mortal = await startRedis({ binary });
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
        const session = await redis.prepare({ url: server.url }, host, testContext({ signal: abort.signal }));
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
        await expectNothingLeft(server);
      }
    });

    test('a freeze that is cancelled while it is under way thaws', async () => {
      for (const delayMs of [0, 1, 3]) {
        const abort = new AbortController();
        const session = await redis.prepare({ url: server.url }, host, testContext());
        const freezing = session.hold!.freeze(5_000, abort.signal).catch(() => undefined);
        await sleep(delayMs);
        abort.abort();
        await freezing;
        await session.hold!.thaw();
        await session.hold!.thaw();
        await session[Symbol.asyncDispose]();
        await expectNothingLeft(server);
      }
    });

    test('if we die, the server runs again within the lease', async () => {
      // A server of its own: 6.2 keeps the end of an earlier, longer pause, though that was ended by UNPAUSE.
      await using fresh = await startRedis({ binary });
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
      await using first = await redis.prepare({ url: server.url }, host, testContext());
      await expect(redis.prepare({ url: server.url }, host, testContext())).rejects.toMatchObject({
        code: 'redis.capture-running',
        at: ['url'],
      });
      expect((await cut(first)).judgement.sharp).toBe(true);
    });

    test('a slow store loses nothing, and the server gets rid of what it has for us', async () => {
      const large = 'y'.repeat(1_000_000);
      for (let index = 0; index < 60; index += 1)
        await other.call(['SET', `large:${index}`, large.replace('y', String(index)) + Math.random()]);
      await other.call(['CONFIG', 'SET', 'rdbcompression', 'no']);
      await using session = await redis.prepare({ url: server.url }, host, testContext());
      await cut(session);
      const blobs = memoryBlobs();
      /** However slow the store is, the server has nothing left to keep for us after a while. */
      const allSent = async () => {
        const untilMs = performance.now() + 30_000;
        for (;;) {
          const info = await server.cli('INFO', 'replication');
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
      await other.call(['CONFIG', 'SET', 'rdbcompression', 'yes']);
    });

    test(`the version that was tested is ${version}`, async () => {
      const { system } = await redis.plan({ url: server.url }, host, testContext());
      expect(system.version).toBe(version);
    });
  },
);

/** The two that are always written together, from the RDB. */
async function counterOf(
  blobs: ReturnType<typeof memoryBlobs>,
  content: unknown,
): Promise<{ counter?: string; log?: string }> {
  const found: { counter?: string; log?: string } = {};
  const { rdb } = content as { rdb: BlobDigest };
  for await (const records of readRdb(blobs.get(rdb)))
    for (const record of records) {
      if (record.kind !== 'key' || record.db !== 0) continue;
      const value = () => decodeValue(record.type, record.payload);
      if (record.key.toString() === 'counter') {
        const counter = value();
        found.counter = counter.type === 'string' ? counter.bytes.toString() : '';
      }
      if (record.key.toString() === 'log') {
        const log = value();
        found.log = String(log.type === 'list' ? [...log.elements].length : -1);
      }
    }
  return found;
}
