import { expect, test } from '@jest/globals';
import { memoryBlobs, testContext } from '../../../test/support/context.ts';
import { host, never, redis } from '../../../test/support/redis-capture.ts';
import { describeEveryRedis } from '../../../test/support/redis-everywhere.ts';
import { startRedis } from '../../../test/support/redis-server.ts';
import { redisVersions } from '../../../test/support/redis-versions.ts';
import { Connection } from './connection.ts';

const { servers } = await redisVersions();

describeEveryRedis(servers, (rig) => {
  test('a mark without a lock is of the epoch before and after it, where nobody wrote', async () => {
    await using session = await redis.prepare({ url: rig.server.url }, host, testContext());
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
      await using fresh = await startRedis({ binary: rig.binary });
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
    await using other = await Connection.open({ url: rig.server.url }, never);
    await using session = await redis.prepare({ url: rig.server.url }, host, testContext());
    let asking = true;
    const asked = (async () => {
      while (asking) await other.call(['PING']);
    })();
    let busy = 0;
    // Each look is of one moment, and between two questions there is one in which nobody asks.
    for (let look = 0; look < 2_000 && busy === 0; look += 1) busy = (await session.watch!.busy!(never))!;
    asking = false;
    await asked;
    expect(busy).toBeGreaterThan(0);
    expect(await session.watch!.busy!(never)).toBe(0);
  });
});
