import type { StasisError } from '../../../core/errors.ts';
import type { Host, Spawned } from '../../../core/host.ts';
import { Pushed } from '../../../core/pushed.ts';
import { within } from '../../../core/wait.ts';

const END_MS = 5_000;

export type Arguments = Readonly<Record<string, unknown>>;

export interface Answer {
  readonly return?: unknown;
  readonly error?: { readonly class?: string; readonly desc?: string };
}

/** What a line says, or undefined where it answers nothing. What it throws ends the conversation. */
export type Reader = (line: string) => Answer | undefined;

/**
 * Lines of JSON to and from whoever a command on a host relays them to. Answers come in the order of the lines that
 * were said.
 */
export class Conversation implements AsyncDisposable {
  /** Resolves with what the command has complained of, once the conversation is over. */
  readonly ended: Promise<string>;
  private readonly spawned: Spawned;
  private readonly words: Pushed;
  private readonly waiting: PromiseWithResolvers<Answer>[] = [];
  private readonly lost: () => StasisError;
  private over = false;

  private constructor(spawned: Spawned, words: Pushed, read: Reader, lost: () => StasisError) {
    this.spawned = spawned;
    this.words = words;
    this.lost = lost;
    this.ended = this.listen(read);
  }

  /** @param lost the error of whoever waits for an answer when it is over, or asks later */
  static async open(
    host: Host,
    relay: readonly string[],
    read: Reader,
    lost: () => StasisError,
  ): Promise<Conversation> {
    const words = new Pushed();
    // A thaw must not depend on anybody's signal: the relay ends with its input.
    const spawned = await host.spawn(relay, { signal: new AbortController().signal, stdin: words });
    return new Conversation(spawned, words, read, lost);
  }

  get isOver(): boolean {
    return this.over;
  }

  /** Said at once; the answer to it, for as long as that takes. */
  ask(line: string): Promise<Answer> {
    if (this.over) throw this.lost();
    const waiting = Promise.withResolvers<Answer>();
    waiting.promise.catch(() => {});
    this.waiting.push(waiting);
    this.say(line);
    return waiting.promise;
  }

  /** A line that is not answered. */
  say(line: string): void {
    this.words.push(`${line}\n`);
  }

  private async listen(read: Reader): Promise<string> {
    let rest = '';
    try {
      for await (const chunk of this.spawned.stdout) {
        const lines = (rest + Buffer.from(chunk).toString('utf8')).split('\n');
        rest = lines.pop() ?? '';
        for (const line of lines) {
          const answer = line.trim() === '' ? undefined : read(line);
          if (answer) this.waiting.shift()?.resolve(answer);
        }
      }
    } catch {
      // The connection to the host is gone, or it is somebody else who speaks.
      this.spawned.kill();
    }
    this.over = true;
    const { stderr } = await this.spawned.ended.catch(() => ({ stderr: '' }));
    for (const { reject } of this.waiting.splice(0)) reject(this.lost());
    return stderr;
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

/** What was said of an error, as the end of a sentence. */
export function sentence(said: string | undefined): string {
  return `${(said ?? 'without a reason').replace(/[.!?\s]+$/, '')}.`;
}
