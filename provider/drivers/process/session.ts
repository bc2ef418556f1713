import type { Condition } from '../../core/certificate.ts';
import type { Context } from '../../core/context.ts';
import type { Holdable, HoldEvidence, Markable, Session } from '../../core/driver.ts';
import { StasisError } from '../../core/errors.ts';
import type { Fingerprint, FingerprintEntry } from '../../core/fingerprint.ts';
import type { Host, Lease } from '../../core/host.ts';
import type { Capture } from '../../core/manifest.ts';
import type { BlobReader, Blobs } from '../../core/store.ts';
import { within } from '../../core/wait.ts';
import { Dump, RESCUE, removeFolder } from '../../runtime/dump.ts';
import { dumpBytesOf } from '../../runtime/estimate.ts';
import type { TreeFacts } from '../../runtime/facts.ts';
import { ofFileOn } from '../../runtime/file-pages.ts';
import { Freezer, type Look } from '../../runtime/freezer.ts';
import { fingerprintImages } from '../../runtime/images/fingerprint.ts';
import type { Images } from '../../runtime/images/image.ts';
import { afterDump } from '../../runtime/lost-tree.ts';
import { runScript } from '../../runtime/machine.ts';
import { memoryFolder } from '../../runtime/memory-folder.ts';
import { type ProcessContent, storedImages } from './content.ts';
import { copyCapture } from './copy.ts';
import { dumpCommand, ownImages, type View, viewOf, watchedBy } from './dump.ts';
import { type Group, leaveGroup, ownGroup } from './group.ts';
import { KeptFiles } from './kept-files.ts';
import { type MemoryFiles, rootOf } from './memory-files.ts';
import { inspect } from './plan.ts';
import type { ProcessSpec } from './spec.ts';

/** Undoing is not cut short by a cancel. */
const UNDO_MS = 60_000;

/** What a lease is until the coordinator has said how long it is to be: then it need not be armed within the pause. */
const LIKELY_LEASE_MS = 5_000;

interface Parts {
  readonly spec: ProcessSpec;
  readonly host: Host;
  readonly context: Context;
  readonly facts: TreeFacts;
  readonly view: View;
  /** Put before every path: how the host reaches what the tree sees. */
  readonly root: string;
  readonly memory: MemoryFiles;
  readonly group: Group;
  readonly folder: string;
  readonly freezer: Freezer;
}

/**
 * A capture of one tree. Frozen by its control group; dumped by CRIU while it is. CRIU seizes each task while the group
 * is frozen, so that none runs in between, and then lets code of its own run in them: the readings that show that the
 * tree stood still are therefore taken before the dump, and the hold ends with the second of them. What is dumped is
 * the state of that time, which the conditions show: the group was frozen when CRIU came and when it left, by nobody
 * but us.
 */
export class ProcessSession implements Session {
  readonly hold: Holdable;
  readonly mark: Markable;
  private readonly parts: Parts;
  private dump: Dump | undefined;
  private dumped = false;
  private dumps = 0;
  private kept: KeptFiles | undefined;
  private lease: { readonly armed: Lease; readonly ttlMs: number } | undefined;
  private leaseMs = LIKELY_LEASE_MS;
  private held = false;
  private looks: Look[] = [];
  /** What the last hold read; the copy is of that state. */
  private captured = '';
  private uptimeS = 0;
  private content: ProcessContent | undefined;

  private constructor(parts: Parts) {
    this.parts = parts;
    this.hold = {
      how: 'frozen',
      settle: (signal) => this.settle(signal),
      freeze: (leaseMs, signal) => this.freeze(leaseMs, signal),
      evidence: () => this.evidence(),
      thaw: () => this.thaw(),
    };
    this.mark = { take: (signal) => this.take(signal) };
  }

  /** @throws StasisError as plan reports */
  static async open(spec: ProcessSpec, host: Host, context: Context): Promise<ProcessSession> {
    const { signal, clock } = context;
    const { problems, facts, surroundings, named } = await inspect(spec, host, signal);
    const [problem] = problems.filter(({ severity }) => severity === 'error');
    if (problem || facts === undefined || named === undefined)
      throw problem ?? new RangeError('nothing was found, and nothing said');
    await using undo = new AsyncDisposableStack();
    const unaborted = new AbortController().signal;
    const { path: folder } = undo.use(
      await memoryFolder(host, dumpBytesOf(facts, named.memoryBytes), signal),
    );
    const group = await ownGroup(spec, facts, surroundings.groups!, host, signal);
    undo.defer(() => leaveGroup(group, host, unaborted));
    const freezer = undo.use(await Freezer.open(host, group.folder, clock));
    const session = new ProcessSession({
      ...{ spec, host, context, facts, group, folder, freezer, memory: named.memory },
      ...{ view: viewOf(facts, surroundings), root: rootOf(facts.processes[0]!, surroundings) },
    });
    session.undo = undo.move();
    return session;
  }

  private undo = new AsyncDisposableStack();

  private async settle(signal: AbortSignal): Promise<void> {
    if (this.dump === undefined || this.dump.started) await this.readyDump(signal);
    await this.arm(this.leaseMs, signal);
  }

  private async readyDump(signal: AbortSignal): Promise<void> {
    await this.dropDump();
    this.dumps += 1;
    const { spec, folder, host, group, facts, view, root, memory } = this.parts;
    const own = `${folder}/${this.dumps}`;
    await runScript(host, 'mkdir -p -m 700 -- "$1"', [own], { signal });
    const suffix = `.stasis-${facts.processes[0]!.pid}-${this.dumps}`;
    this.kept = new KeptFiles({ root, folders: spec.files ?? [], memory, folder: own, suffix }, host);
    await this.kept.prepare(signal);
    this.dump = await Dump.ready(
      own,
      dumpCommand(own, group.folder, view, watchedBy(facts, spec.files ?? [])),
      host,
    );
  }

