import type { Condition, Reading } from '../core/certificate.ts';
import type { Clock } from '../core/context.ts';
import type { HoldEvidence } from '../core/driver.ts';
import { StasisError } from '../core/errors.ts';
import { digestOf } from '../core/fingerprint-digest.ts';
import type { Host, Lease } from '../core/host.ts';
import { Dump, RESCUE, removeFolder } from './dump.ts';
import { Freezer, type Look } from './freezer.ts';
import { afterDump } from './lost-tree.ts';
import { runScript } from './machine.ts';

/** What a lease is until the coordinator has said how long it is to be: then it need not be armed within the pause. */
const LIKELY_LEASE_MS = 5_000;

export interface FrozenGroupInput {
  /** The control group, absolute, on the host. It holds exactly the processes. */
  readonly group: string;
  /** In memory, on the host: each dump gets a folder below. */
  readonly folder: string;
  /** What dumps the processes of the group into a folder, which is there and of this round alone. */
  readonly command: (folder: string, round: number, signal: AbortSignal) => Promise<readonly string[]>;
}

export interface GroupEvidence extends HoldEvidence {
  /** Seconds since the host's start, at the cut. */
  readonly uptimeS: number;
}

/**
 * One control group that is frozen under a watchdog and dumped while it is. CRIU seizes each task while the group is
 * frozen, so that none runs in between, and then lets code of its own run in them: the readings that show that the
 * processes stood still are therefore taken before the dump, and the hold ends with the second of them. What is dumped
 * is the state of that time, which the conditions show: the group was frozen when CRIU came and when it left, by nobody
 * but us.
 */
export class FrozenGroup implements AsyncDisposable {
  private readonly input: FrozenGroupInput;
  private readonly host: Host;
  private readonly freezer: Freezer;
  private pending: Dump | undefined;
  private done = false;
  private dumps = 0;
  private lease: { readonly armed: Lease; readonly ttlMs: number } | undefined;
  private leaseMs = LIKELY_LEASE_MS;
  private held = false;
  private looks: Look[] = [];

  private constructor(input: FrozenGroupInput, host: Host, freezer: Freezer) {
    this.input = input;
    this.host = host;
    this.freezer = freezer;
  }

  static async open(input: FrozenGroupInput, host: Host, clock: Clock): Promise<FrozenGroup> {
    return new FrozenGroup(input, host, await Freezer.open(host, input.group, clock));
  }

  /** How many dumps were made ready so far: names what is made beside them. */
  get round(): number {
    return this.dumps;
  }

  /** Where the last dump lies; undefined where none was made. */
  get dumped(): string | undefined {
    return this.done ? this.pending?.folder : undefined;
  }

  /** Makes the next dump ready and arms the watchdog, while nothing is held. */
  async settle(signal: AbortSignal, leaseMs = this.leaseMs): Promise<void> {
    if (this.pending === undefined || this.pending.started) await this.readyDump(signal);
    await this.arm(leaseMs, signal);
  }

  private async readyDump(signal: AbortSignal): Promise<void> {
    await this.dropDump();
    this.dumps += 1;
    const own = `${this.input.folder}/${this.dumps}`;
    await runScript(this.host, 'mkdir -p -m 700 -- "$1"', [own], { signal });
    this.pending = await Dump.ready(own, await this.input.command(own, this.dumps, signal), this.host);
  }

  /** A watchdog on the host that thaws when we die; it knows of the dump, which it has to outlast. */
  private async arm(ttlMs: number, signal: AbortSignal): Promise<void> {
    await this.lease?.armed.disarm();
    this.lease = undefined;
    const rescue = ['sh', '-c', RESCUE, 'stasis-rescue', this.input.group, this.pending!.folder];
    this.lease = { armed: await this.host.lease(rescue, ttlMs, { signal }), ttlMs };
  }

  /** A watchdog whose time was over before anything was frozen has taken the dump's folder with it. */
  private async renewed(leaseMs: number, signal: AbortSignal): Promise<boolean> {
    if (this.lease?.ttlMs !== leaseMs) return false;
    const { armed } = this.lease;
    const renewed = await armed.renew().then(
      () => true,
      () => false,
    );
    if (!renewed) await this.readyDump(signal);
    return renewed;
  }

