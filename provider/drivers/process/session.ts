import type { Context } from '../../core/context.ts';
import type { Holdable, HoldEvidence, Markable, Session } from '../../core/driver.ts';
import { StasisError } from '../../core/errors.ts';
import type { Fingerprint, FingerprintEntry } from '../../core/fingerprint.ts';
import type { Host } from '../../core/host.ts';
import type { Capture } from '../../core/manifest.ts';
import type { Answers } from '../../core/probe.ts';
import type { BlobReader, Blobs } from '../../core/store.ts';
import { within } from '../../core/wait.ts';
import { enterTree, runningAnswers } from '../../runtime/answers.ts';
import type { DumpCommand } from '../../runtime/dump.ts';
import { dumpBytesOf } from '../../runtime/estimate.ts';
import type { TreeFacts } from '../../runtime/facts.ts';
import { stoppedOf } from '../../runtime/fence.ts';
import { ofFileOn } from '../../runtime/file-pages.ts';
import { FrozenGroup, type GroupEvidence } from '../../runtime/frozen.ts';
import { fingerprintImages } from '../../runtime/images/fingerprint.ts';
import type { Images } from '../../runtime/images/image.ts';
import { memoryFolder } from '../../runtime/memory-folder.ts';
import { type ProcessContent, storedImages } from './content.ts';
import { copyCapture } from './copy.ts';
import { dumpCommand, ownImages, socketTableOf, type View, viewOf, watchedBy } from './dump.ts';
import { leaveGroup, ownGroup } from './group.ts';
import { KeptFiles } from './kept-files.ts';
import { rootOf } from './memory-files.ts';
import { inspect } from './plan.ts';
import type { ProcessSpec } from './spec.ts';

/** Undoing is not cut short by a cancel. */
const UNDO_MS = 60_000;

interface Parts {
  readonly spec: ProcessSpec;
  readonly host: Host;
  readonly context: Context;
  readonly facts: TreeFacts;
  readonly view: View;
  /** Put before every path: how the host reaches what the tree sees. */
  readonly root: string;
  readonly kept: KeptFiles;
  readonly frozen: FrozenGroup;
}

/** A capture of one tree: frozen by its control group, dumped by CRIU while it is. */
export class ProcessSession implements Session {
  readonly hold: Holdable;
  readonly mark: Markable;
  readonly aroundAnswers: Answers;
  private readonly parts: Parts;
  private undo = new AsyncDisposableStack();
  /** What the last hold read; the copy is of that state. */
  private captured = '';
  private stopped: string | undefined;
  private uptimeS = 0;
  private content: ProcessContent | undefined;

  private constructor(parts: Parts) {
    this.parts = parts;
    const { frozen } = parts;
    this.hold = {
      how: 'frozen',
      settle: (signal, leaseMs) => frozen.settle(signal, leaseMs),
      renew: async () => {
        await frozen.renew();
      },
      freeze: (leaseMs, signal) => frozen.freeze(leaseMs, signal),
      evidence: async () => this.keep(await frozen.evidence()),
      thawWithEvidence: async () => this.keep(await frozen.thawWithEvidence()),
      thaw: () => frozen.thaw(),
    };
    this.mark = { take: (signal) => this.take(signal) };
    const { pid } = parts.facts.processes[0]!;
    this.aroundAnswers = runningAnswers(parts.host, `/proc/${pid}/ns/net`, enterTree(pid));
  }

