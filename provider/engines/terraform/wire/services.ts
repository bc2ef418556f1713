import type { ServiceDefinition } from '@grpc/grpc-js';
import { decodeMessage, encodeMessage } from './codec.ts';
import type { Message, MessageName } from './messages.ts';
import { PROVIDER_METHODS } from './messages.ts';

/** One call as grpc-js wants it described. */
function method<Q extends MessageName, S extends MessageName>(
  path: string,
  request: Q,
  response: S,
  responseStream = false,
) {
  return {
    path,
    requestStream: false,
    responseStream,
    requestSerialize: (message: Message<Q>) => encodeMessage(request, message),
    requestDeserialize: (bytes: Buffer) => decodeMessage(request, bytes),
    // A schema that the build has encoded goes out as it is.
    responseSerialize: (message: Message<S> | Buffer) =>
      Buffer.isBuffer(message) ? message : encodeMessage(response, message),
    responseDeserialize: (bytes: Buffer) => decodeMessage(response, bytes),
  };
}

export const PROVIDER_SERVICE: ServiceDefinition = Object.fromEntries(
  PROVIDER_METHODS.map((name) => [
    name,
    method(`/tfplugin6.Provider/${name}`, `${name}.Request`, `${name}.Response`),
  ]),
);

/** HashiCorp's go-plugin, which starts us: how it asks us to end. */
export const CONTROLLER_SERVICE = {
  Shutdown: method('/plugin.GRPCController/Shutdown', 'Empty', 'Empty'),
} satisfies ServiceDefinition;

/**
 * Its stream for a plugin's output. We send nothing on it (stderr goes by its own pipe), but as long as it is open
 * the host lives.
 */
export const STDIO_SERVICE = {
  StreamStdio: method('/plugin.GRPCStdio/StreamStdio', 'Empty', 'Empty', true),
} satisfies ServiceDefinition;
