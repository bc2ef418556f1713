import { setTimeout as sleep } from 'node:timers/promises';
import { expect, test } from '@jest/globals';
import { memoryBlobs, testContext } from '../../../test/support/context.ts';
import { cut, host, type Meddle, redis } from '../../../test/support/redis-capture.ts';
import { run } from '../../../test/support/redis-data.ts';
import { describeEveryRedis } from '../../../test/support/redis-everywhere.ts';
import { redisVersions } from '../../../test/support/redis-versions.ts';

const { servers } = await redisVersions();

describeEveryRedis(servers, (rig) => {
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
    await using session = await redis.prepare({ url: rig.server.url }, host, testContext());
    const { judgement } = await cut(session, meddle);
    expect(judgement.sharp).toBe(false);
    await rig.other.call(['ACL', 'DELUSER', 'slipped-in']);
    // The next cut, with nobody meddling, drops the earlier SYNC and is sharp.
    await rig.other.attempt(['CONFIG', 'RESETSTAT']);
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
      await run(rig.other, commands);
    };
  }

  test('a lock that its own timer ends is not taken for held', async () => {
    await using session = await redis.prepare({ url: rig.server.url }, host, testContext());
    const made = await cut(
      session,
      async (moment) => {
        // Waits for the end of the pause, and goes through while we believe to hold.
        if (moment === 'marked') await rig.other.call(['INCR', 'counter']);
      },
      50,
    );
    expect(made.judgement.sharp).toBe(false);
  });
});
