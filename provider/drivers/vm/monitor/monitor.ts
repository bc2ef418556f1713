import { StasisError } from '../../../core/errors.ts';
import type { Host } from '../../../core/host.ts';
import { within } from '../../../core/wait.ts';
import { type Answer, type Arguments, Conversation, lineOf, sentence } from './conversation.ts';

/** QEMU answers what it can do at once; what takes longer are jobs, which it only starts. */
const ANSWER_MS = 20_000;
const GREETING_MS = 5_000;

/** Called with an event's name. */
export type EventListener = (name: string) => void;

interface Told extends Answer {
  readonly QMP?: unknown;
  readonly event?: string;
}

/**
 * A conversation with QEMU by QMP, by way of a command on its host that relays lines. Answers come in the order of
 * commands (https://www.qemu.org/docs/master/interop/qmp-spec.html, without out-of-band execution).
 */
export class Monitor implements AsyncDisposable {
  private readonly conversation: Conversation;
  private readonly listeners: Set<EventListener>;

  private constructor(conversation: Conversation, listeners: Set<EventListener>) {
    this.conversation = conversation;
    this.listeners = listeners;
  }

  /** @throws StasisError `vm.unreachable`, `vm.monitor-busy` */
  static async open(
    host: Host,
    relay: readonly string[],
    signal: AbortSignal,
    greetingMs = GREETING_MS,
  ): Promise<Monitor> {
    const greeting = Promise.withResolvers<void>();
    greeting.promise.catch(() => {});
    const listeners = new Set<EventListener>();
    const read = (line: string): Answer | undefined => {
      const told = JSON.parse(line) as Told;
      if (told.QMP !== undefined) greeting.resolve();
      else if (told.event !== undefined) for (const listener of listeners) listener(told.event);
      else return told;
      return undefined;
    };
    const conversation = await Conversation.open(host, relay, read, lost);
    void conversation.ended.then((said) => greeting.reject(unreachable(said)));
    const monitor = new Monitor(conversation, listeners);
    try {
      await within(greetingMs, 'the greeting of QEMU', signal, () => greeting.promise);
      await monitor.execute('qmp_capabilities');
      return monitor;
    } catch (error) {
      await monitor[Symbol.asyncDispose]();
      throw error instanceof StasisError && error.code === 'timeout' ? busy(error) : error;
    }
  }

  /** Whether the conversation is over: then nobody knows what QEMU has done since. */
  get lost(): boolean {
    return this.conversation.isOver;
  }

  /** @throws StasisError `vm.refused` with what QEMU said, `vm.monitor-lost`, `timeout` */
  async execute<T = unknown>(command: string, args?: Arguments, signal?: AbortSignal): Promise<T> {
    const answer = this.conversation.ask(lineOf(command, args));
    const what = `QEMU's answer to ${command}`;
    const { error, return: value } = await within(ANSWER_MS, what, signal, () => answer);
    if (error)
      throw new StasisError('vm.refused', `QEMU refuses ${command}: ${sentence(error.desc)}`, {
        details: { command, class: error.class },
      });
    return value as T;
  }

  /** Until the returned function is called. */
  onEvent(listener: EventListener): () => void {
    this.listeners.add(listener);
    return () => this.listeners.delete(listener);
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.conversation[Symbol.asyncDispose]();
  }
}

function busy(cause: StasisError): StasisError {
  return new StasisError('vm.monitor-busy', 'QEMU does not greet us on its QMP socket.', {
    hint: 'It serves one client at a time: end the other one, or start QEMU with a second -qmp socket for Stasis.',
    at: ['qmp'],
    cause,
  });
}

function unreachable(said: string): StasisError {
  const why = said.trim().split('\n').at(-1);
  return new StasisError(
    'vm.unreachable',
    `The VM cannot be reached${why ? `: ${sentence(why)}` : '. Is it running?'}`,
  );
}

function lost(): StasisError {
  return new StasisError('vm.monitor-lost', 'The conversation with QEMU was cut off.', {
    hint: 'The VM has ended, its host cannot be reached, or the watchdog has let it go on.',
  });
}
