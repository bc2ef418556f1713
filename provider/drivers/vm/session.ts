import type { Condition } from '../../core/certificate.ts';
import type { Context } from '../../core/context.ts';
import type { Holdable, HoldEvidence, Markable, Session } from '../../core/driver.ts';
import { StasisError, throwIfAborted } from '../../core/errors.ts';
import type { Fingerprint } from '../../core/fingerprint.ts';
import type { Host, Lease } from '../../core/host.ts';
import type { Capture } from '../../core/manifest.ts';
import type { BlobReader, Blobs } from '../../core/store.ts';
import { within } from '../../core/wait.ts';
import { type Copied, copyCapture, fingerprintCapture, fingerprintLook } from './copy.ts';
import type { DiskCut } from './disks/cut.ts';
import { KeptLease } from './kept-lease.ts';
import type { Look } from './look.ts';
import { rescueOf } from './monitor/rescue.ts';
import { recordingName } from './names.ts';
import { openRig, type Rig } from './rig.ts';
import { type VmSpec, withMemory } from './spec.ts';

/** Undoing is not cut short by a cancel. */
const UNDO_MS = 60_000;
/** What a lease is until the coordinator has said how long it is to be. */
const LIKELY_LEASE_MS = 5_000;
/** So often at most is looked whether the processors' threads have gone to sleep; each look takes a millisecond or more. */
const LOOKS = 100;
/** QEMU's run states in which no virtual processor executes. */
const STOPPED = ['paused', 'finish-migrate', 'postmigrate', 'save-vm'];

/**
 * A capture of one VM. It is stopped by QEMU; while it is, one transaction over all disks begins to keep what they were,
 * and a background snapshot protects the memory; then it goes on, and both are copied. Saving makes QEMU do work that
 * may show in the threads' counters, so the hold ends with the reading before it; that nobody let the VM run until the
 * end shows in QEMU's run state and in its events.
 */
export class VmSession implements Session {
  readonly hold: Holdable;
  readonly mark: Markable;
  private readonly rig: Rig;
  private readonly context: Context;
  private readonly kept: KeptLease;
  private lease: { readonly armed: Lease; readonly ttlMs: number } | undefined;
  private leaseMs = LIKELY_LEASE_MS;
  private held = false;
  private isReady = false;
  private wasCut = false;
  private looks: Look[] = [];
  private resumed = 0;
  private readonly stopListening: () => void;
  private captured = '';
  private over = false;
  private copied: Copied | undefined;

  private constructor(rig: Rig, kept: KeptLease, context: Context) {
    this.rig = rig;
    this.kept = kept;
    this.context = context;
    this.stopListening = rig.monitor.onEvent((name) => {
      if (name === 'RESUME') this.resumed += 1;
    });
    this.hold = {
      how: 'frozen',
      settle: (signal, leaseMs) => this.settle(signal, leaseMs),
      freeze: (leaseMs, signal) => this.freeze(leaseMs, signal),
      evidence: () => this.evidence(),
      thaw: () => this.thaw(),
    };
    this.mark = { take: (signal) => this.take(signal) };
  }

  /** @throws StasisError as plan reports */
  static async open(spec: VmSpec, host: Host, context: Context): Promise<VmSession> {
    const rig = await openRig(spec, host, context);
    try {
      const kept = await KeptLease.take(host, rescueOf(rig.access, rig.undo, false), context.signal);
      return new VmSession(rig, kept, context);
    } catch (error) {
      await rig[Symbol.asyncDispose]();
      throw error;
    }
  }

  private get disks(): DiskCut {
    return this.rig.disks;
  }

  private async settle(signal: AbortSignal, leaseMs = this.leaseMs): Promise<void> {
    await this.readyCut(signal);
    await this.rig.guest.ready(signal);
    await this.arm(leaseMs, signal);
  }

  private async readyCut(signal: AbortSignal): Promise<void> {
    if (this.isReady && !this.wasCut) return;
    // What the last try has begun ends first: QEMU saves its memory once at a time.
    if (this.wasCut) await this.rig.cancelSave();
    await this.disks.ready(signal);
    if (withMemory(this.rig.spec)) await this.rig.save.prepare(this.rig.facts, signal);
    this.isReady = true;
    this.wasCut = false;
  }

  /** A watchdog on the host that lets the VM go on, and cleans up, when we die. */
  private async arm(ttlMs: number, signal: AbortSignal): Promise<void> {
    await this.lease?.armed.disarm();
    this.lease = undefined;
    const { host, access, undo, facts } = this.rig;
    const rescue = rescueOf(access, undo, !facts.fenced);
    this.lease = { armed: await host.lease(rescue, ttlMs, { signal }), ttlMs };
  }

