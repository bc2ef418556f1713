import { credentials, Metadata } from '@grpc/grpc-js';
import type { LogLevel } from '../../core/context.ts';

/** One line for the engine's log or screen. */
export interface EngineMessage {
  readonly level: Exclude<LogLevel, 'trace'>;
  readonly text: string;
  /** The resource that it is about. */
  readonly urn?: string;
  /** Shown beside the resource until the next one comes, and kept nowhere. */
  readonly ephemeral?: boolean;
}

/** How long the engine may take to take a line: it may be gone, or busy ending. */
const LOG_TIMEOUT_MS = 5_000;

type Send = (message: EngineMessage) => Promise<void>;

/** The engine's side of the conversation: where to tell what. Lines keep their order and never fail a call. */
export class Engine {
  private address: string | undefined;
  private sender: Promise<Send> | undefined;
  private sending: Promise<void> = Promise.resolve();

  constructor(address: string | undefined) {
    this.address = address;
  }

  /** An engine attaches to a process that another one, or a person, has started. */
  connect(address: string): void {
    if (address === this.address) return;
    this.address = address;
    this.sender = undefined;
  }

  tell(message: EngineMessage): void {
    const { address } = this;
    if (address === undefined) return;
    this.sender ??= connectTo(address);
    const { sender } = this;
    this.sending = this.sending.then(async () => (await sender)(message)).catch(() => undefined);
  }

  /** Resolves when all that was told has arrived, or could not. */
  told(): Promise<void> {
    return this.sending;
  }
}

/** The client and its messages are loaded with the first line: most calls of an engine tell none. */
async function connectTo(address: string): Promise<Send> {
  const [{ default: services }, { default: messages }] = await Promise.all([
    import('@pulumi/pulumi/proto/engine_grpc_pb.js'),
    import('@pulumi/pulumi/proto/engine_pb.js'),
  ]);
  const client = new services.EngineClient(address, credentials.createInsecure());
  const severities = {
    debug: messages.LogSeverity.DEBUG,
    info: messages.LogSeverity.INFO,
    warn: messages.LogSeverity.WARNING,
    error: messages.LogSeverity.ERROR,
  };
  return ({ level, text, urn = '', ephemeral = false }) =>
    new Promise((resolve, reject) => {
      const request = new messages.LogRequest();
      request.setSeverity(severities[level]).setMessage(text).setUrn(urn).setEphemeral(ephemeral);
      request.setStreamid(0);
      const deadline = Date.now() + LOG_TIMEOUT_MS;
      client.log(request, new Metadata(), { deadline }, (error) => (error ? reject(error) : resolve()));
    });
}
