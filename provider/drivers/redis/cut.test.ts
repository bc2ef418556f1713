import { setTimeout as sleep } from 'node:timers/promises';
import { expect, test } from '@jest/globals';
import { memoryBlobs, testContext } from '../../../test/support/context.ts';
import { cut, host, never, redis } from '../../../test/support/redis-capture.ts';
import { describeEveryRedis } from '../../../test/support/redis-everywhere.ts';
import { startRedis } from '../../../test/support/redis-server.ts';
import { redisVersions } from '../../../test/support/redis-versions.ts';
import type { BlobDigest } from '../../core/blob-digest.ts';
import { Connection, text } from './connection.ts';
import { decodeValue } from './rdb/decode.ts';
import { readRdb } from './rdb/reader.ts';

const { servers } = await redisVersions();

describeEveryRedis(servers, (rig) => {
  test('a cut under load shows exactly the state that was held', async () => {
    await using session = await redis.prepare({ url: rig.server.url }, host, testContext());
    await using load = await Connection.open({ url: rig.server.url }, never);
    let writing = true;
    const writer = (async () => {
      while (writing) await load.pipeline([['MULTI'], ['INCR', 'counter'], ['RPUSH', 'log', 'x'], ['EXEC']]);
    })();
    while ((await rig.other.call(['LLEN', 'log'])) === 0) await sleep(1);
    for (let round = 0; round < 5; round += 1) {
      const seen: string[] = [];
      const made = await cut(session, async (moment) => {
        if (moment !== 'thawed') seen.push(text(await rig.other.call(['GET', 'counter'])));
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
    expect(Number(text(await rig.other.call(['GET', 'counter'])))).toBeGreaterThan(0);
  });

  test('a mark without a lock is an instant of its own', async () => {
    await using session = await redis.prepare({ url: rig.server.url }, host, testContext());
    const [mark] = await session.mark!.take(never);
    expect(mark!.conditions!.every(({ expected, observed }) => expected === observed)).toBe(true);
    const capture = await session.copy(memoryBlobs());
    expect(capture.summary).toMatch(/^8\d keys, 3 databases$/);
  });

  test("somebody else's BGSAVE that came before our SYNC: what the RDB shows decides", async () => {
    await using session = await redis.prepare({ url: rig.server.url }, host, testContext());
    const made = await cut(session, async (moment) => {
      if (moment === 'held') await rig.other.call(['BGSAVE']);
      // Written before the fork that our SYNC has to wait for.
      if (moment === 'thawed') await rig.other.call(['INCR', 'counter']);
    });
    const copied = session.copy(memoryBlobs());
    if (made.judgement.sharp) await expect(copied).rejects.toMatchObject({ code: 'cut.lost' });
    else await copied.catch(() => undefined);
    const again = await cut(session);
    expect(again.judgement.sharp).toBe(true);
    await session.copy(memoryBlobs());
  });

  test('a save that runs already is waited for, not joined', async () => {
    await rig.other.call(['SET', 'large', 'x'.repeat(5_000_000)]);
    await using session = await redis.prepare({ url: rig.server.url }, host, testContext());
    await rig.other.call(['BGSAVE']);
    const { judgement, evidence } = await cut(session);
    expect(judgement.sharp).toBe(true);
    expect(evidence.conditions.every(({ expected, observed }) => expected === observed)).toBe(true);
  });

  test('the last reading comes before the thaw of the same exchange, and is no worse than one by itself', async () => {
    await using session = await redis.prepare({ url: rig.server.url }, host, testContext());
    const { hold, mark } = session;
    await hold!.settle!(never);
    await hold!.freeze(5_000, never);
    const [marked] = await mark!.take(never);
    const waiting = rig.other.call(['INCR', 'counter']);
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
    await using primary = await startRedis({ binary: rig.binary, config: { 'repl-ping-replica-period': 1 } });
    await using replica = await startRedis({
      binary: rig.binary,
      config: { replicaof: `127.0.0.1 ${primary.port}` },
    });
    await primary.cli('SET', 'a', 'b');
    for (let waited = 0; waited < 200 && (await replica.cli('GET', 'a')) !== 'b'; waited += 1)
      await sleep(50);
    await using session = await redis.prepare({ url: primary.url }, host, testContext());
    const offset = async () =>
      Number(/master_repl_offset:(\d+)/.exec(await primary.cli('INFO', 'replication'))?.[1]);
    /** One PING in the stream of replication has 14 bytes, and one there was while we held. */
    let met = false;
    for (let round = 0; round < 20 && !met; round += 1) {
      const from = await offset();
      let held = 0;
      let inside = 0;
      const { judgement } = await cut(session, async (moment) => {
        if (moment === 'held') held = await offset();
        if (moment !== 'marked') return;
        await sleep(900);
        inside = (await offset()) - held;
      });
      const around = (await offset()) - from;
      await session.copy(memoryBlobs());
      // Of one that came between a reading of ours and the driver's own nobody can say what it saw.
      if (around !== inside) continue;
      expect({ inside, sharp: judgement.sharp }).toEqual({ inside, sharp: inside <= 14 });
      met = inside === 14;
    }
    expect(met).toBe(true);
  });

  test(`the version that was tested is ${rig.version}`, async () => {
    const { system } = await redis.plan({ url: rig.server.url }, host, testContext());
    expect(system.version).toBe(rig.version);
  });
});

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
