import { z } from 'zod';
import { planCapture } from '../coordinator/plan.ts';
import type { Context } from '../core/context.ts';
import { StasisError, toStasisError } from '../core/errors.ts';
import { formatReference, parseReference } from '../core/reference.ts';
import {
  type Change,
  hasUnknown,
  type PlannedChange,
  type ResourceDefinition,
  type ResourceState,
  UNKNOWN,
  type Values,
} from '../core/resource.ts';
import { COMPARISON_OUTPUTS, comparisonOutputs, NOT_COMPARED } from './comparison-outputs.ts';
import { compareSides, runningSide, type Side, snapshotSide } from './comparison-sides.ts';
import { sameness } from './difference.ts';
import { AGE } from './drill-age.ts';
import { COMPARISON_EXAMPLES } from './examples.ts';
import { openAt, resolveReference, resolveSnapshot } from './lookup.ts';
import { identityOf, inputProblems, membersSchema, resolveMembers, storedMembers } from './members.ts';
import { dueProblem, planRepeated } from './repeated.ts';
import type { Defaults, Scope, Services } from './services.ts';
import { formatId, openStore, parseId, storeSchema } from './stores.ts';

/** Compares a snapshot with another one or with what runs. Changes nothing, and keeps nothing but what it found. */
export function comparisonDefinition(services: Services, defaults: Defaults): ResourceDefinition {
  const inputs = z.strictObject({
    snapshot: z
      .string()
      .describe(
        "Which snapshot: name@sha256:… (a Snapshot's reference), name:generation, or name for the newest.",
      ),
    other: z
      .string()
      .optional()
      .describe('Another snapshot of the store to compare it with. Either this or members.'),
    members: membersSchema(
      services.drivers,
      'The application as it runs, to compare it with: members by the names and with the drivers that they have in the snapshot. They are only read; processes, containers and virtual machines stand still for the moment of it.',
    ).optional(),
    store: storeSchema(services.storeTypes).optional(),
    verify: z
      .enum(['identical', 'equivalent'])
      .optional()
      .describe('The least verdict that counts as the same. equivalent unless said.')
      .meta({ typeName: 'Sameness' }),
    required: z
      .boolean()
      .optional()
      .describe(
        'Whether the apply fails where it is not the same. false unless said: then the outputs tell it, for a check block to assert.',
      ),
    maxAge: AGE.optional().describe(
      'How old the last comparison may be, such as 12h. Past it the plan says that a new one is due, and the apply does it.',
    ),
    triggers: z
      .record(z.string(), z.string())
      .optional()
      .describe('Any values; a change of one compares again.'),
  });
  const scope: Scope = { services, defaults, inputs };
  return {
    name: 'Comparison',
    summary:
      'Says whether a snapshot shows the same as another one, or as the application that runs: the verdict, what differs by name, and checks to assert. Nothing is changed.',
    inputs,
    outputs: COMPARISON_OUTPUTS,
    examples: COMPARISON_EXAMPLES,
    exampleId: '/srv/snapshots#shop',
    check: (values) => problemsOf(scope, values),
    plan: (change, context) => plan(scope, change, context),
    apply: (change, context) => apply(scope, change, context),
    // What was found stays what was found, whatever has become of both sides since.
    read: async (prior) => ({ state: prior, problems: [] }),
    importState: (id, context) => importComparison(scope, id, context),
    delete: async () => [],
  };
}

/** What shows in the inputs alone. */
function problemsOf({ services, inputs }: Scope, values: Values): StasisError[] {
  const problems = inputProblems(services, inputs, values);
  const isGiven = (value: unknown): boolean => value !== undefined && value !== null;
  if (isGiven(values.other) !== isGiven(values.members)) return problems;
  return [
    ...problems,
    new StasisError('compare.two-sides', 'A snapshot is compared with one thing.', {
      hint: 'Give either other, the reference of another snapshot, or members, the application that runs.',
      at: [isGiven(values.other) ? 'other' : 'snapshot'],
    }),
  ];
}

async function plan(scope: Scope, change: Change, context: Context): Promise<PlannedChange> {
  const { prior, inputs } = change;
  const problems = problemsOf(scope, inputs);
  const stored = storedInputs(scope, inputs);
  const due = prior && dueNow(prior, inputs, context);
  const again = prior === undefined || due ? 'yes' : await comparesAgain(scope, prior, stored, context);
  if (again !== 'no' && problems.every(({ severity }) => severity !== 'error'))
    problems.push(...(await sideProblems(scope, inputs, context)));
  if (due) problems.push(due);
  return planRepeated({ prior, stored, outputs: COMPARISON_OUTPUTS }, again, problems);
}

function storedInputs({ services }: Scope, inputs: Values): Values {
  if (inputs.members === undefined || inputs.members === null) return inputs;
  return { ...inputs, members: storedMembers(services, inputs.members) };
}

function dueNow(prior: ResourceState, { maxAge }: Values, { clock }: Context): StasisError | undefined {
  return dueProblem({ what: 'comparison', lastAt: prior.outputs.comparedAt, maxAge }, clock.wallMs());
}

