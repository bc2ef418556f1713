import type { Reading } from '../core/certificate.ts';
import type { Clock } from '../core/context.ts';
import { StasisError } from '../core/errors.ts';
import { digestOf } from '../core/fingerprint-digest.ts';
import type { Host, Spawned } from '../core/host.ts';
import { Pushed } from '../core/pushed.ts';
import { within } from '../core/wait.ts';

/**
 * The mark of a fence, a file in the host's memory: while it is there, whoever has frozen the group for a capture leaves
 * it frozen, and so does that capture's watchdog. It is called by the group's inode, which no later group has, so that
 * what is started anew is not taken for what was fenced.
 */
export const MARK_OF = `mark_of() { echo "/run/stasis/fence-$(stat -c %i -- "$1")"; }`;

/**
 * A shell that stays for one capture, so that a freeze or a reading costs no start of a program. It reads
 * words from its input, answers each with lines up to a lone dot, and thaws when its input ends, however that came. While
 * there is the mark of a fence it never thaws. An answer is written at once, as each piece of it would wake up all that
 * it goes through; and while it waits for threads to freeze it leaves the processor to them, by a child that ends at once.
 *
 * schedstat has three numbers a thread: time on a processor, time waiting for one, and how often it was put on one
 * (Documentation/scheduler/sched-stats.rst). The first and the third move with anything that it executes.
 */
const AGENT = `
${MARK_OF}
folder=$1 mark=$(mark_of "$1")
said=
say() { said="$said$1
"; }
thaw() { [ -e "$mark" ] || echo 0 > "$folder/cgroup.freeze"; }
fenced() { [ ! -e "$mark" ] || say fenced; }
state() { while read -r key value; do [ "$key" != frozen ] || frozen=$value; done < "$folder/cgroup.events"; }
reading() {
  set --
  while read -r p; do set -- "$@" "/proc/$p/task/"*/schedstat; say "process $p"; done < "$folder/cgroup.procs"
  state
  say "frozen $frozen"
  read -r uptime idle < /proc/uptime; say "uptime $uptime"
  for file; do read -r ran waited times < "$file" && say "$file:$ran $waited $times"; done 2> /dev/null
}
while read -r word; do
  case $word in
  freeze)
    echo 1 > "$folder/cgroup.freeze"
    n=0; state
    while [ "$frozen" != 1 ] && [ $n -lt 4000 ]; do
      n=$((n + 1))
      case $n in [123]) ;; [4-9] | 1?) (:) ;; *) sleep 0.001 ;; esac
      state
    done
    reading;;
  read) reading;;
  end)
    reading
    thaw; fenced
    state; say "then $frozen";;
  thaw)
    thaw; fenced
    state; say "then $frozen";;
  esac
  echo "$said."
  said=
done
thaw
`;

const ANSWER_MS = 5_000;

/** What one look at the group saw. */
export interface Look extends Reading {
  readonly frozen: boolean;
  readonly pids: readonly number[];
  /** Seconds since the host started. */
  readonly uptimeS: number;
}

/** What became of a group that was let go. */
export interface LetGo {
  readonly runs: boolean;
  /** It was meant to stay frozen. */
  readonly fenced: boolean;
}

/** Freezes and thaws one control group, and reads whether anything in it ran. */
export class Freezer implements AsyncDisposable {
  private readonly spawned: Spawned;
  private readonly words: Pushed;
  private readonly answers: AsyncGenerator<string[]>;
  private readonly clock: Clock;
  private turn: Promise<unknown> = Promise.resolve();

  private constructor(spawned: Spawned, words: Pushed, clock: Clock) {
    this.spawned = spawned;
    this.words = words;
    this.clock = clock;
    this.answers = answersOf(spawned.stdout);
  }

  static async open(host: Host, folder: string, clock: Clock): Promise<Freezer> {
    const words = new Pushed();
    // A thaw must not depend on anybody's signal: the agent ends with its input.
    const { signal } = new AbortController();
    const spawned = await host.spawn(['sh', '-c', AGENT, 'stasis-freezer', folder], { signal, stdin: words });
    return new Freezer(spawned, words, clock);
  }

  freeze(): Promise<Look> {
    return this.look('freeze');
  }

  read(): Promise<Look> {
    return this.look('read');
  }

  /** A last reading; then it is let go. */
  async end(): Promise<{ readonly last: Look; readonly left: LetGo }> {
    const { lines, ...last } = await this.look('end');
    return { last, left: letGo(lines) };
  }

  async thaw(): Promise<LetGo> {
    return letGo(await this.ask('thaw'));
  }

  private async look(word: string): Promise<Look & { readonly lines: readonly string[] }> {
    const sentNs = this.clock.nowNs();
    const lines = await this.ask(word);
    const acknowledgedNs = this.clock.nowNs();
    const pids = lines.flatMap((line) => (line.startsWith('process ') ? [Number(line.slice(8))] : []));
    const counters = lines.flatMap((line) => {
      const [thread, numbers] = line.split('/schedstat:');
      const [ranNs, , timesRun] = (numbers ?? '').split(' ');
      return timesRun === undefined ? [] : [`${thread} ${ranNs} ${timesRun}`];
    });
    const uptimeS = Number(lines.find((line) => line.startsWith('uptime '))?.slice(7) ?? 0);
    const frozen = lines.includes('frozen 1');
    return { sentNs, acknowledgedNs, value: digestOf(...counters), frozen, pids, uptimeS, lines };
  }

  /** One word at a time: answers carry no name. */
  private ask(word: string): Promise<string[]> {
    const answer = this.turn.then(() =>
      within(ANSWER_MS, 'an answer of the freezer', undefined, async () => {
        this.words.push(`${word}\n`);
        const { value, done } = await this.answers.next();
        if (done) throw gone();
        return value;
      }),
    );
    this.turn = answer.catch(() => undefined);
    return answer;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.words.end();
    await within(ANSWER_MS, 'the end of the freezer', undefined, () => this.spawned.ended).catch(() =>
      this.spawned.kill(),
    );
  }
}

function letGo(lines: readonly string[]): LetGo {
  return { runs: lines.includes('then 0'), fenced: lines.includes('fenced') };
}

function gone(): StasisError {
  return new StasisError('runtime.freezer-gone', 'What freezes the processes on their host has gone.');
}

export async function* answersOf(stdout: AsyncIterable<Uint8Array>): AsyncGenerator<string[]> {
  let rest = '';
  let lines: string[] = [];
  for await (const chunk of stdout) {
    const pieces = (rest + Buffer.from(chunk).toString('utf8')).split('\n');
    rest = pieces.pop() ?? '';
    for (const line of pieces) {
      if (line !== '.') lines.push(line);
      else {
        yield lines;
        lines = [];
      }
    }
  }
}