  /** @throws StasisError as plan reports */
  static async open(spec: ProcessSpec, host: Host, context: Context): Promise<ProcessSession> {
    const { signal, clock } = context;
    const { problems, facts, surroundings, named } = await inspect(spec, host, signal);
    const [problem] = problems.filter(({ severity }) => severity === 'error');
    if (problem || facts === undefined || named === undefined)
      throw problem ?? new RangeError('nothing was found, and nothing said');
    await using undo = new AsyncDisposableStack();
    const { path: folder } = undo.use(
      await memoryFolder(host, dumpBytesOf(facts, named.memoryBytes), signal),
    );
    const group = await ownGroup(spec, facts, surroundings.groups!, host, signal);
    undo.defer(() => leaveGroup(group, host, new AbortController().signal));
    const view = viewOf(facts, surroundings);
    const root = rootOf(facts.processes[0]!, surroundings);
    const folders = spec.files ?? [];
    const kept = new KeptFiles({ root, folders, memory: named.memory }, host);
    undo.defer(() => kept.drop());
    const unixSockets = facts.hasUnixSockets ? socketTableOf(facts.processes[0]!.pid) : undefined;
    const command = async (own: string, round: number, until: AbortSignal): Promise<DumpCommand> => {
      await kept.prepare(folder, round, until);
      return dumpCommand(own, group.folder, view, watchedBy(facts, folders), unixSockets);
    };
    const frozen = undo.use(await FrozenGroup.open({ group: group.folder, folder, command }, host, clock));
    const session = new ProcessSession({ spec, host, context, facts, view, root, kept, frozen });
    session.undo = undo.move();
    return session;
  }

  /** The dump and the folders, both of the state that is held. No mark: the hold ties it to time. */
  private async take(signal: AbortSignal): Promise<[]> {
    const { frozen, kept } = this.parts;
    await frozen.look();
    const results = await Promise.allSettled([frozen.dump(signal), kept.keep(signal)]);
    const failed = results.find((result) => result.status === 'rejected');
    if (failed) throw failed.reason;
    return [];
  }

  /** What the copy needs of it. */
  private keep({ uptimeS, stopped, ...evidence }: GroupEvidence): HoldEvidence {
    this.uptimeS = uptimeS;
    this.stopped = stopped && stoppedOf([stopped]);
    this.captured = evidence.captured;
    return evidence;
  }

  async copy(blobs: Blobs): Promise<Capture> {
    const { content, capture } = await copyCapture(
      { ...this.parts, folder: this.dumped(), uptimeS: this.uptimeS },
      blobs,
    );
    this.content = content;
    const { captured: epoch, stopped } = this;
    return { ...capture, epoch, ...(stopped && { stopped }) };
  }

  async *fingerprint(blobs: BlobReader): Fingerprint {
    if (this.content === undefined) throw new StasisError('process.no-copy', 'Nothing was copied yet.');
    const images = await storedImages(this.content, blobs);
    yield* this.fingerprintOf(images);
  }

  /** Freezes, dumps and lets go, for `fingerprintHere`. */
  async look(leaseMs: number, signal: AbortSignal): Promise<void> {
    const { frozen } = this.parts;
    await frozen.settle(signal, leaseMs);
    try {
      await frozen.freeze(leaseMs, signal);
      await this.take(signal);
    } finally {
      await frozen.thaw();
    }
  }

  /** Of the last dump, as it lies on the host. */
  async *fingerprintHere(): Fingerprint {
    const { view, host, context } = this.parts;
    const images = await ownImages(this.dumped(), view, host, context.signal);
    yield* this.fingerprintOf(images);
  }

  private async *fingerprintOf(images: Images): Fingerprint {
    const { host, root, kept, context } = this.parts;
    const ofFile = ofFileOn(host, root, context.signal);
    yield* sorted(await kept.fingerprint(context.signal), await fingerprintImages(images, ofFile));
  }

  /** Where the last dump lies. */
  private dumped(): string {
    const { dumped } = this.parts.frozen;
    if (dumped === undefined) throw new StasisError('process.no-dump', 'Nothing was dumped.');
    return dumped;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await within(UNDO_MS, 'letting the processes be as they were', undefined, () => this.undo.disposeAsync());
  }
}

function sorted(...entries: readonly (readonly FingerprintEntry[])[]): FingerprintEntry[] {
  return entries.flat().toSorted((a, b) => (a.object < b.object ? -1 : 1));
}
