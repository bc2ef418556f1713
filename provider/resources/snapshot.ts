import { z } from 'zod';
import { capture } from '../coordinator/capture.ts';
import type { CutLimits } from '../coordinator/member.ts';
import { type PlannedCapture, planCapture } from '../coordinator/plan.ts';
import type { Context } from '../core/context.ts';
import { type Place, type StasisError, toStasisError } from '../core/errors.ts';
import { isName, NAME_MAX_LENGTH } from '../core/reference.ts';
import {
  type Change,
  type Estimate,
  type PlannedChange,
  type ResourceDefinition,
  type ResourceState,
  UNKNOWN,
  type Values,
} from '../core/resource.ts';
import { problemsOf } from '../core/schema.ts';
import type { Store } from '../core/store.ts';
import { CreatedNames } from './created-names.ts';
import { sameness } from './difference.ts';
import { AGE } from './drill-age.ts';
import { SNAPSHOT_EXAMPLES } from './examples.ts';
import { storeOf } from './lookup.ts';
import { actsAgain, inputProblems, membersSchema, resolveMembers, storedMembers } from './members.ts';
import { asOwner, ownedByAnother, ownerOf } from './ownership.ts';
import { PROBES_INPUT, probeProblems, probesOf } from './probes.ts';
import { SAMPLES_INPUT, sampleFileProblems, sampleProblems, samplesOf } from './samples.ts';
import type { Defaults, Scope, Services } from './services.ts';
import { drillProblems, importSnapshot, readSnapshot, removeSnapshot } from './snapshot-life.ts';
import { SNAPSHOT_OUTPUTS, snapshotOutputs } from './snapshot-outputs.ts';
import { atStore, formatId, locateStore, openStore, parseId, storeSchema } from './stores.ts';

/** What a pause may be where nobody says otherwise, as in the design's example. */
const DEFAULT_MAX_PAUSE_MS = 2_000;
/** Sharp or nothing. */
const DEFAULT_MAX_BLUR_MS = 0;

const name = z
  .string()
  .max(NAME_MAX_LENGTH)
  .refine(isName, {
    message: 'A snapshot name has lower-case letters and digits, with single "-" or "." between them',
    params: { code: 'name.malformed', hint: 'For example shop, or shop-eu.orders; no slash, no underscore.' },
  })
  .describe('The name under which generations are kept in the store. Another name is another resource.')
  .meta({ logicalName: true });

const OUTPUTS = SNAPSHOT_OUTPUTS.extend({
  owner: z.string().describe('Who the name belongs to in the store.'),
});

/** Freezes every stateful part of an application at one instant, and keeps it as one portable unit. */
export function snapshotDefinition(services: Services, defaults: Defaults): ResourceDefinition {
  const inputs = z.strictObject({
    name,
    members: membersSchema(
      services.drivers,
      'The stateful parts of the application, by name, each with one driver.',
    ),
    store: storeSchema(services.storeTypes).optional(),
    probes: PROBES_INPUT,
    samples: SAMPLES_INPUT,
    maxPauseMs: z
      .number()
      .int()
      .positive()
      .max(600_000)
      .optional()
      .describe(
        'How long members may be paused, in milliseconds; past it everything goes on and the capture fails. 2000 unless said.',
      ),
    maxBlurMs: z
      .number()
      .nonnegative()
      .max(86_400_000)
      .optional()
      .describe('How much blur is accepted, in milliseconds. 0 unless said: sharp or nothing.'),
    triggers: z
      .record(z.string(), z.string())
      .optional()
      .describe('Any values; a change of one captures the next generation.'),
    maxDrillAge: AGE.optional().describe(
      'How old the last drill that the snapshot has passed may be, such as 30d. A plan warns of one that is older, and of a snapshot that was never rehearsed.',
    ),
    keep: z
      .number()
      .int()
      .positive()
      .optional()
      .describe('How many generations stay; all unless said. Pinned ones always do.'),
    deletionPolicy: z
      .enum(['retain', 'delete'])
      .optional()
      .describe('What happens to the generations when the resource is removed: retain unless said.')
      .meta({ typeName: 'DeletionPolicy' }),
  });
  const scope: SnapshotScope = { services, defaults, inputs, created: new CreatedNames() };
  return {
    name: 'Snapshot',
    summary:
      'Freezes every stateful part of a running application at one provable instant, and keeps it in a store as one portable, content-addressed unit.',
    inputs,
    outputs: OUTPUTS,
    examples: SNAPSHOT_EXAMPLES,
    exampleId: '/srv/snapshots#shop',
    check: (values) => problemsWith(services, inputs, values),
    plan: (change, context) => plan(scope, change, context),
    apply: (change, context) => apply(scope, change, context),
    read: (prior, context) => readSnapshot(services, prior, context),
    importState: (id, context) => importSnapshot(services, defaults, id, context),
    delete: (prior, context) => {
      scope.created.forget(prior.id);
      return removeSnapshot(services, prior, context);
    },
  };
}

