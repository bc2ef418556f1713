import { StasisError } from '../../core/errors.ts';
import type { FileOptions, Host, Lease, LeaseState } from '../../core/host.ts';
import { Pushed } from '../../core/pushed.ts';
import { within } from '../../core/wait.ts';

type Commands = Pick<Host, 'name' | 'spawn'>;

/** A watchdog that does not answer within this is none. */
const ANSWER_MS = 5_000;
/** A rescue gets ten seconds before it is tried again. */
const RESCUE_MS = 15_000;

/**
 * The watchdog: POSIX sh, with `timeout`, `dd` and `sleep` of coreutils, so that nothing is installed. It reads orders
 * of one byte (r: begin the time anew, d: disarm) and prints a line for each. No order until the deadline, or the end
 * of its input, fires it. The time is that of /proc/uptime, which nobody can set.
 *
 * What fires it must not be kept from running by what ends us: it ignores signals that come by way of a terminal or a
 * connection, and asks the kernel to spare it when memory runs out.
 */
const WATCHDOG = `
ttl=$1
shift
trap '' HUP INT TERM PIPE
{ echo -1000 > /proc/self/oom_score_adj; } 2>/dev/null
clock() {
  read -r now rest < /proc/uptime
  now=\${now%.*}\${now#*.}0
}
begin() {
  clock
  deadline=$((now + ttl))
}
fire() {
  fired=yes
  echo fired
  tries=600
  until timeout -k 1 10 "$@" < /dev/null > /dev/null 2>&1; do
    tries=$((tries - 1))
    [ "$tries" -gt 0 ] || return
    sleep 0.1
  done
}
fired=
begin
echo armed
while :; do
  clock
  left=$((deadline - now))
  [ -z "$fired" ] || left=3600000
  [ "$left" -gt 0 ] || left=1
  order=$(timeout "$((left / 1000)).$(printf %03d $((left % 1000)))" dd bs=1 count=1 2>/dev/null; echo $?)
  case $order in
    r0) if [ -z "$fired" ]; then begin; echo renewed; else echo fired; fi ;;
    d0) if [ -z "$fired" ]; then echo disarmed; else echo fired; fi; exit ;;
    124) [ -z "$fired" ] || exit; fire "$@" ;;
    *) [ -n "$fired" ] || fire "$@"; exit ;;
  esac
done`;

/**
 * In a session of its own, so that what ends this command does not end the watchdog. Its input stays ours: by way of
 * another descriptor, as a shell takes it away from what it runs in the background.
 */
const DETACH =
  'script=$1; shift; exec 3<&0; setsid sh -c "$script" stasis-lease "$@" <&3 3<&- & exec 3<&- <&-; wait';

/** Host.lease, on any host that runs commands. */
export async function takeLease(
  host: Commands,
  rescue: readonly string[],
  ttlMs: number,
  { signal }: FileOptions,
): Promise<Lease> {
  if (!Number.isSafeInteger(ttlMs) || ttlMs <= 0) throw new RangeError('a lease of no time');
  const orders = new Pushed();
  const watchdog = await host.spawn(['sh', '-c', DETACH, 'sh', WATCHDOG, String(ttlMs), ...rescue], {
    // Only disarming ends it: whoever cancels the work needs it more than before.
    signal: new AbortController().signal,
    stdin: orders,
  });
  const lease = new ShellLease(host.name, orders, watchdog.stdout[Symbol.asyncIterator]());
  watchdog.ended.catch(() => undefined);
  try {
    await lease.begin(signal);
    return lease;
  } catch (error) {
    // An end without a word would fire it.
    orders.push('d');
    orders.end();
    throw error;
  }
}

class ShellLease implements Lease {
  private readonly hostName: string;
  private readonly orders: Pushed;
  private readonly answers: AsyncIterator<Uint8Array>;
  private waiting: PromiseWithResolvers<string> | undefined;
  private readonly gone = Promise.withResolvers<void>();
  private current: LeaseState = 'armed';
  private ending: Promise<Exclude<LeaseState, 'armed'>> | undefined;

  constructor(hostName: string, orders: Pushed, answers: AsyncIterator<Uint8Array>) {
    this.hostName = hostName;
    this.orders = orders;
    this.answers = answers;
  }

  get state(): LeaseState {
    return this.current;
  }

  async begin(signal: AbortSignal): Promise<void> {
    this.waiting = Promise.withResolvers<string>();
    const { promise } = this.waiting;
    void this.listen();
    const answer = await within(ANSWER_MS, 'starting a watchdog', signal, () => promise);
    if (answer !== 'armed')
      throw new StasisError('host.no-lease', `No watchdog can be started on ${this.hostName}: ${answer}.`, {
        hint: 'It takes sh, setsid (util-linux), and timeout, dd and sleep (coreutils) on that host.',
      });
  }

  async renew(): Promise<void> {
    const answer = await this.order('r');
    if (answer !== 'renewed')
      throw new StasisError(
        'host.lease-over',
        this.current === 'fired'
          ? `The watchdog on ${this.hostName} has let everything go: its time was over.`
          : `The watchdog on ${this.hostName} does not answer.`,
      );
  }

  /** Once, whoever asks for it meanwhile: the one answer would leave all but the last of them waiting. */
  disarm(): Promise<Exclude<LeaseState, 'armed'>> {
    this.ending ??= this.end();
    return this.ending;
  }

  private async end(): Promise<Exclude<LeaseState, 'armed'>> {
    const answer = await this.order('d');
    this.orders.end();
    // What it has said of itself meanwhile counts more than what it answers.
    if (this.current === 'armed') this.current = answer === 'disarmed' ? 'disarmed' : 'lost';
    return this.current;
  }

  async fire(): Promise<void> {
    // The end of its input without a word is what fires it.
    this.orders.end();
    await within(RESCUE_MS, 'the rescue of a watchdog', undefined, () => this.gone.promise).catch(() => {});
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.disarm();
  }

  /** The line that answers an order; empty when none comes. */
  private async order(byte: string): Promise<string> {
    if (this.current !== 'armed') return '';
    this.waiting = Promise.withResolvers<string>();
    const { promise } = this.waiting;
    this.orders.push(byte);
    return within(ANSWER_MS, 'an answer of the watchdog', undefined, () => promise).catch(() => '');
  }

  /** Every line is an answer, but for the one that says that it has fired, which may come at any time. */
  private async listen(): Promise<void> {
    let rest = '';
    try {
      for (;;) {
        const { value, done } = await this.answers.next();
        if (done) break;
        const lines = `${rest}${Buffer.from(value).toString('utf8')}`.split('\n');
        rest = lines.pop() ?? '';
        for (const line of lines) {
          if (line.startsWith('fired')) this.current = 'fired';
          this.waiting?.resolve(line);
        }
      }
    } catch {
      // The connection is gone: so is what could be known of it.
    }
    if (this.current === 'armed') this.current = 'lost';
    this.waiting?.resolve('it is gone');
    this.gone.resolve();
  }
}
