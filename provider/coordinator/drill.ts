import type { Context } from '../core/context.ts';
import { StasisError, throwIfAborted } from '../core/errors.ts';
import type { SampleWarmth } from '../core/sample.ts';
import { nsToMs } from '../core/units.ts';
import { within } from '../core/wait.ts';
import { resultOf } from './compare.ts';
import { Journal, sweepJournals } from './journal.ts';
import { measureWarmth } from './measured-warmth.ts';
import { throwFirstError } from './plan.ts';
import { rehearse } from './rehearsal.ts';
import {
  insistOnWholeness,
  type Loaded,
  loadAll,
  lockTargets,
  type RestoreResult,
  ROLL_BACK_MS,
  verdictsOf,
} from './restore.ts';
import { planRestore, type RestoreRequest } from './restore-plan.ts';
import { warmAll } from './warm.ts';

export interface DrillResult extends RestoreResult {
  /** How long it took to remove what was loaded. */
  readonly teardownMs: number;
  /** How quickly each sample was answered, where that was asked for. */
  readonly measured: Readonly<Record<string, SampleWarmth>>;
}

/**
 * A restore up to the comparison, of which nothing is released: everything is loaded into empty targets, asked,
 * fingerprinted and compared, and then taken down again. The targets are looked at once more, so that nothing stays
 * behind unsaid.
 *
 * @param warmWithinMs for how long at most what is loaded is asked the snapshot's samples; not at all unless said
 * @throws StasisError besides those of a restore, `drill.left-behind`
 */
export async function drill(
  request: RestoreRequest,
  context: Context,
  warmWithinMs?: number,
): Promise<DrillResult> {
  const startNs = context.clock.nowNs();
  await using _locks = await lockTargets(request, context);
  context.progress({ step: 'plan' });
  await sweepJournals(request.store, request.members, context);
  throwFirstError((await planRestore(request, context)).problems);
  await insistOnWholeness(request, context);

  const held = new AsyncDisposableStack();
  const journal = new Journal(request.store, request.restoreId);
  let members: RestoreResult['members'];
  let loadedNs: number;
  let measured: DrillResult['measured'] = {};
  try {
    const compared = await loadAll(request, [], journal, held, context);
    const warmed = request.warm === true ? await warmAll(compared, context) : compared;
    members = verdictsOf(await rehearse(request, warmed, context));
    loadedNs = context.clock.nowNs();
    if (warmWithinMs !== undefined) measured = await measure(request, warmed, warmWithinMs, context);
  } catch (error) {
    await tearDown(held, journal, context).catch((left: StasisError) => {
      context.logger.log('error', left.message, { hint: left.hint });
    });
    throw error;
  }
  const endedNs = context.clock.nowNs();
  await tearDown(held, journal, context);
  throwIfAborted(context.signal);
  await insistOnEmptiness(request, context);
  const teardownMs = nsToMs(context.clock.nowNs() - endedNs);
  return { ...resultOf(members), members, measured, restoreMs: nsToMs(loadedNs - startNs), teardownMs };
}

/** Of what is loaded and can be asked before a release. */
function measure(
  { snapshot }: RestoreRequest,
  loaded: readonly Loaded[],
  withinMs: number,
  context: Context,
): Promise<DrillResult['measured']> {
  const sinceNs = context.clock.nowNs();
  const answersOf = async (name: string) => loaded.find(({ member }) => member.name === name)?.held.answers;
  return measureWarmth(snapshot, { sinceNs, withinMs, answersOf }, context);
}

/** The journal stays where it fails: the next restore or drill into these targets undoes what is left. */
async function tearDown(held: AsyncDisposableStack, journal: Journal, context: Context): Promise<void> {
  context.progress({ step: 'tear down' });
  try {
    await within(ROLL_BACK_MS, 'taking down', undefined, () => held.disposeAsync());
  } catch (cause) {
    throw new StasisError('drill.left-behind', 'What the drill had loaded could not be taken down.', {
      hint: 'The next drill or restore into these targets removes it first.',
      at: ['members'],
      cause,
    });
  }
  await journal.close();
}

async function insistOnEmptiness(request: RestoreRequest, context: Context): Promise<void> {
  const { members } = await planRestore(request, context);
  const left = request.members.filter(({ name }) => members.get(name)?.empty !== true);
  if (left.length === 0) return;
  const names = left.map(({ name }) => name);
  throw new StasisError(
    'drill.left-behind',
    `After the drill the target of ${names.map((name) => `"${name}"`).join(', ')} is not empty.`,
    {
      hint: 'Something else writes to it, or a part of what was loaded stayed: look at it before the next drill.',
      at: ['members', names[0]!],
    },
  );
}
