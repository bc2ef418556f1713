import { credentials, status } from '@grpc/grpc-js';
import errors from '@pulumi/pulumi/proto/errors_pb.js';
import services from '@pulumi/pulumi/proto/resource_grpc_pb.js';
import messages from '@pulumi/pulumi/proto/resource_pb.js';
import { z } from 'zod';
import type { StasisError } from '../../../core/errors.ts';
import { UNKNOWN, type Values } from '../../../core/resource.ts';
import { metaOf, problemsOf, unwrap } from '../../../core/schema.ts';
import type { Redact } from '../../redaction.ts';
import { callError, failureWith } from '../errors.ts';
import { PACKAGE_NAME, tokenOf } from '../naming.ts';
import provider from '../stubs.ts';
import { formatPath } from '../values/paths.ts';
import {
  decodeProperties,
  encodeProperties,
  isMap,
  type Property,
  type PropertyMap,
  Secret,
  toValues,
} from '../values/property.ts';
import { CallFailure, type Served } from './served.ts';

type ConstructRequest = InstanceType<typeof provider.ConstructRequest>;

/** The engine's side of a program that is running: where resources are registered. */
type Monitor = InstanceType<typeof services.ResourceMonitorClient>;

/**
 * Registers a component and what it consists of with the engine, as the user's program would. The engine then asks us
 * for each of those resources as for any other.
 */
export async function construct(served: Served, request: ConstructRequest) {
  const definition = await served.component(request.getType());
  const name = request.getName();
  const inputs = decodeProperties(request.getInputs());
  const redact = served.redactor(inputs);
  const problems = problemsOf(withoutNames(definition.inputs), toValues(inputs));
  if (problems.length > 0) throw new CallFailure(inputErrors(problems, redact));
  const monitor = new services.ResourceMonitorClient(
    request.getMonitorendpoint(),
    credentials.createInsecure(),
  );
  try {
    const urn = await registerComponent(monitor, request);
    const children: string[] = [];
    const outputs = await definition.build(
      name,
      buildInputs(definition.inputs, inputs),
      async (resource, child, values) => {
        const registered = await registerChild(
          monitor,
          request,
          urn,
          children,
          resource,
          child,
          values as PropertyMap,
        );
        children.push(registered.urn);
        return registered.outputs;
      },
    );
    const state = outputsOf(definition.outputs, outputs, request.getDryrun());
    await registerOutputs(monitor, urn, state);
    return responseOf(urn, state, children);
  } finally {
    monitor.close();
  }
}

/** A name that the user does not give the resources in it get when they are checked, as the stack's settings say. */
function withoutNames(inputs: z.ZodObject): z.ZodObject {
  const named = Object.entries(inputs.shape).filter(([, field]) => metaOf(field).logicalName === true);
  return inputs.extend(Object.fromEntries(named.map(([key, field]) => [key, z.optional(field)])));
}

/**
 * What `build` moves from place to place. It looks into objects: what was wrapped as a whole is wrapped in its parts,
 * and an object of which nothing is known yet is left to the run that knows it.
 */
function buildInputs({ shape }: z.ZodObject, inputs: PropertyMap): Values {
  return Object.fromEntries(
    Object.entries(inputs)
      .filter(
        ([key, value]) => value !== null && !(value === UNKNOWN && unwrap(shape[key]) instanceof z.ZodObject),
      )
      .map(([key, value]) => [key, wrappedInParts(value)]),
  );
}

function wrappedInParts(property: Property): Property {
  if (!(property instanceof Secret) || !isMap(property.value)) return property;
  return Object.fromEntries(
    Object.entries(property.value).map(([key, value]) => [
      key,
      value instanceof Secret ? value : new Secret(value),
    ]),
  );
}

async function registerComponent(monitor: Monitor, request: ConstructRequest): Promise<string> {
  const message = new messages.RegisterResourceRequest()
    .setType(request.getType())
    .setName(request.getName())
    .setParent(request.getParent())
    .setCustom(false)
    .setAcceptsecrets(true)
    .setSupportspartialvalues(true)
    .setAliasspecs(true)
    .setObject(encodeProperties({}))
    .setAliasesList(request.getAliasesList())
    .setDependenciesList(request.getDependenciesList())
    .setIgnorechangesList(request.getIgnorechangesList())
    .setReplaceonchangesList(request.getReplaceonchangesList())
    .setAdditionalsecretoutputsList(request.getAdditionalsecretoutputsList())
    .setDeletedwith(request.getDeletedwith());
  const [protect, retain] = [request.getProtect(), request.getRetainondelete()];
  if (request.hasProtect() && protect !== undefined) message.setProtect(protect);
  if (request.hasRetainondelete() && retain !== undefined) message.setRetainondelete(retain);
  copyMap(request.getProvidersMap(), message.getProvidersMap());
  return (await register(monitor, message)).getUrn();
}

