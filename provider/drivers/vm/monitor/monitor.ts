import { StasisError } from '../../../core/errors.ts';
import type { Host, Spawned } from '../../../core/host.ts';
import { within } from '../../../core/wait.ts';
import { WordQueue } from '../../../runtime/freezer.ts';

/** QEMU answers what it can do at once; what takes longer are jobs, which it only starts. */
const ANSWER_MS = 20_000;
const GREETING_MS = 5_000;
const END_MS = 5_000;

export type Arguments = Readonly<Record<string, unknown>>;

/** Called with an event's name. */
export type EventListener = (name: string) => void;

interface Answer {
  readonly return?: unknown;
  readonly error?: { readonly class?: string; readonly desc?: string };
}

/**
 * A conversation with QEMU by QMP, by way of a command on its host that relays lines. Answers come in the order of
 * commands (https://www.qemu.org/docs/master/interop/qmp-spec.html, without out-of-band execution).
 */
export class Monitor implements AsyncDisposable {
  private readonly spawned: Spawned;
  private readonly words: WordQueue;
  private readonly waiting: PromiseWithResolvers<Answer>[] = [];
  private readonly greeting = Promise.withResolvers<void>();
  private readonly listeners = new Set<EventListener>();
  private over = false;

  private constructor(spawned: Spawned, words: WordQueue) {
    this.spawned = spawned;
    this.words = words;
    this.greeting.promise.catch(() => {});
    void this.listen();
  }

  /** @throws StasisError `vm.unreachable`, `vm.monitor-busy` */
  static async open(
    host: Host,
    relay: readonly string[],
    signal: AbortSignal,
    greetingMs = GREETING_MS,
  ): Promise<Monitor> {
    const words = new WordQueue();
    // A thaw must not depend on anybody's signal: the relay ends with its input.
    const spawned = await host.spawn(relay, { signal: new AbortController().signal, stdin: words });
    const monitor = new Monitor(spawned, words);
    try {
      await within(greetingMs, 'the greeting of QEMU', signal, () => monitor.greeting.promise);
      await monitor.execute('qmp_capabilities');
      return monitor;
    } catch (error) {
      await monitor[Symbol.asyncDispose]();
      throw error instanceof StasisError && error.code === 'timeout' ? busy(error) : error;
    }
  }

  /** Whether the conversation is over: then nobody knows what QEMU has done since. */
  get lost(): boolean {
    return this.over;
  }

  /** @throws StasisError `vm.refused` with what QEMU said, `vm.monitor-lost`, `timeout` */
  async execute<T = unknown>(command: string, args?: Arguments, signal?: AbortSignal): Promise<T> {
    if (this.over) throw lost();
    const waiting = Promise.withResolvers<Answer>();
    waiting.promise.catch(() => {});
    this.waiting.push(waiting);
    this.words.push(`${lineOf(command, args)}\n`);
    const { error, return: value } = await within(
      ANSWER_MS,
      `QEMU's answer to ${command}`,
      signal,
      () => waiting.promise,
    );
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

  private async listen(): Promise<void> {
    let rest = '';
    try {
      for await (const chunk of this.spawned.stdout) {
        const lines = (rest + Buffer.from(chunk).toString('utf8')).split('\n');
        rest = lines.pop() ?? '';
        for (const line of lines) if (line.trim() !== '') this.take(line);
      }
    } catch {
      // The connection to the host is gone, or it is no QEMU that speaks: the conversation is over.
      this.spawned.kill();
    }
    this.over = true;
    const { stderr } = await this.spawned.ended.catch(() => ({ stderr: '' }));
    this.greeting.reject(unreachable(stderr));
    for (const { reject } of this.waiting.splice(0)) reject(lost());
  }

  private take(line: string): void {
    const message = JSON.parse(line) as Answer & { readonly QMP?: unknown; readonly event?: string };
    if (message.QMP !== undefined) this.greeting.resolve();
    else if (message.event !== undefined) for (const listener of this.listeners) listener(message.event);
    else this.waiting.shift()?.resolve(message);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.words.end();
    await within(END_MS, 'the end of a conversation', undefined, () => this.spawned.ended).catch(() =>
      this.spawned.kill(),
    );
  }
}

export function lineOf(command: string, args?: Arguments): string {
  return JSON.stringify(args === undefined ? { execute: command } : { execute: command, arguments: args });
}

function sentence(said: string | undefined): string {
  return `${(said ?? 'without a reason').replace(/[.!?\s]+$/, '')}.`;
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
