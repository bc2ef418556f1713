import { compareStates } from '../core/compare-states.ts';
import type { Context } from '../core/context.ts';
import { StasisError } from '../core/errors.ts';
import type { Probe } from '../core/probe.ts';
import type { SealedSnapshot } from '../core/store.ts';
import type { MemberDifference } from '../core/verdict.ts';
import { capture } from './capture.ts';
import { capturedState, heldState, memberVerdict, type OpenSnapshot } from './compare.ts';
import { allSettledOrThrow } from './concurrently.ts';
import { liftAll, type Raised, raiseAll } from './fence-raise.ts';
import { Journal, sweepJournals } from './journal.ts';
import { originalProblems } from './lost-work.ts';
import { atOriginal, type Member, placeOf } from './member.ts';
import { throwFirstError } from './plan.ts';
import { lockTargets, type RestoreResult, restore } from './restore.ts';
import { planRestore, type RestoreRequest } from './restore-plan.ts';

/** What stands under the name `final-…`, and whose generation was restored. */
export interface FencedResult extends RestoreResult {
  readonly final: { readonly name: string; readonly digest: `sha256:${string}` };
}

/** Nobody writes any more and nothing runs, so that the cut is found at once, and a pause takes nothing from anybody. */
const FINAL_LIMITS = { maxPauseMs: 60_000, maxBlurMs: 0 };

/** What keeps originals from being fenced: reads only. Placed under `original`. */
export async function planFence(
  request: Pick<RestoreRequest, 'members' | 'snapshot'>,
  originals: readonly Member[],
  context: Context,
): Promise<StasisError[]> {
  const captured = Object.keys(request.snapshot.manifest.members);
  const problems = captured
    .filter((name) => !originals.some((original) => original.name === name))
    .map((name) => refused(`The snapshot's member "${name}" has no original.`, []));
  problems.push(...originalProblems(request.snapshot, originals));
  const targets = new Set(request.members.map(placeOf));
  const found = await Promise.all(
    originals.map(async (original): Promise<readonly StasisError[]> => {
      const { driver, spec, host, name } = original;
      if (targets.has(placeOf(original)))
        return [refused(`The original of "${name}" is a target as well.`, [name, driver.name])];
      if (driver.fence === undefined)
        return [refused(`What is captured by ${driver.name} cannot be fenced.`, [name, driver.name])];
      try {
        const obstacles = await driver.fence.obstacles(spec, host, context);
        return obstacles.map((problem) => atOriginal(original, problem));
      } catch (error) {
        return [atOriginal(original, error)];
      }
    }),
  );
  return [...problems, ...found.flat()];
}

function refused(message: string, at: readonly string[]): StasisError {
  return new StasisError('fence.refused', message, {
    hint: 'A fence stops the whole application: name the original of every member, of kinds that can be fenced, or stop the application yourself and leave fence out.',
    at: ['original', ...at],
  });
}

/**
 * A restore that loses nothing and does nothing twice: first the originals are kept from taking writes; then the final
 * photograph is taken, and that is what is restored; and before anything of it is released, the originals are compared
 * with it once more. Whatever fails until then lifts the fence. From the release on it stays up for good, as there must
 * not be two that take writes.
 */
export async function fencedRestore(
  request: RestoreRequest,
  originals: readonly Member[],
  context: Context,
): Promise<FencedResult> {
  await using _locks = await lockTargets({ store: request.store, members: originals }, context);
  await sweepJournals(request.store, originals, context);
  throwFirstError(await planFence(request, originals, context));
  const planned = await planRestore(request, context);
  throwFirstError(planned.problems);
  const begun = [...planned.members.values()].some(({ restoredBy }) => restoredBy === request.restoreId);
  if (begun) return goOn(request, context);

  const journal = new Journal(request.store, `fence-${request.restoreId}`);
  const raised: Raised[] = [];
  let stays = false;
  try {
    context.progress({ step: 'fence' });
    await raiseAll(originals, journal, raised, context);
    const sealed = await photograph(request, originals, context);
    const snapshot = await request.store.open(sealed.name, sealed.digest, context);
    const result = await restore({ ...request, snapshot }, context, async () => {
      await insistOnStillness(originals, snapshot, context);
      // Forgotten before the release: a fence must not be lifted by whoever sweeps once the twin takes writes.
      await journal.close();
      stays = true;
    });
    return { ...result, final: { name: sealed.name, digest: sealed.digest } };
  } catch (error) {
    if (!stays) await liftAll(raised, journal, context);
    throw error;
  }
}

