import { type ServiceError, status, type UntypedHandleCall } from '@grpc/grpc-js';
import plugin from '@pulumi/pulumi/proto/plugin_pb.js';
import empty from 'google-protobuf/google/protobuf/empty_pb.js';
import { StasisError, toStasisError } from '../../../core/errors.ts';
import type { Engine } from '../engine.ts';
import { callError } from '../errors.ts';
import provider from '../stubs.ts';
import { decodeProperties } from '../values/property.ts';
import { CallFailure, type Served } from './served.ts';

/**
 * All calls of `pulumirpc.ResourceProvider` that are served; the stubs answer all others with UNIMPLEMENTED. What
 * serves a resource is loaded with the first call that needs it: the engine is answered before that.
 */
export function providerHandlers(served: Served): Record<string, UntypedHandleCall> {
  const configuration = async () => (await import('./configuration.ts')).configurationHandlers(served);
  const resources = async () => (await import('./resource.ts')).resourceHandlers(served);
  const functions = async () => (await import('./function.ts')).functionHandlers(served);
  const components = () => import('./component.ts');
  const handlers = {
    ...connectionHandlers(served, resources),
    checkConfig: async (request: Request<'CheckRequest'>) => (await configuration()).checkConfig(request),
    diffConfig: async (request: Request<'DiffRequest'>) => (await configuration()).diffConfig(request),
    check: async (request: Request<'CheckRequest'>) => (await resources()).check(request),
    diff: async (request: Request<'DiffRequest'>) => (await resources()).diff(request),
    create: async (request: Request<'CreateRequest'>) => (await resources()).create(request),
    update: async (request: Request<'UpdateRequest'>) => (await resources()).update(request),
    read: async (request: Request<'ReadRequest'>) => (await resources()).read(request),
    delete: async (request: Request<'DeleteRequest'>) => (await resources()).delete(request),
    invoke: async (request: Request<'InvokeRequest'>) => (await functions()).invoke(request),
    construct: async (request: Request<'ConstructRequest'>) =>
      (await components()).construct(served, request),
  };
  return Object.fromEntries(
    Object.entries(handlers).map(([name, handler]) => [name, unary(handler as Handler, served.engine)]),
  );
}

type Request<
  N extends
    | 'CheckRequest'
    | 'ConfigureRequest'
    | 'ConstructRequest'
    | 'CreateRequest'
    | 'DeleteRequest'
    | 'DiffRequest'
    | 'GetSchemaRequest'
    | 'InvokeRequest'
    | 'ProviderHandshakeRequest'
    | 'ReadRequest'
    | 'UpdateRequest',
> = InstanceType<(typeof provider)[N]>;

/** An answer has left the process after this long; loading would hold it back, as it has the one thread. */
const ANSWER_MS = 5;

/** @param loadMore loads what the next calls need: a resource's own are all that comes after the configuration */
function connectionHandlers(served: Served, loadMore: () => Promise<unknown>) {
  return {
    getSchema: async (_request: Request<'GetSchemaRequest'>) =>
      new provider.GetSchemaResponse().setSchema(await served.schema()),
    configure: async (request: Request<'ConfigureRequest'>) => {
      served.configure(decodeProperties(request.getArgs()));
      // A failure of either is told by the first call that needs it.
      setTimeout(() => void Promise.allSettled([served.definition(), loadMore()]), ANSWER_MS);
      return new provider.ConfigureResponse()
        .setAcceptsecrets(true)
        .setSupportspreview(true)
        .setSupportsAutonamingConfiguration(true);
    },
    handshake: async (request: Request<'ProviderHandshakeRequest'>) => {
      served.engine.connect(request.getEngineAddress());
      return new provider.ProviderHandshakeResponse()
        .setAcceptSecrets(true)
        .setSupportsAutonamingConfiguration(true);
    },
    attach: async (request: InstanceType<typeof plugin.PluginAttach>) => {
      served.engine.connect(request.getAddress());
      return new empty.Empty();
    },
    getPluginInfo: async () => new plugin.PluginInfo().setVersion((await served.definition()).version),
    // Ctrl-C, and every ordinary end. What runs ends with an error, and the engine waits for it.
    cancel: async () => {
      served.calls.abort(
        new StasisError('cancelled', 'The run was interrupted.', {
          hint: 'What was paused goes on, and nothing was captured or restored. Run it again when it suits you.',
        }),
      );
      return new empty.Empty();
    },
  };
}

type Handler = (request: unknown) => Promise<unknown>;

/**
 * What was told of a call arrives before its answer does: after the last one the engine listens no more. grpc-js reports
 * `cancelled` for calls that succeeded too: it is never read here.
 */
function unary(handler: Handler, engine: Engine): UntypedHandleCall {
  return (
    call: { readonly request: unknown },
    answer: (error: Partial<ServiceError> | null, response?: unknown) => void,
  ): void => {
    handler(call.request)
      .finally(() => engine.told())
      .then(
        (response) => answer(null, response),
        (thrown: unknown) => answer(errorOf(thrown)),
      );
  };
}

/** A mistake of ours too left everything as it was: what a definition throws comes as a CallFailure. */
function errorOf(thrown: unknown): Partial<ServiceError> {
  if (thrown instanceof CallFailure) return thrown.serviceError;
  const error = callError([toStasisError(thrown)], (text) => text);
  return { ...error, code: error.code ?? status.FAILED_PRECONDITION };
}
