import { randomUUID } from 'node:crypto';
import { z } from 'zod';
import { type DrillResult, drill } from '../coordinator/drill.ts';
import { type LostWork, lostWork, originalProblems } from '../coordinator/lost-work.ts';
import { throwFirstError } from '../coordinator/plan.ts';
import { planRestore, type RestoreRequest } from '../coordinator/restore-plan.ts';
import { warmthsOf } from '../coordinator/warm.ts';
import type { Context } from '../core/context.ts';
import type { DrillFacts } from '../core/drill-certificate.ts';
import { StasisError, toStasisError } from '../core/errors.ts';
import { formatReference } from '../core/reference.ts';
import {
  type Change,
  type PlannedChange,
  type ResourceDefinition,
  type ResourceState,
  UNKNOWN,
  type Values,
} from '../core/resource.ts';
import { problemsOf } from '../core/schema.ts';
import { satisfies } from '../core/verdict.ts';
import { sameness } from './difference.ts';
import { AGE } from './drill-age.ts';
import { leaveCertificate } from './drill-certificates.ts';
import { importDrill, readDrill } from './drill-life.ts';
import { DRILL_OUTPUTS, drillOutputs } from './drill-outputs.ts';
import { DRILL_EXAMPLES } from './examples.ts';
import { resolveSnapshot } from './lookup.ts';
import { actsAgain, inputProblems, membersSchema, resolveMembers } from './members.ts';
import { originalInput, originalsOf, storedInputs } from './originals.ts';
import { dueProblem, planRepeated } from './repeated.ts';
import { REPORT_INPUT, reportProblems, reportRestore } from './restore-report.ts';
import { sampleWarnings, WARM_INPUT, WARM_WITHIN_INPUT, warmWithinMsOf } from './restore-warmth.ts';
import type { Defaults, Scope, Services } from './services.ts';
import { SIGN_INPUT, signingProblems } from './signing.ts';
import { openStore, parseId, storeSchema } from './stores.ts';

const ORIGINAL_SUMMARY =
  'They are read when all is taken down again, and lostWork says what they have done since the cut: what a switch to what was rehearsed would lose. None of them is changed.';

/** Rehearses a restore: everything but the release, into scratch targets, and leaves a signed certificate of it. */
export function drillDefinition(services: Services, defaults: Defaults): ResourceDefinition {
  const inputs = z.strictObject({
    snapshot: z
      .string()
      .describe(
        "Which snapshot: name@sha256:… (a Snapshot's reference), name:generation, or name for the newest. Another one than was rehearsed is rehearsed too.",
      ),
    members: membersSchema(
      services.drivers,
      'A scratch target for every member of the snapshot, by the same name and with the same driver. It has to be empty, and is empty again afterwards.',
    ),
    original: originalInput(services.drivers, ORIGINAL_SUMMARY),
    store: storeSchema(services.storeTypes).optional(),
    sign: SIGN_INPUT,
    verify: z
      .enum(['identical', 'equivalent', 'report'])
      .optional()
      .describe(
        'The least verdict with which the drill has passed; below it the certificate says so, and the apply fails. "report" accepts any. equivalent unless said.',
      )
      .meta({ typeName: 'Verification' }),
    warm: WARM_INPUT,
    warmWithin: WARM_WITHIN_INPUT.describe(
      'Once all is compared, and warmed if asked for, ask the samples of the snapshot of those members that can be asked without a release, until they are answered as before the cut, for this long at most, such as 5m; warmth and the certificate say how long that took. Not measured unless said.',
    ),
    maxAge: AGE.optional().describe(
      'How old the last drill may be, such as 30d or 12h. Past it the plan says that a new one is due, and the apply does it.',
    ),
    report: REPORT_INPUT,
    triggers: z
      .record(z.string(), z.string())
      .optional()
      .describe('Any values; a change of one rehearses again.'),
  });
  const scope: Scope = { services, defaults, inputs };
  return {
    name: 'Drill',
    summary:
      'Rehearses the restore of a snapshot into scratch targets: loads, asks, compares and measures everything, takes it down again, and leaves a signed certificate beside the snapshot. Removing it removes no certificate.',
    inputs,
    outputs: DRILL_OUTPUTS,
    examples: DRILL_EXAMPLES,
    exampleId: '/srv/snapshots#5c1f0f6e7d0b4a53a2f1c4d5e6f70819',
    check: (values) => problemsShown(scope, values),
    plan: (change, context) => plan(scope, change, context),
    apply: (change, context) => apply(scope, change, context),
    read: (prior, context) => readDrill(services, prior, context),
    importState: (id, context) => importDrill(services, id, context),
    delete: async () => [],
  };
}

