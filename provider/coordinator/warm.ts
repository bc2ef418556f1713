import type { Context } from '../core/context.ts';
import { throwIfAborted } from '../core/errors.ts';
import { nsToMs } from '../core/units.ts';
import type { Warmth } from '../core/warmth.ts';
import type { Loaded, MemberRestore } from './restore.ts';

export interface MemberWarmth extends Warmth {
  readonly warmMs: number;
}

/**
 * Brings back what lay in the caches of what is loaded, all members at once, and adds what came of it. A cache that
 * stays cold fails no restore: why it does is said.
 */
export async function warmAll(loaded: readonly Loaded[], context: Context): Promise<readonly Loaded[]> {
  const warmed = await Promise.all(
    loaded.map(async (one) => ({ ...one, verdict: await warmOne(one, context) })),
  );
  throwIfAborted(context.signal);
  return warmed;
}

/** Of those members that were warmed. */
export function warmthsOf(
  members: Readonly<Record<string, Pick<MemberRestore, 'warmth'>>>,
): Record<string, MemberWarmth> {
  return Object.fromEntries(
    Object.entries(members).flatMap(([name, { warmth }]) => (warmth === undefined ? [] : [[name, warmth]])),
  );
}

async function warmOne({ member, held, verdict }: Loaded, context: Context): Promise<MemberRestore> {
  if (held.warm === undefined) return verdict;
  context.progress({ step: 'warm', member: member.name });
  const startNs = context.clock.nowNs();
  const warmth = await held.warm().catch((error: unknown): Warmth => {
    const reason = error instanceof Error ? error.message : String(error);
    context.logger.log('warn', 'caches were not warmed', { member: member.name, reason });
    return { hotBytes: undefined, warmedBytes: 0, reason: `It could not be warmed: ${reason}` };
  });
  return { ...verdict, warmth: { ...warmth, warmMs: nsToMs(context.clock.nowNs() - startNs) } };
}
