import { z } from 'zod';
import { RELEASE_FAILED } from '../coordinator/release.ts';
import { type PlannedRestore, planRestore, type RestoreRequest } from '../coordinator/restore-plan.ts';
import type { Context } from '../core/context.ts';
import { StasisError, toStasisError } from '../core/errors.ts';
import { formatReference, parseReference } from '../core/reference.ts';
import {
  type Change,
  type Estimate,
  halfDone,
  type PlannedChange,
  type ResourceDefinition,
  type ResourceState,
  UNKNOWN,
  type Values,
} from '../core/resource.ts';
import { problemsOf } from '../core/schema.ts';
import type { Store } from '../core/store.ts';
import { sameness } from './difference.ts';
import { RESTORE_EXAMPLES } from './examples.ts';
import { resolveSnapshot, storeOf } from './lookup.ts';
import { actsAgain, inputProblems, membersSchema, resolveMembers } from './members.ts';
import { originalInput, storedInputs } from './originals.ts';
import { EGRESS_INPUT, egressOf, plannedEgress, syncEgress } from './restore-egress.ts';
import {
  checkOriginals,
  FENCE_INPUT,
  fenceProblems,
  ORIGINAL_SUMMARY,
  restoreAsAsked,
} from './restore-fence.ts';
import { importRestore, pinOf, readRestore, removeRestore, restoreIdOf } from './restore-life.ts';
import { RESTORE_OUTPUTS, restoreOutputs } from './restore-outputs.ts';
import { REPORT_INPUT, reportProblems, reportRestore, rolledBackOutputs } from './restore-report.ts';
import { sampleWarnings, WARM_INPUT, WARM_WITHIN_INPUT } from './restore-warmth.ts';
import type { Defaults, Scope, Services } from './services.ts';
import { openStore, storeSchema } from './stores.ts';

/** Brings a snapshot back to life, once, and says whether it is the same. */
export function restoreDefinition(services: Services, defaults: Defaults): ResourceDefinition {
  const inputs = z.strictObject({
    snapshot: z
      .string()
      .describe(
        "Which snapshot: name@sha256:… (a Snapshot's reference), name:generation, or name for the newest. It is restored once: another value alone restores nothing again, a change of triggers does.",
      ),
    members: membersSchema(
      services.drivers,
      'A target for every member of the snapshot, by the same name and with the same driver.',
    ),
    store: storeSchema(services.storeTypes).optional(),
    verify: z
      .enum(['identical', 'equivalent', 'report'])
      .optional()
      .describe(
        'The least verdict that is accepted; below it the targets are rolled back. "report" accepts any. equivalent unless said.',
      )
      .meta({ typeName: 'Verification' }),
    overwrite: z
      .boolean()
      .optional()
      .describe('Replace what a target holds; without it a target that is not empty is refused.'),
    safetySnapshot: z
      .boolean()
      .optional()
      .describe('Before overwriting, take a sealed snapshot of what is replaced. true unless said.'),
    expiry: z
      .enum(['absolute', 'remaining'])
      .optional()
      .describe('Expiry times as they were, or what was left of them at the cut. absolute unless said.')
      .meta({ typeName: 'Expiry' }),
    warm: WARM_INPUT,
    warmWithin: WARM_WITHIN_INPUT.describe(
      'Once all is released, ask the samples of the snapshot of it until they are answered as before the cut, for this long at most, such as 5m; warmth says how long that took. The apply ends after that, and fails by none of it. Not measured unless said.',
    ),
    egress: EGRESS_INPUT,
    fence: FENCE_INPUT,
    original: originalInput(services.drivers, ORIGINAL_SUMMARY),
    report: REPORT_INPUT,
    triggers: z
      .record(z.string(), z.string())
      .optional()
      .describe('Any values; a change of one restores again.'),
  });
  const scope: Scope = { services, defaults, inputs };
  return {
    name: 'Restore',
    summary:
      "Brings a snapshot back to life, once, in the same place or another, and says with evidence whether it is the same. Removing it never touches the target's data.",
    inputs,
    outputs: RESTORE_OUTPUTS,
    examples: RESTORE_EXAMPLES,
    exampleId: '/srv/snapshots#0f3a9c5e7b1d2468ace013579bdf2468',
    check: (values) => [...inputProblems(services, inputs, values), ...fenceProblems(services, values)],
    plan: (change, context) => plan(scope, change, context),
    apply: (change, context) => apply(scope, change, context),
    read: (prior, context) => readRestore(services, prior, context),
    importState: (id, context) => importRestore(services, id, context),
    delete: (prior, context) => removeRestore(services, prior, context),
  };
}

