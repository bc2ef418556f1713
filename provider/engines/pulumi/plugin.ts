import { Server, ServerCredentials } from '@grpc/grpc-js';
import services from '@pulumi/pulumi/proto/provider_grpc_pb.js';
import type { ProviderDefinition } from '../../core/resource.ts';
import { Calls } from '../calls.ts';
import { Ending, endOnFaults } from '../ending.ts';
import { parseArguments } from './arguments.ts';
import { Engine } from './engine.ts';
import { providerHandlers } from './service/provider.ts';
import { Served } from './service/served.ts';

/** The engine's own limit of a message. */
const MESSAGE_MAX_BYTES = 400 * 1024 * 1024;
/**
 * How long work may take to let go and to roll back. An engine that ends us in order kills us 10 s after its Cancel;
 * one that died leaves us all the time.
 */
const SETTLE_MS = 150_000;
/** SIGINT is how the engine ends a plugin that does not end by itself; the others come from whoever runs us. */
const SIGNALS = ['SIGINT', 'SIGTERM', 'SIGHUP', 'SIGQUIT'] as const;

export interface PluginOptions {
  /** The provider for the snapshots of one owner. */
  readonly load: (owner: string) => Promise<ProviderDefinition>;
  /** The package schema, as JSON. */
  readonly schema: () => Promise<string>;
}

/**
 * Serves a provider as a plugin of Pulumi's engine, until the engine ends. Started without an engine's address it
 * serves any engine that attaches (PULUMI_DEBUG_PROVIDERS=stasis:PORT), until it is ended by a signal.
 */
export async function startPlugin(options: PluginOptions): Promise<void> {
  const { engineAddress, verbose } = parseArguments(process.argv.slice(2));
  const calls = new Calls();
  const engine = new Engine(engineAddress);
  const ending = new Ending(calls, (status) => void exit(engine, status), SETTLE_MS);
  endOnFaults(ending, {
    log: (_level, message, fields) => process.stderr.write(`${message} ${JSON.stringify(fields)}\n`),
  });
  // When the engine dies its ends of our pipes close. Writing to one must not end us in the middle of a freeze.
  for (const stream of [process.stdout, process.stderr])
    stream.on('error', () => void ending.end('the engine is gone'));
  for (const signal of SIGNALS) process.on(signal, () => void ending.end(`${signal} was received`));
  if (engineAddress !== undefined) endWithStdin(ending);

  const served = new Served({ ...options, calls, engine, verbose });
  const server = new Server({
    'grpc.max_receive_message_length': MESSAGE_MAX_BYTES,
    'grpc.max_send_message_length': MESSAGE_MAX_BYTES,
  });
  server.addService(services.ResourceProviderService, providerHandlers(served));
  process.stdout.write(`${await listen(server)}\n`);
}

function listen(server: Server): Promise<number> {
  return new Promise((resolve, reject) => {
    const bound = (error: Error | null, port: number): void => (error ? reject(error) : resolve(port));
    server.bindAsync('127.0.0.1:0', ServerCredentials.createInsecure(), bound);
  });
}

/** The engine holds our stdin open as long as it lives. */
function endWithStdin(ending: Ending): void {
  process.stdin.on('end', () => void ending.end('the engine is gone'));
  process.stdin.on('error', () => void ending.end('the engine is gone'));
  process.stdin.resume();
}

async function exit(engine: Engine, status: number): Promise<void> {
  await engine.told();
  process.exit(status);
}