/** What is wrong with the inputs that shows in them alone. */
function problemsShown({ services, inputs }: Scope, values: Values): StasisError[] {
  return [...inputProblems(services, inputs, values), ...originalsOf(services, values).problems];
}

async function plan(scope: Scope, change: Change, context: Context): Promise<PlannedChange> {
  const { services } = scope;
  const { prior, inputs } = change;
  const problems = problemsShown(scope, inputs);
  const resolved = resolveMembers(services, inputs.members);
  const stored = storedInputs(services, inputs);
  const due = prior && dueNow(prior, inputs, context);
  const again = prior === undefined || due ? 'yes' : await rehearsesAgain(scope, prior, stored, context);
  if (again !== 'no') {
    problems.push(...(await signingProblems(inputs.sign, services.host)));
    const ready =
      problems.every(({ severity }) => severity !== 'error') &&
      resolved.complete &&
      typeof inputs.snapshot === 'string';
    if (ready) problems.push(...(await targetProblems(scope, inputs, context)));
  }
  problems.push(...(await reportProblems(inputs.report)), ...(due ? [due] : []));
  return planRepeated({ prior, stored, outputs: DRILL_OUTPUTS }, again, problems);
}

function dueNow(prior: ResourceState, { maxAge }: Values, { clock }: Context): StasisError | undefined {
  return dueProblem({ what: 'drill', lastAt: prior.outputs.drilledAt, maxAge }, clock.wallMs());
}

/**
 * After a change of triggers, targets or the snapshot, also where a name has come to mean a newer one. After an import
 * nothing is known of the inputs, and the first apply takes over what the user wrote.
 */
async function rehearsesAgain(
  scope: Scope,
  prior: ResourceState,
  stored: Values,
  context: Context,
): Promise<'yes' | 'no' | 'unknown'> {
  const acts = actsAgain(scope.services, prior, stored);
  if (acts !== 'no' || prior.stored.members === undefined || prior.stored.members === null) return acts;
  if (stored.snapshot === UNKNOWN) return 'unknown';
  try {
    const store = await openStore(scope.services, scope.defaults, stored.store, context);
    const { name, digest } = await resolveSnapshot(store, String(stored.snapshot));
    return formatReference({ name, digest }) === prior.outputs.reference ? 'no' : 'yes';
  } catch (error) {
    if (!(error instanceof StasisError)) throw error;
    // A store that is unknown or gone, or a snapshot that is, is told where something is to be done with it.
    return sameness(prior.stored.snapshot, stored.snapshot) === 'same' ? 'no' : 'yes';
  }
}

async function targetProblems(scope: Scope, inputs: Values, context: Context): Promise<StasisError[]> {
  try {
    const request = await requestOf(scope, inputs, context);
    const { originals, complete } = originalsOf(scope.services, inputs);
    const strange = complete ? originalProblems(request.snapshot, originals) : [];
    const samples = sampleWarnings(request.snapshot.manifest, inputs);
    return [...(await planRestore(request, context)).problems, ...strange, ...samples];
  } catch (error) {
    return [toStasisError(error)];
  }
}

async function requestOf(scope: Scope, inputs: Values, context: Context): Promise<RestoreRequest> {
  const { services, defaults } = scope;
  const store = await openStore(services, defaults, inputs.store, context);
  const found = await resolveSnapshot(store, String(inputs.snapshot));
  const { members, problems } = resolveMembers(services, inputs.members);
  if (problems[0]) throw problems[0];
  return {
    restoreId: randomUUID().replaceAll('-', ''),
    snapshot: await store.open(found.name, found.digest, context),
    store,
    members,
    verify: (inputs.verify as RestoreRequest['verify'] | undefined) ?? 'equivalent',
    overwrite: false,
    safetySnapshot: false,
    expiry: 'absolute',
    warm: inputs.warm === true,
    createdBy: `stasis ${services.version}`,
  };
}

