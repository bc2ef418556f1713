import { compareStates } from '../core/compare-states.ts';
import type { Context } from '../core/context.ts';
import type { Held } from '../core/driver.ts';
import { StasisError, throwIfAborted } from '../core/errors.ts';
import { nsToMs } from '../core/units.ts';
import { satisfies, type Verify } from '../core/verdict.ts';
import { within } from '../core/wait.ts';
import { capture } from './capture.ts';
import {
  type ComparisonResult,
  capturedState,
  heldState,
  type MemberVerdict,
  memberVerdict,
  resultOf,
} from './compare.ts';
import { allSettledOrThrow } from './concurrently.ts';
import { setEgress } from './egress.ts';
import { Journal, sweepJournals } from './journal.ts';
import { atMember, type Member, placeOf } from './member.ts';
import { throwFirstError } from './plan.ts';
import { rehearse } from './rehearsal.ts';
import { releaseAll } from './release.ts';
import { askReleased, type Unanswered, unansweredBy } from './released-probes.ts';
import { type PlannedRestore, planRestore, type RestoreRequest } from './restore-plan.ts';
import { askRestored, type RestoredProbes, unaskedProbes, withProbes } from './restored-probes.ts';
import { type MemberWarmth, warmAll } from './warm.ts';

export interface MemberRestore extends MemberVerdict {
  readonly restoreMs: number;
  /** Filled by this very restore before, and running since: it is not compared, as it changes all the time. */
  readonly running?: true;
  readonly probes: RestoredProbes;
  /** Where it was asked for, and the member has caches of its own that do not come back by themselves. */
  readonly warmth?: MemberWarmth;
}

export interface RestoreResult extends ComparisonResult {
  readonly members: Readonly<Record<string, MemberRestore>>;
  readonly restoreMs: number;
  /** Where what was overwritten is kept. */
  readonly safetyReference?: string;
  /** When all was released, on the context's clock; absent where nothing was. */
  readonly releasedNs?: number;
}

/** Rolling back drops databases and deletes folders; a busy machine takes its time. */
export const ROLL_BACK_MS = 120_000;
/** How long another restore into the same target is waited for. */
const LOCK_WAIT_MS = 2_000;
/** The safety snapshot may pause a target that is about to be replaced for this long. */
const SAFETY_LIMITS = { maxPauseMs: 5_000, maxBlurMs: 60_000 };

/**
 * Brings a snapshot back to life: loads every member and keeps it from running, fingerprints and compares it, lets run
 * what can be asked only then, cut off from others, then releases all together, or rolls back. A target that this very restore has filled already is only compared.
 *
 * @param beforeRelease called when all is loaded and compared; where it throws, everything is rolled back
 * @throws StasisError `restore.drifted` when the verdict is less than `verify` asks for; the targets are as before.
 */
export async function restore(
  request: RestoreRequest,
  context: Context,
  beforeRelease?: () => Promise<void>,
): Promise<RestoreResult> {
  const startNs = context.clock.nowNs();
  await using _locks = await lockTargets(request, context);
  context.progress({ step: 'plan' });
  await sweepJournals(request.store, request.members, context);
  const planned = await planRestore(request, context);
  throwFirstError(planned.problems);
  await insistOnWholeness(request, context);

  const done = request.members.filter(
    ({ name }) => planned.members.get(name)?.restoredBy === request.restoreId,
  );
  const safetyReference = await keepSafe(request, planned, context);
  const journal = new Journal(request.store, request.restoreId);
  const filled = await fill(request, done, journal, context, beforeRelease);
  const result = resultOf(filled.members);
  context.logger.log('info', 'restored', { verdict: result.verdict });
  return { ...result, ...filled, restoreMs: nsToMs(context.clock.nowNs() - startNs), safetyReference };
}

