import type { Context } from '../core/context.ts';
import { within } from '../core/wait.ts';
import { allSettledOrThrow } from './concurrently.ts';
import { drain } from './drain.ts';
import type { Journal } from './journal.ts';
import { atOriginal, byRank, type Member, type Participant } from './member.ts';

/** An original that was about to be fenced, and what lifts that. */
export type Raised = readonly [Member, unknown];

const RAISE_MS = 60_000;
const LIFT_MS = 60_000;
const ENDED_MS = 20_000;
/** How long what stopped clients had asked of their stores is waited for. */
const DRAIN_MS = 2_000;
const PREPARE_MS = 60_000;

/**
 * Clients first: what they had sent by then is worked off and not refused, so that what they know, and their stores, agree.
 * A client that stopped in the middle of a transaction leaves it open: whoever fences its store ends it, or has it refused.
 */
export async function raiseAll(
  originals: readonly Member[],
  journal: Journal,
  raised: Raised[],
  context: Context,
): Promise<void> {
  for (const [index, rank] of byRank(originals, (member) => member).entries()) {
    if (index > 0) await drainOf(rank, context);
    await allSettledOrThrow(rank, context.signal, async (original, outer) => {
      const { driver, spec, host, name } = original;
      const note = async (entry: unknown): Promise<void> => {
        await journal.note(original, entry);
        raised.push([original, entry]);
      };
      let raising: Promise<unknown> | undefined;
      try {
        await within(RAISE_MS, `fencing ${name}`, outer, (signal) => {
          const work = driver.fence!.raise(spec, host, note, { ...context, signal });
          raising = work.catch(() => undefined);
          return work;
        });
      } catch (error) {
        // What was cut off on its way may still be done, and must not be once it is lifted.
        await within(ENDED_MS, 'the end of a fence', undefined, async () => raising).catch(() => undefined);
        throw atOriginal(original, error);
      }
    });
  }
}

/** As in a cut; others than members may keep a store busy for ever. */
async function drainOf(stores: readonly Member[], context: Context): Promise<void> {
  await using sessions = new AsyncDisposableStack();
  const participants = await allSettledOrThrow(
    stores,
    context.signal,
    async (member, outer): Promise<Participant> => {
      try {
        const { driver, spec, host, name } = member;
        const session = await within(PREPARE_MS, `reaching ${name}`, outer, () =>
          driver.prepare(spec, host, { ...context, signal: outer }),
        );
        return { member, session: sessions.use(session) };
      } catch (error) {
        throw atOriginal(member, error);
      }
    },
  );
  await drain(participants, context.clock.nowNs() + DRAIN_MS * 1e6, context.signal, context);
}

/** Stores first, so that no client finds them closed. The journal stays where lifting fails: the next apply lifts it. */
export async function liftAll(raised: readonly Raised[], journal: Journal, context: Context): Promise<void> {
  let failed: PromiseRejectedResult | undefined;
  for (const rank of byRank(raised, ([member]) => member).toReversed()) {
    const outcomes = await Promise.allSettled(
      rank.map(([{ driver, spec, host, name }, entry]) =>
        within(LIFT_MS, `lifting the fence of ${name}`, undefined, (signal) =>
          driver.undo(spec, host, entry, { ...context, signal }),
        ),
      ),
    );
    failed ??= outcomes.find((outcome) => outcome.status === 'rejected');
  }
  if (failed === undefined) return journal.close();
  const reason = failed.reason instanceof Error ? failed.reason.message : String(failed.reason);
  context.logger.log('error', 'an original could not be let go on; the next apply will', { reason });
}
