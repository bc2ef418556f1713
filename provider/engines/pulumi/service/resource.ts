import { isDeepStrictEqual } from 'node:util';
import empty from 'google-protobuf/google/protobuf/empty_pb.js';
import type { Context } from '../../../core/context.ts';
import { StasisError, toStasisError } from '../../../core/errors.ts';
import {
  type Change,
  halfDoneState,
  hasUnknown,
  type PlannedChange,
  type ResourceDefinition,
  type ResourceState,
} from '../../../core/resource.ts';
import type { Redact } from '../../redaction.ts';
import { checkFailures, initFailed } from '../errors.ts';
import { parseUrn } from '../naming.ts';
import provider from '../stubs.ts';
import { differences } from '../values/difference.ts';
import {
  decodeProperties,
  encodeProperties,
  fromValues,
  type PropertyMap,
  toValues,
} from '../values/property.ts';
import { lacksRequired, withSecrets } from '../values/secrets.ts';
import { propertiesOf, stateOf } from '../values/state.ts';
import { diffResponse, nothingDiffers } from './diff.ts';
import { computedProblems, explainName, withLogicalName } from './inputs.ts';
import { CallFailure, type Served } from './served.ts';

type Request<
  N extends
    | 'CheckRequest'
    | 'DiffRequest'
    | 'CreateRequest'
    | 'UpdateRequest'
    | 'ReadRequest'
    | 'DeleteRequest',
> = InstanceType<(typeof provider)[N]>;

/** A resource's life. Each call translates, asks the definition, and translates back. */
export function resourceHandlers(served: Served) {
  return {
    check: (request: Request<'CheckRequest'>) => check(served, request),
    diff: (request: Request<'DiffRequest'>) => diff(served, request),
    create: (request: Request<'CreateRequest'>) => create(served, request),
    update: (request: Request<'UpdateRequest'>) => update(served, request),
    read: (request: Request<'ReadRequest'>) => read(served, request),
    delete: (request: Request<'DeleteRequest'>) => remove(served, request),
  };
}

/**
 * What the inputs alone show is wrong with them; and, where the resource is to be created, what its plan finds, so
 * that it too is told at the user's own property.
 */
async function check(served: Served, request: Request<'CheckRequest'>) {
  const urn = request.getUrn();
  const definition = await served.resource(urn);
  const olds = decodeProperties(request.getOlds());
  const written = decodeProperties(request.getNews());
  const { name } = parseUrn(urn);
  const named = withLogicalName(definition, written, olds, name, request.getAutonaming());
  const inputs = withSecrets(definition.inputs, named);
  const redact = served.redactor(inputs);
  const values = toValues(inputs);
  const problems = [...computedProblems(definition, values), ...definition.check(values)];
  if (problems.length === 0 && Object.keys(olds).length === 0)
    problems.push(...(await planCreate(served, urn, definition, { inputs: values }, redact)));
  const errors = explainName(definition, problems, written, named).filter(isError);
  return new provider.CheckResponse()
    .setInputs(encodeProperties(inputs))
    .setFailuresList(checkFailures(errors, redact));
}

async function planCreate(
  served: Served,
  urn: string,
  definition: ResourceDefinition,
  change: Change,
  redact: Redact,
): Promise<readonly StasisError[]> {
  const planned = await served.run(urn, redact, (context) =>
    definition.plan(change, context).catch((thrown: unknown) => {
      const error = toStasisError(thrown);
      if (error.code === 'cancelled') throw error;
      return error;
    }),
  );
  if (planned instanceof StasisError) return [planned];
  served.plans.keep(urn, change, planned);
  return planned.problems;
}

async function diff(served: Served, request: Request<'DiffRequest'>) {
  const urn = request.getUrn();
  const definition = await served.resource(urn);
  const oldInputs = withSecrets(definition.inputs, decodeProperties(request.getOldInputs()));
  const inputs = withSecrets(definition.inputs, decodeProperties(request.getNews()));
  const redact = served.redactor(oldInputs, inputs);
  const before = stateOf(definition, request.getId(), decodeProperties(request.getOlds()));
  const { change, planned } = await served.run(urn, redact, async (context) => {
    const prior = await withInputs(definition, before, oldInputs, context);
    const asked: Change = { prior, inputs: toValues(inputs) };
    return { change: asked, planned: await definition.plan(asked, context) };
  });
  served.settle(urn, planned.problems.filter(isError), redact);
  if (isNothing(definition, change, planned)) return nothingDiffers();
  served.plans.keep(urn, change, planned);
  return diffResponse(differences(oldInputs, inputs), planned.replace);
}

function isError({ severity }: StasisError): boolean {
  return severity === 'error';
}

/**
 * After an import most inputs are not known, and what the user wrote is taken over: no change, or the engine would
 * refuse the import. It keeps the inputs, where the next plan finds them.
 */
function isNothing(definition: ResourceDefinition, { prior }: Change, planned: PlannedChange): boolean {
  if (planned.action === 'none') return true;
  if (planned.action !== 'update' || prior === undefined) return false;
  return lacksRequired(definition.inputs, prior.stored) && !hasUnknown(planned.outputs);
}

/**
 * The state with what is stored of inputs that only the engine knows: it takes over new inputs without asking us where
 * we say that nothing differs. What would be stored of them a plan tells, without contact to any member.
 */
