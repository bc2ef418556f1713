import type { Reading } from '../../core/certificate.ts';
import type { Clock } from '../../core/context.ts';
import { StasisError } from '../../core/errors.ts';
import { digestOf } from '../../core/fingerprint-digest.ts';
import type { Host, Spawned } from '../../core/host.ts';
import { Pushed } from '../../core/pushed.ts';
import { within } from '../../core/wait.ts';
import { answersOf } from '../../runtime/freezer.ts';
import type { Monitor } from './monitor/monitor.ts';

/** What one look at a VM saw. */
export interface Look extends Reading {
  /** QEMU's run state: `running`, `paused`, … */
  readonly state: string;
}

/** Reads what the threads of the virtual processors have executed, on a word; its input's end ends it. */
const AGENT = `
while read -r word; do
  for t in "$@"; do read -r ran waited times < "/proc/$t/schedstat" && echo "$t $ran $times"; done
  echo .
done
`;

const ANSWER_MS = 5_000;

/**
 * Looks whether a VM executes: QEMU's run state, and of each thread that is a virtual processor the time it was on a
 * real one and how often it was put on one (schedstat, Documentation/scheduler/sched-stats.rst). Whatever the guest
 * executes moves the second.
 */
export class Looker implements AsyncDisposable {
  private readonly monitor: Monitor;
  private readonly spawned: Spawned;
  private readonly words: Pushed;
  private readonly answers: AsyncGenerator<string[]>;
  private readonly threads: number;
  private readonly clock: Clock;

  private constructor(monitor: Monitor, spawned: Spawned, words: Pushed, threads: number, clock: Clock) {
    this.monitor = monitor;
    this.spawned = spawned;
    this.words = words;
    this.answers = answersOf(spawned.stdout);
    this.threads = threads;
    this.clock = clock;
  }

  static async open(monitor: Monitor, threads: readonly number[], host: Host, clock: Clock): Promise<Looker> {
    const words = new Pushed();
    const spawned = await host.spawn(['sh', '-c', AGENT, 'stasis-look', ...threads.map(String)], {
      signal: new AbortController().signal,
      stdin: words,
    });
    return new Looker(monitor, spawned, words, threads.length, clock);
  }

  async look(): Promise<Look> {
    const sentNs = this.clock.nowNs();
    const [{ status }, counters] = await Promise.all([
      this.monitor.execute<{ status: string }>('query-status'),
      this.counters(),
    ]);
    return { sentNs, acknowledgedNs: this.clock.nowNs(), value: digestOf(...counters), state: status };
  }

  private async counters(): Promise<string[]> {
    const lines = await within(ANSWER_MS, 'a look at the virtual processors', undefined, async () => {
      this.words.push('look\n');
      const { value, done } = await this.answers.next();
      return done ? [] : value;
    });
    if (lines.length === this.threads) return lines;
    throw new StasisError('vm.processors-not-seen', 'The threads of the virtual processors are gone.', {
      hint: 'The VM has ended, or processors were unplugged while it was captured.',
    });
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.words.end();
    await within(ANSWER_MS, 'the end of a look', undefined, () => this.spawned.ended).catch(() =>
      this.spawned.kill(),
    );
  }
}
