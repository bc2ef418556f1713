import { randomBytes } from 'node:crypto';
import type { Context } from '../../../core/context.ts';
import type { RestoreOptions } from '../../../core/driver.ts';
import { StasisError, throwIfAborted } from '../../../core/errors.ts';
import type { BlobReader } from '../../../core/store.ts';
import { sleep, within } from '../../../core/wait.ts';
import { type Command, Connection } from '../connection.ts';
import type { CapturedContent } from '../content.ts';
import { factsOf, numberOf, readInfo, type ServerFacts } from '../info.ts';
import type { FollowEntry, JournalEntry } from '../journal.ts';
import { type Layout, type Occupancy, readLibraries } from '../layout.ts';
import { rollBack } from '../roll-back.ts';
import type { RedisSpec } from '../spec.ts';
import { FollowLease } from './lease.ts';
import { routeTo } from './route.ts';
import { StandIn } from './stand-in.ts';
import { type Followed, followFailed, follows, STAND_IN_USER, stopFollowing } from './stop-following.ts';
import { rdbToLoad } from './stream.ts';
import { whyNotFollow } from './why-not.ts';

/** A target that reaches us connects within a round trip, or at its next second. */
const CONNECT_MS = 4_000;
/** Loading is a matter of seconds a GB; a target that takes longer than this is given up. */
const LOAD_MS = 1_800_000;
const POLL_MS = 20;
/** Writes are held back while the target is looked at a last time; its own timer ends that. */
const PAUSE_MS = 2_000;
/** Letting go must end, whatever became of the rest. */
const LET_GO_MS = 150_000;

export interface FollowLoad {
  readonly spec: RedisSpec;
  readonly connection: Connection;
  readonly content: CapturedContent;
  readonly blobs: BlobReader;
  readonly context: Context;
  readonly options: RestoreOptions;
  readonly facts: ServerFacts;
  readonly target: Occupancy;
  readonly layout: Layout;
  readonly shiftMs: number;
  readonly entry: JournalEntry;
}

/**
 * Loads the keys of a capture by letting an empty target follow a stand-in master of ours, which sends them as one RDB
 * into the free databases that RESTORE would fill: afterwards nothing tells the two ways apart. The target is a
 * master again on return, whatever happened.
 *
 * @returns false where it cannot be done or did not work; the target is as before then
 */
export async function loadByFollowing(load: FollowLoad): Promise<boolean> {
  const { context, connection, entry } = load;
  const { signal } = context;
  const reason = await whyNotFollow(load);
  if (reason !== undefined) return byRestore(context, reason);
  try {
    await follow(load);
    return true;
  } catch (error) {
    throwIfAborted(signal);
    if (!(error instanceof StasisError)) throw error;
    // Only a target that runs by itself again, and is as empty as before, may be loaded in another way.
    if (!connection.open || error.code === LEFT_BEHIND) throw error;
    await rollBack(connection, entry, signal);
    return byRestore(context, error.message);
  }
}

const LEFT_BEHIND = 'redis.left-following';

function byRestore(context: Context, reason: string): false {
  context.logger.log('info', 'the target is loaded by RESTORE, which is slower than a replication', {
    reason,
  });
  return false;
}

async function follow(load: FollowLoad): Promise<void> {
  const { spec, content, blobs, context, options, layout, shiftMs } = load;
  const { signal } = context;
  const route = await routeTo(spec, signal);
  const password = randomBytes(24).toString('hex');
  const rdb = rdbToLoad(content, blobs, { ...options, loadInto: layout.loadInto, shiftMs });
  await using standIn = await StandIn.listen({
    ...{ address: route.local, peer: route.peer, user: STAND_IN_USER, password, rdb },
  });
  const followed: Followed = { host: route.local, port: standIn.port };
  await options.journal({ kind: 'follow', ...followed } satisfies FollowEntry);
  await using lease = await FollowLease.arm(spec.url, followed, signal);
  try {
    await tellToFollow(load, followed, password);
    context.progress({ step: 'load', message: `${content.keys} keys, by replication` });
    await loaded(load, standIn, followed, lease);
  } finally {
    await letGo(load, followed, lease);
  }
}

/** With writes held back, so that nothing that came since the target was found empty is lost. */
async function tellToFollow(load: FollowLoad, followed: Followed, password: string): Promise<void> {
  const { connection, context } = load;
  const { signal } = context;
  await connection.call(['CLIENT', 'PAUSE', String(PAUSE_MS), 'WRITE'], { signal });
  try {
    const info = await readInfo(connection, signal);
    const libraries = await readLibraries(connection, signal);
    if (factsOf(info).keys.size > 0 || libraries.size > 0 || info.get('role') !== 'master')
      throw followFailed('somebody else uses it');
    const commands: Command[] = [
      ['CONFIG', 'SET', 'masteruser', STAND_IN_USER],
      ['CONFIG', 'SET', 'masterauth', password],
      ['REPLICAOF', followed.host, String(followed.port)],
    ];
    for (const command of commands) await connection.call(command, { signal });
  } finally {
    if (connection.open) await connection.attempt(['CLIENT', 'UNPAUSE']);
  }
}

/** Until the target has loaded what it was sent. */
async function loaded(
  load: FollowLoad,
  standIn: StandIn,
  followed: Followed,
  lease: FollowLease,
): Promise<void> {
  const { connection, context } = load;
  await within(CONNECT_MS, 'the target', context.signal, () => standIn.asked);
  await within(LOAD_MS, 'loading', context.signal, async (signal) => {
    let sent = false;
    standIn.done.then(
      () => {
        sent = true;
      },
      // Why not shows below.
      () => undefined,
    );
    for (;;) {
      const info = await readInfo(connection, signal);
      if (!follows(info, followed)) throw followFailed('somebody else made it stop');
      if (sent && info.get('master_link_status') === 'up' && numberOf(info, 'loading') === 0) return;
      if (standIn.broken) throw followFailed('it closed the connection');
      if (!lease.holds) throw followFailed('its lease ended');
      await sleep(POLL_MS, signal);
    }
  });
}

/** The target is a master again; where that cannot be reached from here, the lease goes on trying. */
async function letGo(load: FollowLoad, followed: Followed, lease: FollowLease): Promise<void> {
  const { spec, connection } = load;
  const signal = AbortSignal.timeout(LET_GO_MS);
  try {
    if (connection.open) await stopFollowing(connection, followed, signal);
    else {
      await using another = await Connection.open(spec, signal);
      await stopFollowing(another, followed, signal);
    }
  } catch (cause) {
    lease.handOver();
    throw new StasisError(LEFT_BEHIND, 'The target was told to follow us, and could not be told to stop.', {
      hint: 'A process of ours goes on trying for five minutes; otherwise run REPLICAOF NO ONE on it.',
      at: ['url'],
      cause,
    });
  }
}