/** Until the stack that it returns is disposed of, no other restore works on these targets. */
export async function lockTargets(
  request: Pick<RestoreRequest, 'members' | 'store'>,
  context: Context,
): Promise<AsyncDisposableStack> {
  await using locks = new AsyncDisposableStack();
  for (const key of request.members.map(lockName).sort())
    locks.use(await request.store.lock(key, LOCK_WAIT_MS, context));
  return locks.move();
}

function lockName(member: Member): string {
  return `target:${placeOf(member)}`;
}

/** Hashes everything first: what rots in the store must not be found in the middle of a restore. */
export async function insistOnWholeness(request: RestoreRequest, context: Context): Promise<void> {
  context.progress({ step: 'verify' });
  const [finding] = await request.store.verify(request.snapshot.digest, 'content', context);
  if (finding === undefined) return;
  throw new StasisError('store.damaged', `The snapshot is damaged: ${finding.message}.`, {
    hint: 'Restore another generation; "stasis verify" lists all that is wrong.',
    at: ['snapshot'],
    details: { finding },
  });
}

/** What is about to be replaced is captured first, so that rolling back stays possible after the release. */
async function keepSafe(
  request: RestoreRequest,
  planned: PlannedRestore,
  context: Context,
): Promise<string | undefined> {
  if (!request.overwrite || !request.safetySnapshot) return undefined;
  const replaced = request.members.filter(({ name }) => {
    const plan = planned.members.get(name);
    return plan && !plan.empty && plan.restoredBy !== request.restoreId;
  });
  if (replaced.length === 0) return undefined;
  context.progress({ step: 'prepare', message: 'taking a safety snapshot of the targets' });
  const sealed = await capture(
    {
      name: `safety-${request.restoreId.slice(0, 16)}`,
      owner: `restore:${request.restoreId}`,
      members: replaced,
      store: request.store,
      limits: SAFETY_LIMITS,
      createdBy: request.createdBy,
    },
    context,
  );
  return `${sealed.name}@${sealed.digest}`;
}

export interface Loaded {
  readonly member: Member;
  readonly held: Held;
  readonly verdict: MemberRestore;
  /** What is asked again after the release. */
  readonly unanswered?: Unanswered | undefined;
}

/** Loads, compares and releases. Until the release, disposal rolls everything back. */
async function fill(
  request: RestoreRequest,
  done: readonly Member[],
  journal: Journal,
  context: Context,
  beforeRelease: (() => Promise<void>) | undefined,
): Promise<Pick<RestoreResult, 'members' | 'releasedNs'>> {
  const held = new AsyncDisposableStack();
  let loaded: readonly Loaded[];
  try {
    const compared = await loadAll(request, done, journal, held, context);
    insistOnSameness(verdictsOf(compared), request.verify);
    const warmed = request.warm === true ? await warmAll(compared, context) : compared;
    loaded = await rehearse(request, warmed, context);
    insistOnSameness(verdictsOf(loaded), request.verify);
    throwIfAborted(context.signal);
    await beforeRelease?.();
    context.progress({ step: 'release' });
    await releaseAll(loaded.filter(({ member }) => !done.includes(member)));
  } catch (error) {
    await rollBack(held, journal, context);
    throw error;
  }
  const releasedNs = context.clock.nowNs();
  await held.disposeAsync();
  await journal.close();
  return { members: verdictsOf(await askReleased(request, loaded, context)), releasedNs };
}

export function verdictsOf(loaded: readonly Loaded[]): Record<string, MemberRestore> {
  return Object.fromEntries(loaded.map(({ member, verdict }) => [member.name, verdict]));
}

/** Loads and compares all members at once; what was loaded is on the stack, whatever becomes of the others. */
export function loadAll(
  request: RestoreRequest,
  done: readonly Member[],
  journal: Journal,
  held: AsyncDisposableStack,
  context: Context,
): Promise<Loaded[]> {
  return allSettledOrThrow(request.members, context.signal, (member, signal) =>
    load(request, member, done.includes(member), journal, held, { ...context, signal }),
  );
}