/** After a change of triggers, of a side, of what counts as the same, or where a name has come to mean a newer one. */
async function comparesAgain(
  scope: Scope,
  prior: ResourceState,
  stored: Values,
  context: Context,
): Promise<'yes' | 'no' | 'unknown'> {
  if (prior.outputs.comparedAt === '') return 'yes';
  const results = [
    sameness(prior.stored.triggers ?? {}, stored.triggers ?? {}),
    sameness(prior.stored.verify, stored.verify),
    sameness(identityOf(scope.services, prior.stored.members), identityOf(scope.services, stored.members)),
  ];
  if (results.includes('different')) return 'yes';
  if (results.includes('unknown')) return 'unknown';
  if ([stored.snapshot, stored.other].includes(UNKNOWN)) return 'unknown';
  try {
    const store = await openStore(scope.services, scope.defaults, stored.store, context);
    const exact = async (text: unknown): Promise<string> => {
      const { name, digest } = await resolveReference(store, String(text));
      return formatReference({ name, digest });
    };
    const other = typeof stored.other === 'string' ? await exact(stored.other) : 'running';
    const isSame =
      (await exact(stored.snapshot)) === prior.outputs.reference && other === prior.outputs.comparedWith;
    return isSame ? 'no' : 'yes';
  } catch (error) {
    if (!(error instanceof StasisError)) throw error;
    // A store or a snapshot that is gone is told where something is to be done with it.
    const isSame = (['snapshot', 'other'] as const).every(
      (key) => sameness(prior.stored[key], stored[key]) === 'same',
    );
    return isSame ? 'no' : 'yes';
  }
}

/** Whether both sides can be had, as far as they are known. */
async function sideProblems(scope: Scope, inputs: Values, context: Context): Promise<StasisError[]> {
  const { services, defaults } = scope;
  const problems: StasisError[] = [];
  try {
    if (!hasUnknown(inputs.store)) {
      const store = await openStore(services, defaults, inputs.store, context);
      if (typeof inputs.snapshot === 'string') await resolveSnapshot(store, inputs.snapshot);
      if (typeof inputs.other === 'string') await resolveOther(store, inputs.other);
    }
  } catch (error) {
    problems.push(toStasisError(error));
  }
  const { members } = resolveMembers(services, inputs.members);
  if (members.length === 0) return problems;
  const limits = { maxPauseMs: Number.POSITIVE_INFINITY, maxBlurMs: 0 };
  const planned = await planCapture(members, undefined, limits, context);
  // What a capture would warn of is no matter of a look.
  return [...problems, ...planned.problems.filter(({ severity }) => severity === 'error')];
}

type Opened = Awaited<ReturnType<typeof openStore>>;

function resolveOther(store: Opened, text: string): Promise<unknown> {
  return atOther(() => resolveReference(store, text));
}

async function atOther<T>(work: () => Promise<T>): Promise<T> {
  try {
    return await work();
  } catch (error) {
    throw error instanceof StasisError && error.at.length === 0 ? error.within('other') : error;
  }
}

async function apply(scope: Scope, change: Change, context: Context): Promise<ResourceState> {
  const { services, defaults } = scope;
  const { prior, inputs } = change;
  const stored = storedInputs(scope, inputs);
  const isDue = prior !== undefined && dueNow(prior, inputs, context) !== undefined;
  if (prior && !isDue && (await comparesAgain(scope, prior, stored, context)) === 'no')
    return { ...prior, stored };
  const [problem] = problemsOf(scope, inputs);
  if (problem) throw problem;
  const store = await openStore(services, defaults, inputs.store, context);
  const { name, digest } = await resolveSnapshot(store, String(inputs.snapshot));
  const left = await snapshotSide(services, store, formatReference({ name, digest }), context);
  const right: Side =
    typeof inputs.other === 'string'
      ? await atOther(() => snapshotSide(services, store, String(inputs.other), context))
      : runningSide(services, { members: inputs.members }, context);
  const outputs = comparisonOutputs({
    reference: left.name,
    comparedWith: right.name,
    comparedAtMs: context.clock.wallMs(),
    verify: inputs.verify === 'identical' ? 'identical' : 'equivalent',
    result: await compareSides(left, right, context),
  });
  if (inputs.required === true) insistOnPassing(outputs);
  return { id: prior?.id ?? formatId(store.location, name), stored, outputs };
}

function insistOnPassing(outputs: Values): void {
  if (outputs.passed === true) return;
  throw new StasisError('comparison.drifted', String(outputs.summary), {
    hint: 'Leave "required" out to have it told by the outputs instead.',
    at: ['required'],
    details: { outputs },
  });
}

/** A comparison is kept by the engine alone: what is imported is compared by the next apply. */
async function importComparison(scope: Scope, id: string, context: Context): Promise<ResourceState> {
  const { location, name: text } = parseId(id);
  const store = await openAt(scope.services, scope.defaults, location, context);
  const { name, digest } = await resolveReference(store, parseReference(text).name);
  return {
    id: formatId(store.location, name),
    stored: { snapshot: name },
    outputs: { reference: formatReference({ name, digest }), ...NOT_COMPARED },
  };
}
