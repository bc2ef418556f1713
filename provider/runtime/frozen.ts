import type { Condition, Reading } from '../core/certificate.ts';
import type { Clock } from '../core/context.ts';
import type { HoldEvidence } from '../core/driver.ts';
import { StasisError } from '../core/errors.ts';
import { digestOf } from '../core/fingerprint-digest.ts';
import type { Host, Lease } from '../core/host.ts';
import { nsToMs } from '../core/units.ts';
import { Dump, type DumpCommand, RESCUE, removeFolder } from './dump.ts';
import { Freezer, type LetGo, type Look } from './freezer.ts';
import { afterDump } from './lost-tree.ts';
import { runScript } from './machine.ts';

/** What a lease is until the coordinator has said how long it is to be: then it need not be armed within the pause. */
const LIKELY_LEASE_MS = 5_000;
/** A lease whose time began so lately need not be renewed within the pause: the coordinator gives it seconds more. */
const NEW_MS = 1_000;
/** The end of a watchdog takes processor time, which others need that are still to be let go. */
const OTHERS_THAW_MS = 200;

export interface FrozenGroupInput {
  /** The control group, absolute, on the host. It holds exactly the processes. */
  readonly group: string;
  /** In memory, on the host: each dump gets a folder below. */
  readonly folder: string;
  /** What dumps the processes of the group into a folder, which is there and of this round alone. */
  readonly command: (folder: string, round: number, signal: AbortSignal) => Promise<DumpCommand>;
}

interface HeldLease {
  readonly armed: Lease;
  /** What it removes when it fires. */
  readonly folder: string;
  readonly ttlMs: number;
  /** When its time began at the earliest. */
  begunNs: number;
  /** What it was armed for runs again; it is going to be disarmed. */
  over: boolean;
}

export interface GroupEvidence extends HoldEvidence {
  /** Seconds since the host's start, at the cut. */
  readonly uptimeS: number;
  /** Where a fence has left the group frozen: what was read of it once all was dumped. */
  readonly stopped?: string;
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
  private readonly clock: Clock;
  private pending: Dump | undefined;
  private done = false;
  private dumps = 0;
  private lease: HeldLease | undefined;
  private leaseMs = LIKELY_LEASE_MS;
  private held = false;
  private looks: Look[] = [];

  private constructor(input: FrozenGroupInput, host: Host, freezer: Freezer, clock: Clock) {
    this.input = input;
    this.host = host;
    this.freezer = freezer;
    this.clock = clock;
  }

  static async open(input: FrozenGroupInput, host: Host, clock: Clock): Promise<FrozenGroup> {
    return new FrozenGroup(input, host, await Freezer.open(host, input.group, clock), clock);
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

  /** Begins the time of an armed lease anew; whether it was. A freeze arms another one where it was not. */
  async renew(): Promise<boolean> {
    const { lease } = this;
    if (lease === undefined || lease.over) return false;
    const begunNs = this.clock.nowNs();
    return lease.armed.renew().then(
      () => {
        lease.begunNs = begunNs;
        return true;
      },
      () => false,
    );
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
    await this.endLease(signal);
    const { folder } = this.pending!;
    const rescue = ['sh', '-c', RESCUE, 'stasis-rescue', this.input.group, folder];
    const begunNs = this.clock.nowNs();
    const armed = await this.host.lease(rescue, ttlMs, { signal });
    this.lease = { armed, folder, ttlMs, begunNs, over: false };
  }

  /** A watchdog whose time was over before anything was frozen has taken the dump's folder with it. */
  private async endLease(signal: AbortSignal): Promise<void> {
    const { lease } = this;
    if (lease === undefined) return;
    const ended = await lease.armed.disarm();
    this.lease = undefined;
    if (ended !== 'disarmed' && lease.folder === this.pending!.folder) await this.readyDump(signal);
  }

  /** Whether a watchdog of so long a time is armed, and will be for long enough. */
  private async isArmed(leaseMs: number): Promise<boolean> {
    const { lease } = this;
    if (lease?.ttlMs !== leaseMs || lease.over) return false;
    const ageMs = nsToMs(this.clock.nowNs() - lease.begunNs);
    if (ageMs < Math.min(NEW_MS, leaseMs / 4) && lease.armed.state === 'armed') return true;
    return this.renew();
  }

  /** @throws StasisError `runtime.not-frozen` */
  async freeze(leaseMs: number, signal: AbortSignal): Promise<void> {
    if (this.pending === undefined || this.pending.started) await this.readyDump(signal);
    this.leaseMs = leaseMs;
    if (!(await this.isArmed(leaseMs))) await this.arm(leaseMs, signal);
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
    return this.evidenceUntil(await this.freezer.read());
  }

  /** In one exchange, so that what is held needs no further one to go on. */
  async thawWithEvidence(): Promise<GroupEvidence> {
    if (this.pending?.started && !this.done) await this.pending.end();
    const { last, left } = await this.freezer.end();
    const evidence = this.evidenceUntil(last);
    if (left.runs || left.fenced) this.goesOn();
    if (!left.fenced) return evidence;
    return { ...evidence, conditions: [...evidence.conditions, stillFrozen(left)], stopped: last.value };
  }

  private evidenceUntil(last: Look): GroupEvidence {
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
    const { runs, fenced } = await this.freezer.thaw();
    if (runs || fenced) this.goesOn();
  }

  private goesOn(): void {
    this.held = false;
    this.looks = [];
    // It runs again: the end of the watchdog is no part of the pause, nor of others'.
    const { lease } = this;
    if (lease === undefined) return;
    lease.over = true;
    setTimeout(() => void lease.armed.disarm(), OTHERS_THAW_MS).unref();
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
    try {
      await this.thaw();
      // What does not run again by us, may by the watchdog.
      await (this.held ? this.lease?.armed.fire() : this.lease?.armed.disarm());
    } catch (error) {
      // What should have let them go has gone itself.
      await this.lease?.armed.fire();
      throw error;
    } finally {
      await this.dropDump();
      await this.freezer[Symbol.asyncDispose]();
    }
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

function stillFrozen({ runs }: LetGo): Condition {
  return {
    claim: 'the fenced control group once the capture has let go of it',
    expected: 'frozen',
    observed: runs ? 'thawed' : 'frozen',
  };
}

function sameProcesses(before: Look, after: Look): Condition {
  const list = ({ pids }: Look): string => pids.toSorted((a, b) => a - b).join(' ');
  return { claim: 'processes in the group', expected: list(before), observed: list(after) };
}