interface SnapshotScope extends Scope {
  readonly created: CreatedNames;
}

function problemsWith(services: Services, inputs: z.ZodObject, values: Values): StasisError[] {
  return [
    ...inputProblems(services, inputs, values),
    ...probeProblems(services, values),
    ...sampleProblems(services, values),
  ];
}

async function plan(scope: SnapshotScope, change: Change, context: Context): Promise<PlannedChange> {
  const { services, defaults } = scope;
  const { prior, inputs } = change;
  const problems = problemsWith(services, scope.inputs, inputs);
  const resolved = resolveMembers(services, inputs.members);
  const stored = storedInputs(services, inputs);
  const location = await locateStore(services, defaults, inputs.store).catch((error: unknown) => {
    problems.push(toStasisError(error));
    return UNKNOWN;
  });
  const id =
    typeof location === 'string' && typeof inputs.name === 'string'
      ? formatId(location, inputs.name)
      : UNKNOWN;

  const replace = prior === undefined ? [] : replacing(prior, inputs, location);
  const replaced = replace.length > 0;
  const again = prior === undefined || replaced ? 'yes' : actsAgain(services, prior, stored);
  if (again !== 'no') problems.push(...(await sampleFileProblems(services, inputs)));
  const faultless = problems.every((problem) => problem.severity !== 'error');
  let estimate: Estimate | undefined;
  if (again !== 'no' && faultless && resolved.complete && id !== UNKNOWN) {
    const checked = await checkCapture(scope, change, resolved.members, context);
    problems.push(...checked.problems);
    estimate = checked.estimate;
  }
  const kept = prior && !replaced && again === 'no';
  if (kept) problems.push(...(await drillProblems(services, prior, inputs, context)));
  return {
    action:
      prior === undefined
        ? 'create'
        : replaced
          ? 'replace'
          : kept && sameness(prior.stored, stored) === 'same'
            ? 'none'
            : 'update',
    replace,
    id: prior && !replaced ? prior.id : id,
    stored,
    outputs: {
      ...(kept ? prior.outputs : unknownOutputs()),
      ...(prior && !replaced ? { owner: ownerOf(services, prior) } : {}),
    },
    problems,
    estimate,
  };
}

/** A resource is its store and its name: another one of either is another resource. */
function replacing(prior: ResourceState, inputs: Values, location: unknown): Place[] {
  const places: Place[] = [];
  if (sameness(prior.stored.name, inputs.name) !== 'same') places.push(['name']);
  if (typeof location === 'string' && location !== parseId(prior.id).location) places.push(['store']);
  return places;
}

function unknownOutputs(): Values {
  return Object.fromEntries(Object.keys(OUTPUTS.shape).map((key) => [key, UNKNOWN]));
}

function storedInputs(services: Services, inputs: Values): Values {
  return { ...inputs, members: storedMembers(services, inputs.members) };
}

