import type { Pause } from '../core/certificate.ts';
import type { Context } from '../core/context.ts';
import { StasisError, throwIfAborted } from '../core/errors.ts';
import { within } from '../core/wait.ts';
import { allSettledOrThrow } from './concurrently.ts';
import { atMember, byRank, type CutLimits, type Participant } from './member.ts';
import type { Observation } from './ties.ts';

/** How much longer than the pause allowed a lease runs: the coordinator's own thaw should come first. */
const LEASE_MARGIN_MS = 3_000;
/** A thaw that is not answered within this is left to the lease. */
const THAW_MS = 3_000;
const memberOf = ({ member }: Participant) => member;

export interface HeldResult {
  readonly observations: Map<string, Observation>;
  readonly pauses: readonly Pause[];
}

/**
 * Holds the given members, lowest rank first and all of one rank at once, runs the work, takes the evidence, and
 * thaws, last held first, whatever happened. `maxPauseMs` bounds it all.
 */
export async function withHolds(
  holding: readonly Participant[],
  limits: CutLimits,
  context: Context,
  work: (signal: AbortSignal) => Promise<Map<string, Observation>>,
): Promise<HeldResult> {
  if (holding.length === 0) return { observations: await work(context.signal), pauses: [] };
  const leaseMs = limits.maxPauseMs + LEASE_MARGIN_MS;
  await allSettledOrThrow(holding, context.signal, async ({ member, session }, own) => {
    await session.hold!.settle?.(own, leaseMs).catch((error: unknown) => {
      throw atMember(member, error);
    });
  });
  await Promise.all(holding.map(({ session }) => session.hold!.renew?.()));
  const ranks = byRank(holding, memberOf);
  const fromNs = new Map<string, number>();
  const pauses: Pause[] = [];
  let step = 'hold';
  const cut = async (signal: AbortSignal): Promise<Map<string, Observation>> => {
    for (const rank of ranks)
      await allSettledOrThrow(rank, signal, async ({ member, session }, own) => {
        fromNs.set(member.name, context.clock.nowNs());
        await session.hold!.freeze(leaseMs, own).catch((error: unknown) => {
          throw atMember(member, error);
        });
      });
    step = 'mark';
    const observations = await work(signal);
    step = 'evidence';
    for (const [name, held] of await takeEvidence(holding, signal))
      observations.set(name, { ...observations.get(name)!, held });
    return observations;
  };
  let running: Promise<unknown> | undefined;
  let failed = true;
  try {
    const observations = await within(limits.maxPauseMs, 'the pause', context.signal, (signal) => {
      const work = cut(signal);
      running = work.catch(() => undefined);
      return work;
    });
    failed = false;
    return { observations, pauses };
  } catch (error) {
    throwIfAborted(context.signal);
    if (error instanceof StasisError && error.code === 'timeout') throw pausedTooLong(limits, step, error);
    throw error;
  } finally {
    await thawRanks(ranks, context, (member) => {
      const startNs = fromNs.get(member);
      if (startNs !== undefined) pauses.push({ member, fromNs: startNs, toNs: context.clock.nowNs() });
    });
    if (failed) {
      // A freeze that was still under way when the deadline or a cancel came may be answered after that thaw.
      await within(THAW_MS, 'the end of the cut', undefined, async () => running).catch(() => undefined);
      await thawRanks(ranks, context);
    }
  }
}

/**
 * First of those whose thaw comes by itself, so that all are still held; then of those that are thawed in the same
 * exchange, last held first. A hold ends when its last reading is asked for, so no mark is outside of one.
 */
async function takeEvidence(
  holding: readonly Participant[],
  outer: AbortSignal,
): Promise<Map<string, NonNullable<Observation['held']>>> {
  const gathered = new Map<string, NonNullable<Observation['held']>>();
  const apart = holding.filter(({ session }) => !session.hold!.thawWithEvidence);
  const together = holding.filter(({ session }) => session.hold!.thawWithEvidence);
  for (const some of [apart, ...byRank(together, memberOf).toReversed()])
    await allSettledOrThrow(some, outer, async ({ member, session }, signal) => {
      const hold = session.hold!;
      const evidence = await (hold.thawWithEvidence?.(signal) ?? hold.evidence(signal));
      gathered.set(member.name, { how: hold.how, evidence });
    });
  return gathered;
}

async function thawRanks(
  ranks: readonly (readonly Participant[])[],
  context: Context,
  thawed: (member: string) => void = () => {},
): Promise<void> {
  for (const rank of ranks.toReversed())
    await Promise.all(
      rank.map(async (participant) => {
        await thaw(participant, context);
        thawed(participant.member.name);
      }),
    );
}

function pausedTooLong(limits: CutLimits, step: string, cause: StasisError): StasisError {
  return new StasisError(
    'cut.pause-too-long',
    `The members were held for longer than maxPauseMs (${limits.maxPauseMs} ms) at the step "${step}"; they run again.`,
    {
      hint: 'Allow a longer pause with maxPauseMs, or capture at a quieter time.',
      at: ['maxPauseMs'],
      cause,
    },
  );
}

/** A thaw does not depend on anybody's signal. One that fails is left to the lease, which runs on the member's side. */
async function thaw({ member, session }: Participant, context: Context): Promise<void> {
  try {
    await within(THAW_MS, `thawing ${member.name}`, undefined, () => session.hold!.thaw());
  } catch (error) {
    context.logger.log('error', 'a member did not answer its thaw; its lease will let it go on', {
      member: member.name,
      reason: error instanceof Error ? error.message : String(error),
    });
  }
}
