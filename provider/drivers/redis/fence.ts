import type { Context } from '../../core/context.ts';
import type { RestoreOptions } from '../../core/driver.ts';
import { StasisError } from '../../core/errors.ts';
import { type Command, Connection } from './connection.ts';
import { readSetting } from './follow/stop-following.ts';
import type { FenceEntry } from './journal.ts';
import { checkRights } from './rights.ts';
import type { RedisSpec } from './spec.ts';

const NAME = 'min-replicas-to-write';
/**
 * A server that is told to have more replicas than there are answers every write with NOREPLICAS, whoever asks, those of
 * scripts and transactions among them, and goes on answering reads. Unlike CLIENT PAUSE it does not end by itself. It
 * ends when the server is started anew, unless the configuration is rewritten (CONFIG REWRITE).
 */
const FENCED = '1000000';
const RAISE: readonly Command[] = [
  ['CONFIG', 'GET', NAME],
  ['CONFIG', 'SET', NAME, FENCED],
];

export async function fenceObstacles(spec: RedisSpec, { signal }: Context): Promise<StasisError[]> {
  await using connection = await Connection.open(spec, signal);
  const rights = await checkRights(connection, RAISE, signal);
  const value = await readSetting(connection, NAME, signal);
  const lag = await readSetting(connection, 'min-replicas-max-lag', signal);
  const refuse = (code: string, message: string, hint: string): StasisError =>
    new StasisError(`redis.${code}`, message, { hint, at: ['url'] });
  if (value === undefined || rights.some((right) => right === 'denied' || right === 'unknown-command'))
    return [
      refuse(
        'fence-no-config',
        'The server cannot be fenced: CONFIG SET is not allowed, or not there.',
        'Give the login CONFIG, or stop the clients and restore without a fence.',
      ),
    ];
  // With a lag of 0 the server counts no replicas, and takes all writes.
  if (lag === '0')
    return [
      refuse(
        'fence-no-lag',
        'min-replicas-max-lag is 0, with which no fence holds.',
        'CONFIG SET min-replicas-max-lag 10',
      ),
    ];
  return [];
}

export async function raise(
  spec: RedisSpec,
  journal: RestoreOptions['journal'],
  { signal }: Context,
): Promise<void> {
  await using connection = await Connection.open(spec, signal);
  const found = (await readSetting(connection, NAME, signal)) ?? '0';
  const before = found === FENCED ? '0' : found;
  await journal({ kind: 'fence', before } satisfies FenceEntry);
  await connection.call(['CONFIG', 'SET', NAME, FENCED], { signal });
}

/** Idempotent. What somebody else has set since stays. */
export async function lift(
  connection: Connection,
  { before }: FenceEntry,
  signal: AbortSignal,
): Promise<void> {
  if ((await readSetting(connection, NAME, signal)) !== FENCED) return;
  await connection.call(['CONFIG', 'SET', NAME, before], { signal });
}