interface Registered {
  readonly urn: string;
  readonly outputs: PropertyMap;
}

async function registerChild(
  monitor: Monitor,
  request: ConstructRequest,
  parent: string,
  before: readonly string[],
  resource: string,
  name: string,
  inputs: PropertyMap,
): Promise<Registered> {
  const kept = Object.fromEntries(Object.entries(inputs).filter(([, value]) => value !== undefined));
  const dependencies = [...new Set([...dependenciesOf(request), ...before])];
  const message = new messages.RegisterResourceRequest()
    .setType(tokenOf(resource))
    .setName(name)
    .setParent(parent)
    .setCustom(true)
    .setAcceptsecrets(true)
    .setSupportspartialvalues(true)
    .setAliasspecs(true)
    .setObject(encodeProperties(kept))
    .setDependenciesList(dependencies)
    .setProvider(request.getProvidersMap().get(PACKAGE_NAME) ?? '');
  for (const key of Object.keys(kept))
    message
      .getPropertydependenciesMap()
      .set(key, new messages.RegisterResourceRequest.PropertyDependencies().setUrnsList(dependencies));
  const response = await register(monitor, message);
  return { urn: response.getUrn(), outputs: decodeProperties(response.getObject()) };
}

/** What any of the component's inputs comes from. */
function dependenciesOf(request: ConstructRequest): readonly string[] {
  const found: string[] = [];
  request.getInputdependenciesMap().forEach((entry) => {
    found.push(...entry.getUrnsList());
  });
  return found;
}

function register(monitor: Monitor, message: InstanceType<typeof messages.RegisterResourceRequest>) {
  return new Promise<InstanceType<typeof messages.RegisterResourceResponse>>((resolve, reject) => {
    // No deadline: the engine answers when the resource was created, and ends the call when it is cancelled.
    monitor.registerResource(message, (error, response) => (error ? reject(error) : resolve(response)));
  });
}

function registerOutputs(monitor: Monitor, urn: string, outputs: PropertyMap): Promise<void> {
  const message = new messages.RegisterResourceOutputsRequest()
    .setUrn(urn)
    .setOutputs(encodeProperties(outputs));
  return new Promise((resolve, reject) => {
    monitor.registerResourceOutputs(message, (error) => (error ? reject(error) : resolve()));
  });
}

/** What only a real run tells is unknown in a preview, where a resource's outputs may be missing. */
function outputsOf({ shape }: z.ZodObject, outputs: Values, isPreview: boolean): PropertyMap {
  const entries = Object.keys(shape).map((key): [string, Property | undefined] => [
    key,
    (outputs[key] as Property | undefined) ?? (isPreview ? UNKNOWN : undefined),
  ]);
  return Object.fromEntries(entries.filter((entry): entry is [string, Property] => entry[1] !== undefined));
}

function responseOf(urn: string, state: PropertyMap, children: readonly string[]) {
  const response = new provider.ConstructResponse().setUrn(urn).setState(encodeProperties(state));
  for (const key of Object.keys(state))
    response
      .getStatedependenciesMap()
      .set(key, new provider.ConstructResponse.PropertyDependencies().setUrnsList([...children]));
  return response;
}

function copyMap(from: ReturnType<ConstructRequest['getProvidersMap']>, to: typeof from): void {
  from.forEach((value, key) => {
    to.set(key, value);
  });
}

/** The engine names each property of these beside the component. */
function inputErrors(problems: readonly StasisError[], redact: Redact) {
  const list = problems.map((problem) =>
    new errors.InputPropertiesError.PropertyError()
      .setPropertyPath(formatPath(problem.at))
      .setReason(redact([problem.message, problem.hint].filter(Boolean).join(' '))),
  );
  const { details = '' } = callError(problems, redact);
  return failureWith(
    { code: status.INVALID_ARGUMENT, details },
    'pulumirpc.InputPropertiesError',
    new errors.InputPropertiesError().setErrorsList(list).serializeBinary(),
  );
}
