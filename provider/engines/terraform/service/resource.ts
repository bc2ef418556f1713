import { StasisError } from '../../../core/errors.ts';
import type { Change } from '../../../core/resource.ts';
import { problemsOf } from '../../../core/schema.ts';
import { diagnosticsOf } from '../diagnostics.ts';
import type { BlockType } from '../schema/schema.ts';
import { conform, toValues } from '../values/convert.ts';
import {
  decodeDynamicValue,
  encodeDynamicValue,
  parseStateJson,
  type Raw,
  type RawObject,
} from '../values/dynamic-value.ts';
import { attributePath } from '../values/paths.ts';
import { configuredState, importedState, refreshedState, stateOf } from '../values/state.ts';
import type { Message, ProviderHandlers } from '../wire/messages.ts';
import { configProblems, nullProblems } from './config-checks.ts';
import { attempt, type Served } from './served.ts';

type Handlers = Pick<
  ProviderHandlers,
  | 'ValidateResourceConfig'
  | 'UpgradeResourceState'
  | 'ReadResource'
  | 'PlanResourceChange'
  | 'ApplyResourceChange'
  | 'ImportResourceState'
>;

/** A managed resource's life. Each call translates, asks the definition, and translates back. */
export function resourceHandlers(served: Served): Handlers {
  return {
    ValidateResourceConfig: (request) => validate(served, request),
    UpgradeResourceState: (request) => upgrade(served, request),
    ReadResource: (request) => read(served, request),
    PlanResourceChange: (request) => plan(served, request),
    ApplyResourceChange: (request) => apply(served, request),
    ImportResourceState: (request) => importState(served, request),
  };
}

async function validate(
  served: Served,
  request: Message<'ValidateResourceConfig.Request'>,
): Promise<Message<'ValidateResourceConfig.Response'>> {
  const { definition, type } = await served.resource(request.typeName);
  const config = objectOf(request.config);
  const problems = [
    ...configProblems(type.inputs, config, request.clientCapabilities),
    ...problemsOf(definition.inputs, toValues(type.inputs, config)),
  ];
  return { diagnostics: diagnosticsOf(problems, served.scope(type.attributes, config)) };
}

/** There is one version of the schema so far: what a state lacks is null, what it has too much is left out. */
async function upgrade(
  served: Served,
  request: Message<'UpgradeResourceState.Request'>,
): Promise<Message<'UpgradeResourceState.Response'>> {
  const { type } = await served.resource(request.typeName);
  const state = parseStateJson(request.rawState?.json ?? new Uint8Array()) as RawObject;
  return { upgradedState: encodeDynamicValue(conform(type.attributes, state)) };
}

async function read(
  served: Served,
  request: Message<'ReadResource.Request'>,
): Promise<Message<'ReadResource.Response'>> {
  const { definition, type } = await served.resource(request.typeName);
  const current = objectOf(request.currentState);
  const prior = stateOf(type, current);
  const scope = served.scope(type.attributes, {});
  const { done, diagnostics } = await attempt(served, scope, (context) => definition.read(prior, context));
  if (done === undefined) return { newState: request.currentState, private: request.private, diagnostics };
  const found = done.result;
  const problems = found === undefined ? [gone(definition.name, prior.id)] : found.problems;
  return {
    newState: encodeDynamicValue(found === undefined ? null : refreshedState(type, current, found.state)),
    private: request.private,
    diagnostics: [...diagnostics, ...diagnosticsOf(problems, scope)],
  };
}

function gone(name: string, id: string): StasisError {
  return new StasisError('resource.gone', `The ${name} ${id} is no longer there.`, {
    hint: 'The next apply creates it again.',
    severity: 'warning',
  });
}

async function plan(
  served: Served,
  request: Message<'PlanResourceChange.Request'>,
): Promise<Message<'PlanResourceChange.Response'>> {
  const plannedPrivate = request.priorPrivate;
  // Nothing is proposed when the resource is to be deleted.
  if (decodeDynamicValue(request.proposedNewState) === null)
    return { plannedState: encodeDynamicValue(null), plannedPrivate };
  const { definition, type } = await served.resource(request.typeName);
  const config = objectOf(request.config);
  const change = changeOf(type, decodeDynamicValue(request.priorState), config);
  const scope = served.scope(type.attributes, config);
  const { done, diagnostics } = await attempt(served, scope, (context) => definition.plan(change, context));
  if (done === undefined) return { diagnostics };
  const planned = done.result;
  return {
    plannedState: encodeDynamicValue(configuredState(type, config, planned)),
    requiresReplace: planned.replace.flatMap((place) => attributePath(type.attributes, place) ?? []),
    plannedPrivate,
    diagnostics: [...diagnostics, ...diagnosticsOf(planned.problems, scope)],
  };
}

async function apply(
  served: Served,
  request: Message<'ApplyResourceChange.Request'>,
): Promise<Message<'ApplyResourceChange.Response'>> {
  const { definition, type } = await served.resource(request.typeName);
  const config = decodeDynamicValue(request.config) as RawObject | null;
  const prior = decodeDynamicValue(request.priorState) as RawObject | null;
  const deletes = decodeDynamicValue(request.plannedState) === null;
  const scope = served.scope(type.attributes, config ?? {});
  const { done, diagnostics } = await attempt(served, scope, async (context) => {
    if (deletes)
      return { state: null, problems: await definition.delete(stateOf(type, prior ?? {}), context) };
    // What was unknown in the plan may have turned out to be null.
    const [problem] = nullProblems(type.inputs, config ?? {});
    if (problem !== undefined) throw problem;
    const state = await definition.apply(changeOf(type, prior, config ?? {}), context);
    return { state: configuredState(type, config ?? {}, state), problems: [] };
  });
  // What failed left everything as it was: the state from before, which is none for what was to be created, so that
  // the engine does not hold a half-made resource and replace it.
  if (done === undefined)
    return { newState: encodeDynamicValue(prior), private: request.plannedPrivate, diagnostics };
  const { state, problems } = done.result;
  return {
    newState: encodeDynamicValue(state),
    private: request.plannedPrivate,
    diagnostics: [...diagnostics, ...diagnosticsOf(problems, scope)],
  };
}

async function importState(
  served: Served,
  request: Message<'ImportResourceState.Request'>,
): Promise<Message<'ImportResourceState.Response'>> {
  const { definition, type } = await served.resource(request.typeName);
  const scope = served.scope(type.attributes, {});
  const { done, diagnostics } = await attempt(served, scope, (context) =>
    definition.importState(request.id ?? '', context),
  );
  if (done === undefined) return { diagnostics };
  const state = encodeDynamicValue(importedState(type, done.result));
  return { importedResources: [{ typeName: type.typeName, state }], diagnostics };
}

function changeOf(type: BlockType, prior: Raw, config: RawObject): Change {
  const inputs = toValues(type.inputs, config);
  return prior === null ? { inputs } : { prior: stateOf(type, prior as RawObject), inputs };
}

function objectOf(value: Message<'DynamicValue'> | undefined): RawObject {
  return (decodeDynamicValue(value) ?? {}) as RawObject;
}