type Checked = Pick<PlannedChange, 'problems' | 'estimate'>;

async function plan(scope: Scope, change: Change, context: Context): Promise<PlannedChange> {
  const { prior, inputs } = change;
  const problems = [
    ...inputProblems(scope.services, scope.inputs, inputs),
    ...fenceProblems(scope.services, inputs),
  ];
  const resolved = resolveMembers(scope.services, inputs.members);
  const stored = storedInputs(scope.services, inputs);
  const again = prior === undefined || isHalfDone(prior) ? 'yes' : actsAgain(scope.services, prior, stored);
  const ready = problems.length === 0 && resolved.complete && typeof inputs.snapshot === 'string';
  const checked = again !== 'no' && ready ? await checkRestore(scope, inputs, context) : { problems: [] };
  problems.push(...checked.problems, ...(await reportProblems(inputs.report)));
  if (again === 'no' && prior)
    problems.push(...notRestored(prior, inputs), ...plannedEgress(prior, inputs, resolved.members));
  const outputs =
    again === 'no'
      ? prior!.outputs
      : Object.fromEntries(Object.keys(RESTORE_OUTPUTS.shape).map((key) => [key, UNKNOWN]));
  const action =
    prior === undefined
      ? 'create'
      : again === 'no' && sameness(prior.stored, stored) === 'same'
        ? 'none'
        : 'update';
  return { action, replace: [], id: prior?.id ?? UNKNOWN, stored, outputs, ...checked, problems };
}

/** Another snapshot than the one that was restored is reported, and not restored by itself. */
function notRestored(prior: ResourceState, inputs: Values): StasisError[] {
  if (prior.stored.snapshot === undefined || sameness(prior.stored.snapshot, inputs.snapshot) === 'same')
    return [];
  return [
    new StasisError(
      'restore.newer-snapshot',
      `The targets keep ${String(prior.outputs.reference)}: another snapshot does not restore again by itself.`,
      {
        hint: 'Change triggers to restore it; a target that is not empty needs overwrite.',
        at: ['snapshot'],
        severity: 'warning',
      },
    ),
  ];
}

async function checkRestore(scope: Scope, inputs: Values, context: Context): Promise<Checked> {
  try {
    const { request } = await requestOf(scope, inputs, context);
    const planned: PlannedRestore = await planRestore(request, context);
    const findings = await request.store.verify(request.snapshot.digest, 'presence', context);
    const damage = findings
      .slice(0, 1)
      .map(
        ({ message }) =>
          new StasisError('store.damaged', `The snapshot is damaged: ${message}.`, { at: ['snapshot'] }),
      );
    const fence = await checkOriginals(scope.services, request, inputs, context);
    const samples = sampleWarnings(request.snapshot.manifest, inputs);
    return {
      problems: [...damage, ...planned.problems, ...fence, ...samples],
      estimate: estimateOf(planned),
    };
  } catch (error) {
    return { problems: [toStasisError(error)] };
  }
}

/** A restore pauses nobody: its targets do not run yet. */
function estimateOf(planned: PlannedRestore): Estimate {
  const each = [...planned.members].map(
    ([name, { sizeBytes }]) => [name, { sizeBytes, pauseMs: 0 }] as const,
  );
  const sizeBytes = each.reduce((sum, [, member]) => sum + member.sizeBytes, 0);
  return { sizeBytes, pauseMs: 0, members: Object.fromEntries(each) };
}

