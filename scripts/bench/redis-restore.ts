import { testContext } from '../../test/support/context.ts';
import { capture, restore, type TestCapture } from '../../test/support/redis-capture.ts';
import { type RedisServer, startRedis } from '../../test/support/redis-server.ts';
import { type Figure, median, timesBetter } from './figure.ts';

const ROUNDS = 3;
const REDIS_MB = 250;
/** Keys of some 250 bytes of memory each, as a cache of sessions has them. */
const KEYS = REDIS_MB * 4_000;

/** Loading a Redis by replication from a stand-in against RESTORE, key by key, both from the same capture in memory. */
export async function benchRedisRestore(): Promise<readonly Figure[]> {
  await using source = await startRedis();
  await source.cli(
    'EVAL',
    `for i = 1, ${KEYS} do redis.call('SET', 'session:' .. i, string.rep(redis.sha1hex(tostring(i)), 4)) end`,
    '0',
  );
  const captured = await capture({ url: source.url });
  await using empty = await startRedis();
  // A login to another master is never replaced, so this one is loaded by RESTORE.
  await using other = await startRedis({ config: { masterauth: 'of-another-master' } });
  const byReplicationS: number[] = [];
  const byRestoreS: number[] = [];
  for (let round = 0; round < ROUNDS; round += 1) {
    byReplicationS.push(await loadS(empty, captured, false));
    byRestoreS.push(await loadS(other, captured, true));
  }
  return [
    timesBetter({
      name: `load a Redis of ${REDIS_MB} MB`,
      unit: 's',
      ours: median(byReplicationS),
      peer: median(byRestoreS),
      peerName: 'RESTORE, key by key',
    }),
  ];
}

async function loadS(target: RedisServer, captured: TestCapture, byRestore: boolean): Promise<number> {
  const context = testContext();
  const startNs = process.hrtime.bigint();
  await using _held = await restore(target, captured, {}, context);
  const seconds = Number(process.hrtime.bigint() - startNs) / 1e9;
  const slow = context.lines.some(({ message }) => message.includes('loaded by RESTORE'));
  if (slow !== byRestore) throw new Error(`the target was ${slow ? 'not ' : ''}loaded by replication`);
  return seconds;
}