  /** A watchdog on the host that thaws when we die; it knows of the dump, which it has to outlast. */
  private async arm(ttlMs: number, signal: AbortSignal): Promise<void> {
    await this.lease?.armed.disarm();
    this.lease = undefined;
    const { host, group } = this.parts;
    const rescue = ['sh', '-c', RESCUE, 'stasis-rescue', group.folder, this.dump!.folder];
    this.lease = { armed: await host.lease(rescue, ttlMs, { signal }), ttlMs };
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

  private async freeze(leaseMs: number, signal: AbortSignal): Promise<void> {
    if (this.dump === undefined || this.dump.started) await this.readyDump(signal);
    this.leaseMs = leaseMs;
    if (!(await this.renewed(leaseMs, signal))) await this.arm(leaseMs, signal);
    this.dumped = false;
    this.held = true;
    this.looks = [await this.parts.freezer.freeze()];
    if (!this.looks[0]!.frozen)
      throw new StasisError('process.not-frozen', 'The processes could not be frozen in time.', {
        hint: 'One of them may wait for a device or a network file system.',
      });
  }

  /** The dump and the folders, both of the state that is held. No mark: the hold ties it to time. */
  private async take(signal: AbortSignal): Promise<[]> {
    this.looks.push(await this.parts.freezer.read());
    const results = await Promise.allSettled([this.dump!.run(signal), this.kept!.keep(signal)]);
    const failed = results.find((result) => result.status === 'rejected');
    if (failed) throw await afterDump(failed.reason, this.parts.freezer, this.looks.at(-1)!.pids);
    this.dumped = true;
    return [];
  }

  private async evidence(): Promise<HoldEvidence> {
    const { freezer } = this.parts;
    const last = await freezer.read();
    const [first, second] = this.looks;
    if (first === undefined) throw new StasisError('process.not-frozen', 'The processes were not frozen.');
    const readings = (this.dumped ? [first, second!] : [first, last]).map(
      ({ sentNs, acknowledgedNs, value }) => ({
        ...{ sentNs, acknowledgedNs, value },
      }),
    );
    const conditions = [...frozenThroughout([...this.looks, last]), this.silentWatchdog()];
    if (this.dumped) conditions.push(sameProcesses(this.looks.at(-1)!, last));
    this.captured = readings.at(-1)!.value;
    this.uptimeS = (second ?? last).uptimeS;
    return { readings, captured: this.captured, conditions };
  }

  private silentWatchdog(): Condition {
    const observed = this.lease?.armed.state ?? 'none';
    return { claim: 'the watchdog on the host', expected: 'armed', observed };
  }

  private async thaw(): Promise<void> {
    if (!this.held) return;
    // A dump that was let go and is still under way writes the group's old state back when it ends.
    if (this.dump?.started && !this.dumped) await this.dump.end();
    await this.parts.freezer.thaw();
    this.held = false;
    this.looks = [];
    // It runs again: the end of the watchdog is no part of the pause.
    void this.lease?.armed.disarm();
  }

  async copy(blobs: Blobs): Promise<Capture> {
    const { dump, dumped, kept, parts } = this;
    if (dump === undefined || kept === undefined || !dumped)
      throw new StasisError('process.no-dump', 'Nothing was dumped that could be copied.');
    const { content, capture } = await copyCapture(
      { ...parts, folder: dump.folder, kept, uptimeS: this.uptimeS },
      blobs,
    );
    this.content = content;
    return { ...capture, epoch: this.captured };
  }

  async *fingerprint(blobs: BlobReader): Fingerprint {
    if (this.content === undefined) throw new StasisError('process.no-copy', 'Nothing was copied yet.');
    const images = await storedImages(this.content, blobs);
    yield* this.fingerprintOf(images);
  }

  /** Freezes, dumps and lets go, for `fingerprintHere`. */
  async look(leaseMs: number, signal: AbortSignal): Promise<void> {
    await this.settle(signal);
    try {
      await this.freeze(leaseMs, signal);
      await this.take(signal);
    } finally {
      await this.thaw();
    }
  }

  /** Of the last dump, as it lies on the host. */
  async *fingerprintHere(): Fingerprint {
    if (this.dump === undefined) throw new StasisError('process.no-dump', 'Nothing was dumped.');
    const { view, host, context } = this.parts;
    const images = await ownImages(this.dump.folder, view, host, context.signal);
    yield* this.fingerprintOf(images);
  }

  private async *fingerprintOf(images: Images): Fingerprint {
    const { host, root, context } = this.parts;
    const ofFile = ofFileOn(host, root, context.signal);
    yield* sorted(await this.kept!.fingerprint(context.signal), await fingerprintImages(images, ofFile));
  }

  private async dropDump(): Promise<void> {
    const { dump, kept } = this;
    this.kept = undefined;
    this.dump = undefined;
    this.dumped = false;
    await dump?.end();
    await kept?.drop();
    if (dump === undefined) return;
    await removeFolder(this.parts.host, dump.folder, new AbortController().signal);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await within(UNDO_MS, 'letting the processes be as they were', undefined, async () => {
      await this.thaw();
      await this.lease?.armed.disarm();
      await this.dropDump();
      await this.undo.disposeAsync();
    });
  }
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

function sorted(...entries: readonly (readonly FingerprintEntry[])[]): FingerprintEntry[] {
  return entries.flat().toSorted((a, b) => (a.object < b.object ? -1 : 1));
}
