import { Server, ServerCredentials, type UntypedHandleCall } from '@grpc/grpc-js';
import { toStasisError } from '../../core/errors.ts';
import type { ProviderDefinition } from '../../core/resource.ts';
import { Calls, type Reporting } from '../calls.ts';
import { endOnFaults } from '../ending.ts';
import type { Redact } from '../redaction.ts';
import { handshakeLine, readInvitation, reattachConfiguration } from './handshake.ts';
import { Lifecycle } from './lifecycle.ts';
import { hclogLogger, hclogReporting, logLevel } from './log.ts';
import { providerAddress } from './naming.ts';
import { createSocketPlace } from './socket.ts';
import { createTlsIdentity } from './tls-identity.ts';
import { PROVIDER_METHODS, type ProviderHandlers, type ProviderMethod } from './wire/messages.ts';
import { CONTROLLER_SERVICE, PROVIDER_SERVICE, STDIO_SERVICE } from './wire/services.ts';

/** A state with large certificates is far below; Terraform's own limit is the same. */
const MESSAGE_MAX_BYTES = 256 * 1024 * 1024;
/** `terraform` and its process group get these from Ctrl-C and from a terminal that closes. */
const SIGNALS = ['SIGINT', 'SIGTERM', 'SIGHUP', 'SIGQUIT'] as const;
/** Serves a process that was started by hand, for an engine with TF_REATTACH_PROVIDERS. */
const REATTACH_FLAG = '--reattach';

export interface PluginOptions {
  /** The provider, loaded with the first call that needs it. */
  readonly load: () => Promise<ProviderDefinition>;
  /** Its schema as it goes over the wire, where it was made beforehand. */
  readonly schema?: () => Promise<Buffer | undefined>;
}

/**
 * Serves a provider as Terraform's and OpenTofu's plugin, until the engine ends. What keeps the plugin from starting is
 * said in one line on stdout, where the engine looks for the handshake, and shows it.
 */
export async function startPlugin(options: PluginOptions): Promise<void> {
  try {
    await start(options);
  } catch (thrown) {
    const { message, hint } = toStasisError(thrown);
    process.stdout.write(`stasis cannot start: ${[message, hint].filter(Boolean).join(' ')}\n`);
    process.exitCode = 1;
  }
}

async function start(options: PluginOptions): Promise<void> {
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
  const handlers = handlersOf(options, calls, (redact: Redact) => hclogReporting(write, level, redact));
  const identity = invitation?.clientCertificate ? createTlsIdentity() : undefined;
  const credentials =
    identity === undefined || invitation?.clientCertificate === undefined
      ? ServerCredentials.createInsecure()
      : ServerCredentials.createSsl(
          Buffer.from(invitation.clientCertificate),
          [{ private_key: Buffer.from(identity.keyPem), cert_chain: Buffer.from(identity.certificatePem) }],
          true,
        );
  const server = createServer(handlers, lifecycle, reattachable);
  await listen(server, place.path, credentials);
  if (reattachable) announce(place.path);
  else {
    process.stdout.write(`${handshakeLine(place.path, identity?.certificateDer)}\n`);
    lifecycle.watchParent(parent);
  }
}

type Handler = (request: unknown) => Promise<unknown>;

/**
 * What serves the calls is loaded with the first one of them. A command of the engine starts the plugin several times,
 * once for the schema alone.
 */
function handlersOf(
  { load, schema }: PluginOptions,
  calls: Calls,
  reporting: (redact: Redact) => Reporting,
): Readonly<Record<ProviderMethod, Handler>> {
  let serving: Promise<ProviderHandlers> | undefined;
  const handle = async (method: ProviderMethod, request: unknown) => {
    serving ??= import('./service/provider.ts').then(({ serve }) => serve(load, calls, reporting));
    return ((await serving)[method] as Handler)(request);
  };
  const all = PROVIDER_METHODS.map((method) => [method, (request: unknown) => handle(method, request)]);
  const handlers = Object.fromEntries(all) as Record<ProviderMethod, Handler>;
  const made = handlers.GetProviderSchema;
  return { ...handlers, GetProviderSchema: async (request) => (await schema?.()) ?? made(request) };
}

function createServer(
  serving: Readonly<Record<ProviderMethod, Handler>>,
  lifecycle: Lifecycle,
  reattachable: boolean,
): Server {
  const server = new Server({
    'grpc.max_receive_message_length': MESSAGE_MAX_BYTES,
    'grpc.max_send_message_length': MESSAGE_MAX_BYTES,
  });
  const handlers = Object.entries(serving).map(([method, handler]) => [method, unary(handler)]);
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
function unary(handler: Handler): UntypedHandleCall {
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