  private async freeze(leaseMs: number, signal: AbortSignal): Promise<void> {
    await this.readyCut(signal);
    this.leaseMs = leaseMs;
    if (this.lease?.ttlMs === leaseMs && this.lease.armed.state === 'armed') await this.lease.armed.renew();
    else await this.arm(leaseMs, signal);
    await this.rig.guest.freeze(signal);
    throwIfAborted(signal);
    this.held = true;
    await this.rig.monitor.execute('stop', undefined, signal);
    this.resumed = 0;
    this.looks = [await this.lookAtRest()];
  }

  /** The threads of the processors have still to go to sleep when QEMU says that they execute nothing more. */
  private async lookAtRest(): Promise<Look> {
    let last = await this.rig.looker.look();
    for (let looks = 1; looks < LOOKS; looks += 1) {
      const next = await this.rig.looker.look();
      if (next.value === last.value) return last;
      last = next;
    }
    return last;
  }

  /** Disks and memory, both of the state that is held. No mark: the hold ties them to time. */
  private async take(signal: AbortSignal): Promise<[]> {
    if (!this.held)
      throw new StasisError('vm.not-stopped', 'The VM runs: its memory and disks would be of two instants.');
    await this.readyCut(signal);
    this.looks.push(await this.rig.looker.look());
    this.wasCut = true;
    await this.disks.cut(signal);
    if (withMemory(this.rig.spec)) await this.rig.save.begin(signal);
    return [];
  }

  private async evidence(): Promise<HoldEvidence> {
    const last = await this.rig.looker.look();
    const [first, second] = this.looks;
    if (first === undefined) throw new StasisError('vm.not-stopped', 'The VM was not stopped.');
    const ends = this.wasCut && second ? [first, second] : [first, last];
    const readings = ends.map(({ sentNs, acknowledgedNs, value }) => ({ sentNs, acknowledgedNs, value }));
    this.captured = readings.at(-1)!.value;
    return { readings, captured: this.captured, conditions: this.conditions([...this.looks, last]) };
  }

  private conditions(looks: readonly Look[]): Condition[] {
    const { monitor } = this.rig;
    return [
      ...this.rig.guest.conditions(),
      ...looks.map(({ state }, index) => ({
        claim: `QEMU's run state at look ${index + 1}`,
        expected: 'stopped',
        observed: STOPPED.includes(state) ? 'stopped' : state,
      })),
      { claim: 'times that QEMU told of a resume', expected: '0', observed: String(this.resumed) },
      { claim: 'the conversation with QEMU', expected: 'open', observed: monitor.lost ? 'lost' : 'open' },
      {
        claim: 'the watchdog on the host',
        expected: 'armed',
        observed: this.lease?.armed.state ?? 'none',
      },
    ];
  }

  private get isHolding(): boolean {
    return this.held || this.rig.guest.isFrozen;
  }

  private async thaw(): Promise<void> {
    if (!this.isHolding) return;
    if (this.held && !this.rig.facts.fenced) await this.rig.monitor.execute('cont');
    this.held = false;
    this.looks = [];
    await this.rig.guest.thaw();
    // It runs again: the end of the watchdog is no part of the pause.
    void this.lease?.armed.disarm();
  }

  async copy(blobs: Blobs): Promise<Capture> {
    if (!this.wasCut) throw new StasisError('vm.not-cut', 'Nothing was saved that could be copied.');
    this.rig.guest.insistOnFrozen();
    this.copied = await copyCapture(this.rig, blobs, this.context.signal);
    return { ...this.copied.capture, epoch: this.captured };
  }

  async *fingerprint(blobs: BlobReader): Fingerprint {
    if (this.copied === undefined) throw new StasisError('vm.no-copy', 'Nothing was copied yet.');
    yield* await fingerprintCapture(this.rig, this.copied, blobs, this.context.signal);
  }

  /** Stops, saves and lets go, for `fingerprintHere`. */
  async look(leaseMs: number, signal: AbortSignal): Promise<void> {
    await this.settle(signal, leaseMs);
    try {
      await this.freeze(leaseMs, signal);
      await this.take(signal);
    } finally {
      await this.thaw();
    }
  }

  /** Of what `look` has kept, where it lies on the host. */
  async *fingerprintHere(): Fingerprint {
    yield* await fingerprintLook(this.rig, this.context.signal);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await within(UNDO_MS, 'letting the VM be as it was', undefined, async () => {
      if (this.over) return;
      this.over = true;
      this.stopListening();
      await this.thaw().catch(() => undefined);
      const next = this.copied?.maps;
      await this.disks.drop((disk) => {
        const map = next?.get(disk.name);
        return map === undefined ? undefined : recordingName(map);
      });
      // Where the VM could not be let go, as it is when the watchdog has cut us off, that has to.
      await (this.isHolding ? this.lease?.armed.fire() : this.lease?.armed.disarm());
      await this.rig[Symbol.asyncDispose]();
      await this.kept.end();
    });
  }
}