async function requestOf(
  scope: Scope,
  inputs: Values,
  context: Context,
): Promise<{ readonly request: RestoreRequest; readonly store: Store }> {
  const { services, defaults } = scope;
  const store = await openStore(services, defaults, inputs.store, context);
  const found = await resolveSnapshot(store, inputs.snapshot as string);
  const snapshot = await store.open(found.name, found.digest, context);
  const { members, problems } = resolveMembers(services, inputs.members);
  if (problems[0]) throw problems[0];
  return {
    store,
    request: {
      restoreId: restoreIdOf(services, found.digest, inputs),
      snapshot,
      store,
      members,
      verify: (inputs.verify as RestoreRequest['verify'] | undefined) ?? 'equivalent',
      overwrite: inputs.overwrite === true,
      safetySnapshot: inputs.safetySnapshot !== false,
      expiry: (inputs.expiry as RestoreRequest['expiry'] | undefined) ?? 'absolute',
      egress: egressOf(inputs),
      warm: inputs.warm === true,
      createdBy: `stasis ${services.version}`,
    },
  };
}

async function apply(scope: Scope, change: Change, context: Context): Promise<ResourceState> {
  const { prior, inputs } = change;
  const stored = storedInputs(scope.services, inputs);
  if (prior && !isHalfDone(prior) && actsAgain(scope.services, prior, stored) === 'no') {
    await syncEgress(scope, prior, inputs, context);
    if (sameness(prior.stored.report, stored.report) !== 'same')
      await reportRestore(
        inputs.report,
        prior.outputs,
        async () => (await storeOf(scope.services, prior, context)).store,
        context,
      );
    return { ...prior, stored };
  }
  const [problem] = problemsOf(scope.inputs, inputs);
  if (problem) throw problem;
  const { request, store } = await requestOf(scope, inputs, context);
  const id = prior?.id ?? `${store.location}#${request.restoreId}`;
  const { name, digest } = request.snapshot;
  const reference = formatReference({ name, digest });
  await store.pin(name, { by: pinOf(id), digest });
  let restored: Awaited<ReturnType<typeof restoreAsAsked>>;
  try {
    restored = await restoreAsAsked(scope.services, request, inputs, context);
  } catch (error) {
    if (error instanceof StasisError && error.code === RELEASE_FAILED) {
      // Some targets run already: the snapshot stays pinned, and the next apply restores the rest.
      if (prior) await movePin(store, prior, id, { name, digest });
      throw halfDone(error, { id, stored, outputs: { reference } });
    }
    await unpinAfterFailure(store, name, id, prior);
    const found = rolledBackOutputs(error, reference);
    if (found) await reportRestore(inputs.report, found, async () => store, context);
    throw error;
  }
  const { result, from, lost, measured } = restored;
  if (from.name !== name) {
    await store.pin(from.name, { by: pinOf(id), digest: from.digest });
    await store.unpin(name, pinOf(id));
  }
  if (prior) await movePin(store, prior, id, from);
  const outputs = restoreOutputs(formatReference(from), result, lost, measured);
  await reportRestore(inputs.report, outputs, async () => store, context);
  return { id, stored, outputs };
}

/** The outputs of a restore of which only a part was released have no verdict. */
function isHalfDone({ outputs }: ResourceState): boolean {
  return outputs.verdict === undefined;
}

/** A failed restore keeps the pin of what was restored before it, if anything. */
async function unpinAfterFailure(
  store: Store,
  name: string,
  id: string,
  prior: ResourceState | undefined,
): Promise<void> {
  await store.unpin(name, pinOf(id));
  if (prior === undefined) return;
  const before = parseReference(String(prior.outputs.reference));
  await store.pin(before.name, { by: pinOf(id), digest: before.digest! });
}

async function movePin(
  store: Store,
  prior: ResourceState,
  id: string,
  to: { readonly name: string; readonly digest: `sha256:${string}` },
): Promise<void> {
  const before = parseReference(String(prior.outputs.reference));
  await store.unpin(before.name, pinOf(id));
  await store.pin(to.name, { by: pinOf(id), digest: to.digest });
}