  /** @throws StasisError `runtime.not-frozen` */
  async freeze(leaseMs: number, signal: AbortSignal): Promise<void> {
    if (this.pending === undefined || this.pending.started) await this.readyDump(signal);
    this.leaseMs = leaseMs;
    if (!(await this.renewed(leaseMs, signal))) await this.arm(leaseMs, signal);
    this.done = false;
    this.held = true;
    this.looks = [await this.freezer.freeze()];
    if (!this.looks[0]!.frozen)
      throw new StasisError('runtime.not-frozen', 'The processes could not be frozen in time.', {
        hint: 'One of them may wait for a device or a network file system.',
      });
  }

  /**
   * The second reading: the hold ends with it.
   * @throws StasisError `runtime.not-frozen` while nothing is held: what runs would be dumped in the middle of a change
   */
  async look(): Promise<void> {
    if (!this.held) throw new StasisError('runtime.not-frozen', 'The processes are not frozen.');
    this.looks.push(await this.freezer.read());
  }

  /** Of the state that is held. */
  async dump(signal: AbortSignal): Promise<void> {
    await this.pending!.run(signal).catch(async (error: unknown) => {
      throw await afterDump(error, this.freezer, this.looks.at(-1)!.pids);
    });
    this.done = true;
  }

  async evidence(): Promise<GroupEvidence> {
    const last = await this.freezer.read();
    const [first, second] = this.looks;
    if (first === undefined) throw new StasisError('runtime.not-frozen', 'The processes were not frozen.');
    const readings = (this.done ? [first, second!] : [first, last]).map(
      ({ sentNs, acknowledgedNs, value }) => ({ sentNs, acknowledgedNs, value }),
    );
    const conditions = [...frozenThroughout([...this.looks, last]), this.silentWatchdog()];
    if (this.done) conditions.push(sameProcesses(this.looks.at(-1)!, last));
    return { readings, captured: readings.at(-1)!.value, conditions, uptimeS: (second ?? last).uptimeS };
  }

  private silentWatchdog(): Condition {
    const observed = this.lease?.armed.state ?? 'none';
    return { claim: 'the watchdog on the host', expected: 'armed', observed };
  }

  async thaw(): Promise<void> {
    if (!this.held) return;
    // A dump that was let go and is still under way writes the group's old state back when it ends.
    if (this.pending?.started && !this.done) await this.pending.end();
    await this.freezer.thaw();
    this.held = false;
    this.looks = [];
    // It runs again: the end of the watchdog is no part of the pause.
    void this.lease?.armed.disarm();
  }

  private async dropDump(): Promise<void> {
    const { pending } = this;
    if (pending === undefined) return;
    this.pending = undefined;
    this.done = false;
    await pending.end();
    await removeFolder(this.host, pending.folder, new AbortController().signal);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.thaw();
    await this.lease?.armed.disarm();
    await this.dropDump();
    await this.freezer[Symbol.asyncDispose]();
  }
}

/** Evidence of several groups that were frozen together: what holds of all of them at once. */
export function evidenceOfAll(named: readonly (readonly [string, GroupEvidence])[]): HoldEvidence {
  const all = named.map(([, evidence]) => evidence);
  const together = (index: number): Reading => {
    const readings = all.map(({ readings }) => readings.at(index)!);
    return {
      sentNs: Math.min(...readings.map(({ sentNs }) => sentNs)),
      acknowledgedNs: Math.max(...readings.map(({ acknowledgedNs }) => acknowledgedNs)),
      value: digestOf(...readings.map(({ value }) => value)),
    };
  };
  return {
    readings: [together(0), together(-1)],
    captured: digestOf(...all.map(({ captured }) => captured)),
    conditions: named.flatMap(([name, { conditions }]) =>
      conditions.map((condition) => ({ ...condition, claim: `${name}: ${condition.claim}` })),
    ),
  };
}

function frozenThroughout(looks: readonly Look[]): Condition[] {
  return looks.map(({ frozen }, index) => ({
    claim: `the control group at look ${index + 1}`,
    expected: 'frozen',
    observed: frozen ? 'frozen' : 'thawed',
  }));
}

function sameProcesses(before: Look, after: Look): Condition {
  const list = ({ pids }: Look): string => pids.toSorted((a, b) => a - b).join(' ');
  return { claim: 'processes in the group', expected: list(before), observed: list(after) };
}
