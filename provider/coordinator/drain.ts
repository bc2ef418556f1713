import type { Condition } from '../core/certificate.ts';
import type { Context } from '../core/context.ts';
import { sleep } from '../core/wait.ts';
import { allSettledOrThrow } from './concurrently.ts';
import { atMember, type Participant } from './member.ts';

const POLL_MS = 1;

/**
 * Once clients are frozen: waits until what they had sent is worked off, within the bound, and says of each member
 * that can tell how much it was still working on. Those that were seen idle are drained as long as their epochs read
 * the same from then on.
 */
export async function drain(
  participants: readonly Participant[],
  untilNs: number,
  signal: AbortSignal,
  context: Context,
): Promise<ReadonlyMap<string, readonly Condition[]>> {
  const telling = participants.filter(({ session }) => session.watch?.busy);
  const seen = await allSettledOrThrow(telling, signal, async ({ member, session }, own) => {
    for (;;) {
      const busy = await session.watch!.busy!(own).catch((error: unknown) => {
        throw atMember(member, error);
      });
      if (busy === undefined) return undefined;
      if (busy === 0 || context.clock.nowNs() >= untilNs) return [member.name, idleWith(busy)] as const;
      await sleep(POLL_MS, own);
    }
  });
  return new Map(seen.filter((one) => one !== undefined));
}

function idleWith(busy: number): Condition[] {
  return [{ claim: 'requests in work once clients were frozen', expected: '0', observed: String(busy) }];
}