function limitsOf(defaults: Defaults, inputs: Values): CutLimits {
  return {
    maxPauseMs: (inputs.maxPauseMs as number | undefined) ?? defaults.maxPauseMs ?? DEFAULT_MAX_PAUSE_MS,
    maxBlurMs: (inputs.maxBlurMs as number | undefined) ?? defaults.maxBlurMs ?? DEFAULT_MAX_BLUR_MS,
  };
}

async function checkCapture(
  scope: SnapshotScope,
  { inputs, prior }: Change,
  members: Parameters<typeof planCapture>[0],
  context: Context,
): Promise<Pick<PlannedChange, 'problems' | 'estimate'>> {
  try {
    const store = await openStore(scope.services, scope.defaults, inputs.store, context);
    const planned = await planCapture(members, store, limitsOf(scope.defaults, inputs), context);
    // A store that cannot be used tells why already, and would only fail the question whose the name is.
    const isUsable = planned.problems.every(
      ({ at, severity }) => at[0] !== 'store' || severity === 'warning',
    );
    const taken = isUsable
      ? await atStore(() => ownedByAnother(scope.services, store, inputs.name as string, prior))
      : undefined;
    return {
      problems: taken ? [...planned.problems, taken] : planned.problems,
      estimate: estimateOf(planned),
    };
  } catch (error) {
    return { problems: [toStasisError(error)] };
  }
}

function estimateOf({ sizeBytes, pauseMs, members }: PlannedCapture): Estimate {
  const each = [...members].map(([name, plan]) => [
    name,
    { sizeBytes: plan.sizeBytes, pauseMs: plan.pauseMs },
  ]);
  return { sizeBytes, pauseMs, members: Object.fromEntries(each) };
}

async function apply(scope: SnapshotScope, change: Change, context: Context): Promise<ResourceState> {
  const { services, defaults } = scope;
  const { prior, inputs } = change;
  const stored = storedInputs(services, inputs);
  if (prior && actsAgain(services, prior, stored) === 'no') return keepAsIs(services, prior, stored, context);
  const [problem] = [
    ...problemsOf(scope.inputs, inputs),
    ...probeProblems(services, inputs),
    ...sampleProblems(services, inputs),
  ];
  if (problem) throw problem;
  const { members, problems } = resolveMembers(services, inputs.members);
  if (problems[0]) throw problems[0];
  const store = await openStore(services, defaults, inputs.store, context);
  const owner = ownerOf(services, prior);
  const request = {
    name: inputs.name as string,
    owner,
    members,
    store,
    limits: limitsOf(defaults, inputs),
    keep: inputs.keep as number | undefined,
    probes: probesOf(inputs),
    samples: await samplesOf(services, inputs),
    createdBy: `stasis ${services.version}`,
  };
  const take = () => asOwner(services, store, request.name, prior, () => capture(request, context));
  const sealed = await (prior ? take() : scope.created.create(store, request.name, take));
  return {
    id: prior?.id ?? formatId(store.location, sealed.name),
    stored,
    outputs: { ...snapshotOutputs(sealed), owner },
  };
}

/** Nothing to capture: what else changed is taken over, and `keep` takes effect. */
async function keepAsIs(
  services: Services,
  prior: ResourceState,
  stored: Values,
  context: Context,
): Promise<ResourceState> {
  const { store, name: snapshotName } = await storeOf(services, prior, context);
  const owner = ownerOf(services, prior);
  const keep = stored.keep as number | undefined;
  await asOwner(services, store, snapshotName, prior, async () => {
    if (keep !== undefined && keep !== prior.stored.keep)
      await dropOlder(store, snapshotName, owner, keep, context);
  });
  return { id: prior.id, stored, outputs: { ...prior.outputs, owner } };
}

async function dropOlder(
  store: Store,
  snapshotName: string,
  owner: string,
  keep: number,
  context: Context,
): Promise<void> {
  const record = await store.name(snapshotName);
  const old = (record?.generations ?? []).toSorted((a, b) => b.generation - a.generation).slice(keep);
  const generations = old.map(({ generation }) => generation);
  if (generations.length > 0) await store.remove(snapshotName, owner, generations, context);
}