/** Some targets run already, so the fence has been up since: what was photographed then is what the others get. */
async function goOn(request: RestoreRequest, context: Context): Promise<FencedResult> {
  const name = finalName(request);
  const record = await request.store.name(name);
  const [newest] = (record?.generations ?? []).toSorted((a, b) => b.generation - a.generation);
  if (newest === undefined)
    throw new StasisError('fence.no-photograph', 'The final photograph of this restore is gone.', {
      hint: 'Change triggers to restore from another snapshot.',
    });
  const snapshot = await request.store.open(name, newest.digest, context);
  const result = await restore({ ...request, snapshot }, context);
  return { ...result, final: { name, digest: newest.digest } };
}

/** By it the restore whose final photograph it is can be told. */
export const FINAL_NAME = /^final-(.+)$/;

function finalName({ restoreId }: RestoreRequest): string {
  return `final-${restoreId}`;
}

function photograph(
  request: RestoreRequest,
  originals: readonly Member[],
  context: Context,
): Promise<SealedSnapshot> {
  const { store, restoreId, createdBy } = request;
  return capture(
    {
      ...{ name: finalName(request), owner: `restore:${restoreId}`, members: originals, store },
      ...{ limits: FINAL_LIMITS, createdBy, probes: probesOfFinal(request, originals) },
    },
    context,
  );
}

/** Those of the snapshot that a fence lets anybody ask: what is frozen answers nobody. Who waits for the switch waits for no more. */
function probesOfFinal(
  { snapshot }: Pick<RestoreRequest, 'snapshot'>,
  originals: readonly Member[],
): readonly Probe[] {
  const answering = originals.filter(({ driver }) => !driver.traits.layers.includes('runtime'));
  return Object.entries(snapshot.manifest.probes ?? {})
    .filter(([, { member }]) => answering.some(({ name }) => name === member))
    .map(([name, { member, question, comparison, expect, timeoutMs }]) => ({
      ...{ name, member, question, comparison, timeoutMs, required: false },
      ...(expect === undefined ? {} : { expect }),
    }));
}

/**
 * A fence keeps out all who do not get around it on purpose; this shows that nobody has. What was stopped shows it by
 * what it has executed. Where that has moved, as a signal does that wakes it for nothing, it is compared like the others.
 */
async function insistOnStillness(
  originals: readonly Member[],
  snapshot: OpenSnapshot,
  context: Context,
): Promise<void> {
  context.progress({ step: 'compare', message: 'comparing the originals with the final photograph' });
  await allSettledOrThrow(originals, context.signal, async (original, signal) => {
    const { driver, spec, host, name } = original;
    const from = snapshot.manifest.members[name]!;
    const own = { ...context, signal };
    try {
      if (from.stopped !== undefined && (await driver.fence!.readStopped?.(spec, host, own)) === from.stopped)
        return;
      await using held = await driver.observe(spec, host, own);
      await using now = await heldState(held);
      const compared = await compareStates(capturedState(snapshot, name, driver), now, own);
      const { verdict, differences } = memberVerdict(name, compared, from.fidelity);
      if (verdict === 'drifted') throw breached(original, differences[0]);
    } catch (error) {
      throw atOriginal(original, error);
    }
  });
}

function breached({ name }: Member, first: MemberDifference | undefined): StasisError {
  return new StasisError(
    'fence.breached',
    `The original of "${name}" has changed in spite of the fence: ${first?.object ?? 'it'} ${first?.message ?? 'differs'}.`,
    {
      hint: 'Nothing was released, and the fence is lifted. Stop whoever gets around it, as docs/moving.md says for each kind, and apply again.',
    },
  );
}
