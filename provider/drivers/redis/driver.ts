import type { Driver, Held } from '../../core/driver.ts';
import type { Host } from '../../core/host.ts';
import { Connection } from './connection.ts';
import { readContent } from './content.ts';
import { fenceObstacles, lift, raise } from './fence.ts';
import { fingerprintOfServer } from './fingerprint-live.ts';
import { stopFollowing } from './follow/stop-following.ts';
import { readInfo } from './info.ts';
import { readEntry } from './journal.ts';
import { readProgress } from './log-position.ts';
import { planCapture, refuseKind } from './plan.ts';
import { planRestore } from './plan-restore.ts';
import { answersOf, questions, RedisAnswers } from './probe.ts';
import { RestoredTarget } from './restored.ts';
import { rollBack } from './roll-back.ts';
import { RedisSession } from './session.ts';
import { endpointOf, type RedisSpec, redisSpec } from './spec.ts';

/**
 * Redis 6.2 to 8, and Valkey, by URL. See README.md beside this file for what it captures, how, and what it cannot.
 */
export const redisDriver: Driver<RedisSpec> = {
  name: 'redis',
  summary: 'A Redis or Valkey server, reached by its URL: all databases, functions and ACL users.',
  spec: redisSpec,
  traits: { layers: ['data'], fidelity: 'equivalent', copies: 'after-release', rank: 10 },
  questions,
  endpoint: endpointOf,
  plan: (spec, at, context) => planCapture(seenFrom(at, spec), context),
  prepare: (spec, at, context) => RedisSession.open(seenFrom(at, spec), context),
  planRestore: (spec, at, from, context) => planRestore(seenFrom(at, spec), from, context),
  restore: (spec, at, from, blobs, options, context) =>
    RestoredTarget.load(seenFrom(at, spec), readContent(from), blobs, options, context),
  async observe(given, at, context): Promise<Held> {
    const spec = seenFrom(at, given);
    await using connection = await Connection.open(spec, context.signal);
    refuseKind(await readInfo(connection, context.signal));
    const answers = new RedisAnswers(spec);
    return {
      fingerprint: () => fingerprintOfServer(spec, context),
      answers,
      release: async () => {},
      [Symbol.asyncDispose]: () => answers[Symbol.asyncDispose](),
    };
  },
  ask: async (spec, at) => answersOf(seenFrom(at, spec)),
  progress: (spec, at, since, context) => readProgress(seenFrom(at, spec), since, context),
  async undo(spec, at, entry, context): Promise<void> {
    await using connection = await Connection.open(seenFrom(at, spec), context.signal);
    const read = readEntry(entry);
    if (read.kind === 'fence') await lift(connection, read, context.signal);
    else if (read.kind === 'follow') await stopFollowing(connection, read, context.signal);
    else await rollBack(connection, read, context.signal);
  },
  fence: {
    obstacles: (spec, at, context) => fenceObstacles(seenFrom(at, spec), context),
    raise: (spec, at, journal, context) => raise(seenFrom(at, spec), journal, context),
  },
};

/** The URL is resolved on the member's host, and connections go by way of it. */
function seenFrom(at: Host, spec: RedisSpec): RedisSpec {
  return at.reach === undefined ? spec : { ...spec, reach: at.reach };
}