async function withInputs(
  definition: ResourceDefinition,
  state: ResourceState,
  oldInputs: PropertyMap,
  context: Context,
): Promise<ResourceState> {
  const inputs = toValues(oldInputs);
  const missing = Object.keys(inputs).filter((key) => state.stored[key] === undefined);
  if (missing.length === 0 || !isImported(definition, state)) return state;
  const { stored } = await definition.plan({ prior: state, inputs }, context);
  const known = missing.filter((key) => stored[key] !== undefined).map((key) => [key, stored[key]]);
  return { ...state, stored: { ...state.stored, ...Object.fromEntries(known) }, imported: true };
}

function isImported(definition: ResourceDefinition, { stored }: ResourceState): boolean {
  return lacksRequired(definition.inputs, stored);
}

async function create(served: Served, request: Request<'CreateRequest'>) {
  const urn = request.getUrn();
  const definition = await served.resource(urn);
  const inputs = withSecrets(definition.inputs, decodeProperties(request.getProperties()));
  const change: Change = { inputs: toValues(inputs) };
  if (request.getPreview()) {
    const planned = await preview(served, urn, definition, change, served.redactor(inputs));
    return new provider.CreateResponse()
      .setId(typeof planned.id === 'string' ? planned.id : '')
      .setProperties(encodeProperties(propertiesOf(definition, planned, inputs)));
  }
  const state = await apply(served, urn, definition, change, inputs);
  return new provider.CreateResponse()
    .setId(state.id)
    .setProperties(encodeProperties(propertiesOf(definition, state, inputs)));
}

async function update(served: Served, request: Request<'UpdateRequest'>) {
  const urn = request.getUrn();
  const definition = await served.resource(urn);
  const oldInputs = withSecrets(definition.inputs, decodeProperties(request.getOldInputs()));
  const inputs = withSecrets(definition.inputs, decodeProperties(request.getNews()));
  const before = stateOf(definition, request.getId(), decodeProperties(request.getOlds()));
  const redact = served.redactor(oldInputs, inputs);
  const prior = await served.run(urn, redact, (context) =>
    withInputs(definition, before, oldInputs, context),
  );
  const change: Change = { prior, inputs: toValues(inputs) };
  const state = request.getPreview()
    ? await preview(served, urn, definition, change, redact)
    : await apply(served, urn, definition, change, inputs);
  return new provider.UpdateResponse().setProperties(
    encodeProperties(propertiesOf(definition, state, inputs)),
  );
}

async function preview(
  served: Served,
  urn: string,
  definition: ResourceDefinition,
  change: Change,
  redact: Redact,
): Promise<PlannedChange> {
  const planned =
    served.plans.take(urn, change) ??
    (await served.run(urn, redact, (context) => definition.plan(change, context)));
  served.settle(urn, planned.problems, redact);
  return planned;
}

async function apply(
  served: Served,
  urn: string,
  definition: ResourceDefinition,
  change: Change,
  inputs: PropertyMap,
): Promise<ResourceState> {
  const redact = served.redactor(inputs);
  return served.run(urn, redact, async (context) => {
    try {
      return await definition.apply(change, context);
    } catch (thrown) {
      const begun = halfDoneState(thrown);
      if (begun === undefined) throw thrown;
      const properties = propertiesOf(definition, begun, inputs);
      throw new CallFailure(initFailed(begun.id, properties, inputs, toStasisError(thrown), redact));
    }
  });
}

/** A refresh; or, where nothing is known but an id, an import. */
async function read(served: Served, request: Request<'ReadRequest'>) {
  const urn = request.getUrn();
  const definition = await served.resource(urn);
  const properties = decodeProperties(request.getProperties());
  if (Object.keys(properties).length === 0) return importState(served, request, definition);
  const inputs = withSecrets(definition.inputs, decodeProperties(request.getInputs()));
  const prior = stateOf(definition, request.getId(), properties);
  const redact = served.redactor(inputs);
  const found = await served.run(urn, redact, (context) => definition.read(prior, context));
  // Without an id the resource is gone.
  if (found === undefined) return new provider.ReadResponse();
  served.settle(urn, found.problems, redact);
  const same = isDeepStrictEqual(found.state, prior);
  return new provider.ReadResponse()
    .setId(found.state.id)
    .setInputs(encodeProperties(inputs))
    .setProperties(encodeProperties(same ? properties : propertiesOf(definition, found.state, inputs)));
}

async function importState(served: Served, request: Request<'ReadRequest'>, definition: ResourceDefinition) {
  const state = await served.run(request.getUrn(), served.redactor(), (context) =>
    definition.importState(request.getId(), context),
  );
  const inputs = fromValues(state.stored);
  return new provider.ReadResponse()
    .setId(state.id)
    .setInputs(encodeProperties(inputs))
    .setProperties(encodeProperties(propertiesOf(definition, state, inputs)));
}

async function remove(served: Served, request: Request<'DeleteRequest'>) {
  const urn = request.getUrn();
  const definition = await served.resource(urn);
  const oldInputs = withSecrets(definition.inputs, decodeProperties(request.getOldInputs()));
  const before = stateOf(definition, request.getId(), decodeProperties(request.getProperties()));
  const redact = served.redactor(oldInputs);
  const problems = await served.run(urn, redact, async (context) =>
    definition.delete(await withInputs(definition, before, oldInputs, context), context),
  );
  served.settle(urn, problems, redact);
  return new empty.Empty();
}