/** The journal stays where rolling back fails: the next restore into these targets undoes what is left. */
async function rollBack(held: AsyncDisposableStack, journal: Journal, context: Context): Promise<void> {
  try {
    await within(ROLL_BACK_MS, 'rolling back', undefined, () => held.disposeAsync());
    await journal.close();
  } catch (error) {
    context.logger.log('error', 'the targets could not be rolled back now; the next restore into them will', {
      reason: error instanceof Error ? error.message : String(error),
    });
  }
}

async function load(
  request: RestoreRequest,
  member: Member,
  isDone: boolean,
  journal: Journal,
  stack: AsyncDisposableStack,
  context: Context,
): Promise<Loaded> {
  const startNs = context.clock.nowNs();
  const from = request.snapshot.manifest.members[member.name]!;
  const blobs = request.snapshot.blobs(member.name);
  context.progress({ step: isDone ? 'compare' : 'load', member: member.name });
  if (isDone && member.driver.traits.layers.includes('runtime')) {
    await setEgress([member], request.egress ?? 'open', request.restoreId, context);
    return runningSince(request, member);
  }
  try {
    const held = stack.use(
      isDone
        ? await member.driver.observe(member.spec, member.host, context)
        : await member.driver.restore(
            member.spec,
            member.host,
            from,
            blobs,
            optionsFor(request, member, journal),
            context,
          ),
    );
    const restoreMs = nsToMs(context.clock.nowNs() - startNs);
    const probes = await askRestored(request.snapshot, member.name, held, context);
    context.progress({ step: 'compare', member: member.name });
    const compared = await compareWith(request, member, held, probes, context);
    const verdict = { ...compared, restoreMs, probes };
    return { member, held, verdict, unanswered: unansweredBy(request, member, held, verdict) };
  } catch (error) {
    throw atMember(member, error);
  }
}

function runningSince({ snapshot }: RestoreRequest, member: Member): Loaded {
  const held: Held = {
    async *fingerprint() {},
    release: async () => {},
    [Symbol.asyncDispose]: async () => {},
  };
  const verdict = { verdict: 'unverified', equal: 0, differences: [], differenceCount: 0 } as const;
  const probes = unaskedProbes(snapshot, member.name);
  return { member, held, verdict: { ...verdict, restoreMs: 0, running: true, probes } };
}

function optionsFor(request: RestoreRequest, member: Member, journal: Journal) {
  return {
    restoreId: request.restoreId,
    overwrite: request.overwrite,
    expiry: request.expiry,
    egress: request.egress ?? 'open',
    cutAtMs: Date.parse(request.snapshot.manifest.cutAt),
    journal: (entry: unknown) => journal.note(member, entry),
  };
}

async function compareWith(
  { snapshot }: RestoreRequest,
  { name, driver }: Member,
  held: Held,
  probes: RestoredProbes,
  context: Context,
): Promise<MemberVerdict> {
  await using restored = await heldState(held);
  const comparison = await compareStates(capturedState(snapshot, name, driver), restored, context);
  return memberVerdict(name, withProbes(comparison, probes), snapshot.manifest.members[name]!.fidelity);
}

/** What is running already was insisted on before it was released. */
function insistOnSameness(members: Readonly<Record<string, MemberRestore>>, verify: Verify): void {
  const compared = Object.entries(members).filter(([, { running }]) => !running);
  const result = resultOf(Object.fromEntries(compared));
  if (compared.length === 0 || satisfies(result.verdict, verify)) return;
  const differences = Object.values(result.members).flatMap((member) => member.differences);
  const named = differences
    .slice(0, 5)
    .map(({ member, object, message }) => `${member} ${object} ${message}`);
  throw new StasisError(
    'restore.drifted',
    `The restored application is ${result.verdict}, and verify asks for "${verify}"${named.length > 0 ? `: ${named.join('; ')}` : ''}. The targets are as they were.`,
    {
      hint: 'Set verify to "report" to keep a restore that differs.',
      at: ['verify'],
      details: { differences, result },
    },
  );
}
