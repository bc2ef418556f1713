import { Server, ServerCredentials, type UntypedHandleCall } from '@grpc/grpc-js';
import { toStasisError } from '../../core/errors.ts';
import type { ProviderDefinition } from '../../core/resource.ts';
import { Calls } from '../calls.ts';
import { endOnFaults } from '../ending.ts';
import type { Redact } from '../redaction.ts';
import { handshakeLine, readInvitation, reattachConfiguration } from './handshake.ts';
import { Lifecycle } from './lifecycle.ts';
import { hclogLogger, hclogReporting, logLevel } from './log.ts';
import { providerAddress } from './naming.ts';
import { providerHandlers } from './service/provider.ts';
import { Served } from './service/served.ts';
import { createSocketPlace } from './socket.ts';
import { createTlsIdentity } from './tls-identity.ts';
import { CONTROLLER_SERVICE, PROVIDER_SERVICE, STDIO_SERVICE } from './wire/services.ts';

/** A state with large certificates is far below; Terraform's own limit is the same. */
const MESSAGE_MAX_BYTES = 256 * 1024 * 1024;
/** `terraform` and its process group get these from Ctrl-C and from a terminal that closes. */
const SIGNALS = ['SIGINT', 'SIGTERM', 'SIGHUP', 'SIGQUIT'] as const;
/** Serves a process that was started by hand, for an engine with TF_REATTACH_PROVIDERS. */
const REATTACH_FLAG = '--reattach';

/**
 * Serves a provider as Terraform's and OpenTofu's plugin, until the engine ends. `load` is called after the engine
 * was answered, while it connects. What keeps the plugin from starting is said in one line on stdout, where the
 * engine looks for the handshake, and shows it.
 */
export async function startPlugin(load: () => Promise<ProviderDefinition>): Promise<void> {
  try {
    await start(load);
  } catch (thrown) {
    const { message, hint } = toStasisError(thrown);
    process.stdout.write(`stasis cannot start: ${[message, hint].filter(Boolean).join(' ')}\n`);
    process.exitCode = 1;
  }
}

async function start(load: () => Promise<ProviderDefinition>): Promise<void> {
  const reattachable = process.argv.includes(REATTACH_FLAG);
  const invitation = reattachable ? undefined : readInvitation(process.env);
  const parent = process.ppid;
  const calls = new Calls();
  const write = (line: string) => void process.stderr.write(line);
  const level = logLevel(process.env);
  const lifecycle = new Lifecycle(calls, (status) => process.exit(status));
  endOnBrokenPipes(lifecycle);
  endOnFaults(lifecycle, hclogLogger(write, 'error'));
  takeSignals(lifecycle, reattachable);

  const place = createSocketPlace(invitation?.socketFolder);
  process.on('exit', place.remove);
  const served = new Served(load, calls, (redact: Redact) => hclogReporting(write, level, redact));
  const identity = invitation?.clientCertificate ? createTlsIdentity() : undefined;
  const credentials =
    identity === undefined || invitation?.clientCertificate === undefined
      ? ServerCredentials.createInsecure()
      : ServerCredentials.createSsl(
          Buffer.from(invitation.clientCertificate),
          [{ private_key: Buffer.from(identity.keyPem), cert_chain: Buffer.from(identity.certificatePem) }],
          true,
        );
  const server = createServer(served, lifecycle, reattachable);
  await listen(server, place.path, credentials);
  if (reattachable) announce(place.path);
  else {
    process.stdout.write(`${handshakeLine(place.path, identity?.certificateDer)}\n`);
    lifecycle.watchParent(parent);
  }
  // Its failure is told by the first call that needs it.
  served.definition().catch(() => {});
}

function createServer(served: Served, lifecycle: Lifecycle, reattachable: boolean): Server {
  const server = new Server({
    'grpc.max_receive_message_length': MESSAGE_MAX_BYTES,
    'grpc.max_send_message_length': MESSAGE_MAX_BYTES,
  });
  const handlers = Object.entries(providerHandlers(served)).map(([method, handler]) => [
    method,
    unary(handler as (request: unknown) => Promise<unknown>),
  ]);
  server.addService(PROVIDER_SERVICE, Object.fromEntries(handlers));
  server.addService(CONTROLLER_SERVICE, {
    Shutdown: unary(async () => {
      if (!reattachable) lifecycle.shutDown();
      return {};
    }),
  });
  server.addService(STDIO_SERVICE, {
    StreamStdio: (call: { on(event: 'cancelled', listener: () => void): void }) => {
      lifecycle.hostStreamOpened();
      call.on('cancelled', () => lifecycle.hostStreamClosed(reattachable));
    },
  });
  return server;
}

/** grpc-js reports `cancelled` for calls that succeeded too: it is never read here. */
function unary(handler: (request: unknown) => Promise<unknown>): UntypedHandleCall {
  return (
    call: { readonly request: unknown },
    answer: (error: Error | null, response?: unknown) => void,
  ): void => {
    handler(call.request).then(
      (response) => answer(null, response),
      (error: Error) => answer(error),
    );
  };
}

function listen(server: Server, path: string, credentials: ServerCredentials): Promise<void> {
  return new Promise((resolve, reject) => {
    server.bindAsync(`unix:${path}`, credentials, (error) => (error ? reject(error) : resolve()));
  });
}

/**
 * When the host dies its ends of our pipes close. Writing to one must not end us in the middle of a freeze; it tells
 * that nobody is there, also when the host died so early that our parent was another one from the start.
 */
function endOnBrokenPipes(lifecycle: Lifecycle): void {
  for (const stream of [process.stdout, process.stderr])
    stream.on('error', () => void lifecycle.end('the engine is gone'));
}

/** The engine tells us to stop by a call; the signals that reach its whole process group are its own business. */
function takeSignals(lifecycle: Lifecycle, reattachable: boolean): void {
  for (const signal of SIGNALS)
    process.on(signal, () => {
      if (reattachable) void lifecycle.end(`${signal} was received`);
    });
}

function announce(socketPath: string): void {
  const addresses = [providerAddress('terraform'), providerAddress('opentofu')];
  const value = reattachConfiguration(addresses, socketPath, process.pid);
  process.stdout.write(`TF_REATTACH_PROVIDERS='${value}'\n`);
}
