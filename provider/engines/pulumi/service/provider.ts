import { type ServiceError, status, type UntypedHandleCall } from '@grpc/grpc-js';
import plugin from '@pulumi/pulumi/proto/plugin_pb.js';
import empty from 'google-protobuf/google/protobuf/empty_pb.js';
import { StasisError, toStasisError } from '../../../core/errors.ts';
import type { Engine } from '../engine.ts';
import { callError } from '../errors.ts';
import provider from '../stubs.ts';
import { configurationHandlers } from './configuration.ts';
import { functionHandlers } from './function.ts';
import { resourceHandlers } from './resource.ts';
import { CallFailure, type Served } from './served.ts';

/** All calls of `pulumirpc.ResourceProvider` that are served; the stubs answer all others with UNIMPLEMENTED. */
export function providerHandlers(served: Served): Record<string, UntypedHandleCall> {
  const handlers = {
    ...connectionHandlers(served),
    ...configurationHandlers(served),
    ...resourceHandlers(served),
    ...functionHandlers(served),
    // Most runs have no component: what serves them is loaded when one comes.
    construct: async (request: InstanceType<typeof provider.ConstructRequest>) => {
      const { construct } = await import('./component.ts');
      return construct(served, request);
    },
  };
  return Object.fromEntries(
    Object.entries(handlers).map(([name, handler]) => [name, unary(handler as Handler, served.engine)]),
  );
}

function connectionHandlers(served: Served) {
  return {
    handshake: async (request: InstanceType<typeof provider.ProviderHandshakeRequest>) => {
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
