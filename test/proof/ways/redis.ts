import type { Application } from '../application.ts';
import type { Sabotage } from '../sabotaged.ts';
import { type MemberName, next, type Way } from './way.ts';

const WITH_REDIS = ['a', 'b', 'redis'] as const;

function redisWay(
  name: string,
  sabotage: (application: Application) => Sabotage,
  members: readonly MemberName[] = WITH_REDIS,
): Way {
  return { name, members, sabotage: async (application) => ({ redis: sabotage(application) }) };
}

/** Another client ends the lock, and a write comes in before it is set again: at the hook given. */
function unpausedWrite(
  hook: 'beforeMark' | 'beforeEvidence',
  name: string,
  command: () => string[],
  undo: string[] = [],
): Way {
  return redisWay(`redis: ${name} ${hook === 'beforeMark' ? 'before' : 'after'} the fork`, ({ redis }) => ({
    [hook]: async () => {
      await redis.cli('CLIENT', 'UNPAUSE');
      await redis.cli(...command());
      if (undo.length > 0) await redis.cli(...undo);
    },
  }));
}

const WRITES: [string, () => string[]][] = [
  ['an unpause and a SET', () => ['SET', 'sabotage', String(next())]],
  ['an unpause and a DEL', () => ['DEL', `key:${next() % 200}`, 'key:0', 'sabotage']],
  ['an unpause and a FLUSHALL', () => ['FLUSHALL']],
  ['an unpause and an expiry', () => ['SET', `volatile:${next()}`, 'x', 'EX', '1000']],
  ['an unpause and a write in another database', () => ['-n', '5', 'SET', 'sabotage', String(next())]],
  ['an unpause and a script that writes', () => ['EVAL', "return redis.call('INCR', 'scripted')", '0']],
  ['an unpause and an appended stream entry', () => ['XADD', 'stream', '*', 'n', String(next())]],
  [
    'an unpause and a rename',
    () => ['EVAL', "redis.call('SET','old','1') return redis.call('RENAME','old','new')", '0'],
  ],
];

export const redisWays: Way[] = [
  ...WRITES.flatMap(([name, command]) => [
    unpausedWrite('beforeMark', name, command),
    unpausedWrite('beforeEvidence', name, command),
  ]),
  redisWay('redis: its lock ends as soon as it is set, and clients write', ({ redis }) => ({
    afterFreeze: async () => {
      await redis.cli('CLIENT', 'UNPAUSE');
      await redis.cli('SET', 'sabotage', String(next()));
    },
    beforeEvidence: async () => {
      await redis.cli('SET', 'sabotage', String(next()));
    },
  })),
  redisWay('redis: a foreign BGSAVE within the lock, after the fork', ({ redis }) => ({
    beforeEvidence: async () => {
      await waitForNoChild(redis);
      await redis.cli('BGSAVE');
    },
  })),
  redisWay('redis: the statistics that count forks are reset', ({ redis }) => ({
    beforeEvidence: async () => {
      await redis.cli('CONFIG', 'RESETSTAT');
    },
  })),
  redisWay('redis: the locking connection is killed', ({ redis }) => ({
    beforeEvidence: async () => {
      await redis.cli('CLIENT', 'KILL', 'TYPE', 'normal');
    },
  })),
  redisWay('redis: the replica connection is killed before it has the data', ({ redis }) => ({
    // The fork keeps the delay that it was born with: 200 keys then take more than half a second.
    beforeMark: async () => {
      await redis.cli('CONFIG', 'SET', 'rdb-key-save-delay', '3000');
    },
    beforeEvidence: async () => {
      await redis.cli('CONFIG', 'SET', 'rdb-key-save-delay', '0');
      await redis.cli('CLIENT', 'KILL', 'TYPE', 'replica');
    },
  })),
  {
    name: 'redis: a foreign BGSAVE that a SYNC would join, and a write after its fork',
    members: WITH_REDIS,
    sabotage: async ({ redis }) => ({
      redis: {
        beforeMark: async () => {
          await redis.cli('CONFIG', 'SET', 'rdb-key-save-delay', '5000');
          await redis.cli('BGSAVE');
          await redis.cli('CONFIG', 'SET', 'rdb-key-save-delay', '0');
          await redis.cli('CLIENT', 'UNPAUSE');
          await redis.cli('SET', 'sabotage', String(next()));
        },
      },
    }),
    cleanUp: ({ redis }) => waitForNoChild(redis),
  },
];

async function waitForNoChild(redis: Application['redis']): Promise<void> {
  for (let tried = 0; tried < 200; tried += 1) {
    const info = await redis.cli('INFO', 'persistence');
    if (/rdb_bgsave_in_progress:0/.test(info)) return;
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
  throw new Error('a BGSAVE did not end');
}