async function apply(scope: Scope, change: Change, context: Context): Promise<ResourceState> {
  const { services } = scope;
  const { prior, inputs } = change;
  const stored = storedInputs(services, inputs);
  const isDue = prior !== undefined && dueNow(prior, inputs, context) !== undefined;
  if (prior && !isDue && (await rehearsesAgain(scope, prior, stored, context)) === 'no')
    return { ...prior, stored };
  const [problem] = [
    ...problemsOf(scope.inputs, inputs),
    ...(await signingProblems(inputs.sign, services.host)),
  ];
  if (problem) throw problem;
  const request = await requestOf(scope, inputs, context);
  const { originals, problems } = originalsOf(services, inputs);
  throwFirstError([...problems, ...originalProblems(request.snapshot, originals)]);
  const id = prior?.id ?? `${request.store.location}#${request.restoreId}`;
  const outputs = await pinned(request, async () => {
    const startedAt = new Date(context.clock.wallMs()).toISOString();
    const result = await drill(request, context, warmWithinMsOf(inputs));
    const lost = await lostWork(request.snapshot, originals, context);
    const facts = factsOf(request, result, lost, startedAt, context);
    const { name, digest } = request.snapshot;
    const of = { name, digest, drillId: parseId(id).name };
    context.progress({ step: 'certify' });
    const left = await leaveCertificate(
      request.store,
      of,
      facts,
      inputs.sign as Values,
      services.host,
      context,
    );
    return drillOutputs(facts, result, lost, left);
  });
  await reportRestore(inputs.report, outputs, async () => request.store, context);
  insistOnPassing(request, outputs);
  return { id, stored, outputs };
}

/** While it is rehearsed nobody removes it. */
async function pinned<T>({ store, snapshot, restoreId }: RestoreRequest, work: () => Promise<T>): Promise<T> {
  const by = `drill:${restoreId}`;
  await store.pin(snapshot.name, { by, digest: snapshot.digest });
  try {
    return await work();
  } finally {
    await store.unpin(snapshot.name, by);
  }
}

function factsOf(
  { snapshot, verify, createdBy }: RestoreRequest,
  result: DrillResult,
  lost: Readonly<Record<string, LostWork>>,
  startedAt: string,
  { clock }: Context,
): DrillFacts {
  const { name, digest, generation, manifest } = snapshot;
  const members = Object.entries(result.members).map(([member, one]) => {
    const { verdict, equal, differenceCount, restoreMs } = one;
    return [
      member,
      { driver: manifest.members[member]!.driver, verdict, equal, differenceCount, restoreMs },
    ] as const;
  });
  const probes = Object.values(result.members).flatMap((one) => Object.entries(one.probes));
  return {
    reference: formatReference({ name, digest }),
    ...{ generation, cutAt: manifest.cutAt, startedAt },
    finishedAt: new Date(clock.wallMs()).toISOString(),
    verdict: result.verdict,
    verify,
    passed: satisfies(result.verdict, verify),
    restoreMs: result.restoreMs,
    teardownMs: result.teardownMs,
    differenceCount: members.reduce((sum, [, one]) => sum + one.differenceCount, 0),
    members: Object.fromEntries(members),
    probes: Object.fromEntries(probes.map(([probe, { outcome }]) => [probe, outcome])),
    warmth: Object.fromEntries(
      Object.entries(warmthsOf(result.members)).map(([member, { hotBytes, warmedBytes, warmMs }]) => [
        member,
        { hotBytes, warmedBytes, warmMs },
      ]),
    ),
    samples: Object.fromEntries(
      Object.entries(result.measured).map(([name, { error: _error, ...numbers }]) => [name, numbers]),
    ),
    // Names of objects stay out of it.
    lostWork: Object.fromEntries(
      Object.entries(lost).map(([member, { read, sinceCutMs, differenceCount, changes, log }]) => [
        member,
        { read, sinceCutMs, differenceCount, changes: { ...changes }, ...(log && { log: { ...log } }) },
      ]),
    ),
    tool: createdBy,
  };
}

function insistOnPassing({ verify }: RestoreRequest, outputs: Values): void {
  if (outputs.passed === true) return;
  const differences = outputs.differences as readonly { member: string; object: string; message: string }[];
  const named = differences
    .slice(0, 5)
    .map(({ member, object, message }) => `${member} ${object} ${message}`);
  throw new StasisError(
    'drill.drifted',
    `What was restored is ${String(outputs.verdict)}, and verify asks for "${verify}"${named.length > 0 ? `: ${named.join('; ')}` : ''}.`,
    {
      hint: 'The certificate beside the snapshot says so too. Set verify to "report" to accept any verdict.',
      at: ['verify'],
      details: { outputs },
    },
  );
}
