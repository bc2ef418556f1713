import type { Context } from '../../core/context.ts';
import type { EpochReading, Session, Watchable } from '../../core/driver.ts';
import { StasisError, throwIfAborted } from '../../core/errors.ts';
import type { Fingerprint } from '../../core/fingerprint.ts';
import type { Capture } from '../../core/manifest.ts';
import type { Answers } from '../../core/probe.ts';
import type { BlobReader, Blobs } from '../../core/store.ts';
import { sleep } from '../../core/wait.ts';
import type { TreeAccess } from './access.ts';
import type { AttributeTools } from './attributes.ts';
import { BodyReader } from './bodies.ts';
import { type CapturedEntry, describeCapture, listEntries } from './content.ts';
import { ContentHash } from './content-hash.ts';
import { type Entry, inodeOf } from './entry.ts';
import { fingerprintOf } from './fingerprint.ts';
import { KnownBodies } from './known-bodies.ts';
import type { ListedEntry } from './listing.ts';
import { mappingsOf, type Processes } from './mappings.ts';
import { outsideOf } from './outside.ts';
import { askTree } from './probe.ts';
import { nameSome, unreadable } from './reading.ts';
import { type ClockReading, rootFileSystem } from './scan.ts';
import { type Excluded, excluder } from './selection.ts';
import { isSettled, type Look, lookUntilSettled, StepDetector } from './stillness.ts';
import { hashStored } from './stored-contents.ts';
import { CaptureWarmth } from './warmth/hot-files.ts';

const PRELOAD_PASSES = 2;
/** What changed before this is at rest: a tick of the kernel's clock, and some. */
const SETTLED_MS = 15;

export interface SessionInput {
  /** The real path. */
  readonly root: Buffer;
  /** The same, or what a single file lies in. */
  readonly folder: string;
  readonly exclude: readonly string[];
  readonly access: TreeAccess;
  readonly tools: AttributeTools | undefined;
  readonly system: Readonly<Record<string, string>>;
}

interface Smeared {
  readonly captured: readonly CapturedEntry[];
  readonly look: Look;
}

/**
 * A capture of a tree. Nothing is ever held and nothing is made on the member: its epoch is a look at all entries,
 * and what is in files is read before, at, or after the cut, and used only where the file is just as the cut's look
 * saw it. Every file's body that is known is kept by what the file looked like, so a cut that has to be made again
 * reads only what has changed; and what was seen to change is read within the look itself.
 */
export class FilesSession implements Session {
  readonly watch: Watchable;
  readonly liveAnswers: Answers;
  private readonly input: SessionInput;
  private readonly context: Context;
  private readonly excluded: Excluded;
  private readonly bodyReader: BodyReader;
  private readonly clockSteps = new StepDetector();
  private readonly bodies = new KnownBodies();
  private readonly warmth: CaptureWarmth;
  /** Set once the bulk was read: what is not known after that is what changes. */
  private hasBulk = false;
  /**
   * Attributes take a program to be read, so that they are left for the copy. Where others put new files in the place
   * of old ones, those of the cut are gone by then: they are read in the look.
   */
  private readsAttributesAtOnce = false;
  private costMs = 10;
  private last: { readonly look: Look; readonly value: string } | undefined;
  private smeared: Smeared | undefined;
  private copied: { readonly listed: readonly ListedEntry[]; readonly look: Look } | undefined;

  constructor(input: SessionInput, context: Context) {
    this.input = input;
    this.context = context;
    input.access.keepOpen();
    this.excluded = excluder(input.exclude);
    this.warmth = new CaptureWarmth(input.root, input.access.host);
    this.bodyReader = new BodyReader(input.root, input.access, input.tools);
    const costMs = (): number => this.costMs;
    this.watch = {
      get costMs() {
        return costMs();
      },
      epoch: (signal) => this.epoch(signal),
    };
    this.liveAnswers = {
      answer: (question, options) =>
        askTree(input.root.toString(), input.folder, input.access.host, question, options),
    };
  }

  private async epoch(signal: AbortSignal): Promise<EpochReading> {
    throwIfAborted(signal);
    const { clock } = this.context;
    const sentNs = clock.nowNs();
    const { access, root } = this.input;
    const look = await lookUntilSettled(access, root, this.excluded, signal, this.last?.look);
    const steps = this.clockSteps.read(look.scan.clock ?? this.ownClock());
    const value = steps === 0 ? look.value : `${look.value}/${steps}`;
    this.smeared = undefined;
    this.last = { look, value };
    if (this.hasBulk && look.unprovable === undefined) {
      await this.bodies.readHot(look.scan.entries, this.bodyReader, signal);
      if (this.readsAttributesAtOnce)
        await this.bodies.readMissingAttributes(look.scan.entries, this.bodyReader, signal);
    }
    const acknowledgedNs = clock.nowNs();
    this.costMs = (acknowledgedNs - sentNs) / 1e6;
    return { sentNs, acknowledgedNs, value, unprovable: look.unprovable };
  }

  private ownClock(): ClockReading {
    const { clock } = this.context;
    const monotonicNs = BigInt(clock.nowNs());
    const wallNs = BigInt(Math.round(clock.wallMs() * 1e6));
    return { wallNs, monotonicFromNs: monotonicNs, monotonicToNs: monotonicNs };
  }

  /**
   * The bulk, before the first cut: what is at rest and unmapped, on file systems where times tell of changes. A second
   * pass reads what had just changed at the first, or changed while that took its time.
   */
  async preload(blobs: Blobs): Promise<void> {
    const { signal } = this.context;
    const inodes = new Map<string, string>();
    for (let pass = 1; pass <= PRELOAD_PASSES; pass += 1) {
      const scan = await this.input.access.scan(this.input.root, this.excluded, signal);
      for (const entry of scan.entries) {
        const path = entry.path.toString('latin1');
        if ((inodes.get(path) ?? inodeOf(entry)) !== inodeOf(entry)) this.readsAttributesAtOnce = true;
        inodes.set(path, inodeOf(entry));
      }
      await this.warmth.look(scan.entries, signal);
      if ([...scan.fileSystems.values()].some(({ unprovable }) => unprovable !== undefined)) return;
      const unknown = this.bodies.unknownOf(scan.entries);
      this.hasBulk = true;
      if (unknown.length === 0) return;
      const { mapped } = mappingsOf(scan.entries, scan.processes ?? (await this.processes()));
      const atRest = unknown.filter((entry) => isSettled(entry, scan) && !mapped.has(inodeOf(entry)));
      const reading = await this.bodyReader.intoBlobs(atRest, blobs, 'exact', signal);
      this.bodies.remember(reading.bodies);
      const restless = this.bodies.unknownOf(scan.entries);
      await this.bodies.noteAttributes(restless, this.bodyReader, signal);
      if (pass < PRELOAD_PASSES) await sleep(SETTLED_MS, signal);
    }
  }

  async copy(blobs: Blobs): Promise<Capture> {
    const { signal } = this.context;
    throwIfAborted(signal);
    if (this.last === undefined && this.smeared === undefined) await this.epoch(signal);
    const captured = this.smeared?.captured ?? (await this.copyStill(this.last!.look, blobs, signal));
    const look = this.smeared?.look ?? this.last!.look;
    const listed = listEntries(captured);
    this.copied = { listed, look };
    const { skippedAttributes } = this.bodyReader;
    const attributes = { readable: this.input.tools !== undefined, skipped: skippedAttributes };
    return describeCapture(
      listed,
      {
        outside: [...outsideOf(look.scan, look.mappings, attributes), ...this.warmth.outside()],
        excluded: this.input.exclude,
        system: { ...this.input.system, fileSystem: fileSystemsOf(look) },
        epoch: this.smeared ? undefined : this.last!.value,
        hot: await this.warmth.store(blobs),
        names: await this.input.access.owners(),
      },
      blobs,
    );
  }

  private processes(): Promise<Processes> {
    return this.input.access.processes(this.context.signal);
  }

  /** Everything just as the last look saw it, or `cut.lost`. What was read stays known for the next cut. */
  private async copyStill(look: Look, blobs: Blobs, signal: AbortSignal): Promise<CapturedEntry[]> {
    const { entries } = look.scan;
    await this.warmth.look(entries, signal);
    this.hasBulk = true;
    const untold = await this.bodies.readMissingAttributes(entries, this.bodyReader, signal);
    if (untold.length > 0) this.readsAttributesAtOnce = true;
    this.bodies.forget(untold);
    const remembered = this.bodies.inMemoryOf(entries);
    const inMemory = new Map(remembered.map((entry) => [inodeOf(entry), this.bodies.bodyOf(entry)!]));
    const wanted = [...remembered, ...this.bodies.unknownOf(entries)];
    const reading = await this.bodyReader.intoBlobs(wanted, blobs, 'exact', signal, inMemory);
    throwIfAborted(signal);
    this.bodies.remember(reading.bodies);
    if (reading.lost.length > 0) throw lost(reading.lost, 'changed after the cut');
    // A mapping made since the look moves the times with its first write only; so a mapped file is not trusted.
    const { mapped } = mappingsOf(entries, await this.processes());
    const unsure = entries.filter((entry) => mapped.has(inodeOf(entry)));
    if (unsure.length > 0) {
      this.bodies.forget(unsure);
      throw lost(unsure, 'was mapped for writing by a process');
    }
    return entries.map((entry) => ({ entry, body: this.bodies.bodyOf(entry)! }));
  }

  async smear(blobs: Blobs): Promise<{ fromNs: number; toNs: number; reason: string }> {
    const { clock, signal } = this.context;
    const fromNs = clock.nowNs();
    const scan = await this.input.access.scan(this.input.root, this.excluded, signal);
    if (scan.unlistable.length > 0) throw unreadable(scan.unlistable);
    const mappings = mappingsOf(scan.entries, scan.processes ?? (await this.processes()));
    await this.warmth.look(scan.entries, signal);
    const firsts = [...new Map(scan.entries.map((entry) => [inodeOf(entry), entry])).values()];
    const reading = await this.bodyReader.intoBlobs(firsts, blobs, 'moving', signal);
    const toNs = clock.nowNs();
    const captured = scan.entries.flatMap((entry) => {
      const body = reading.bodies.get(inodeOf(entry));
      // Of an entry that became something else while it was read, nothing is known.
      if (body === undefined || body.entry.kind !== entry.kind) return [];
      return [{ entry: { ...body.entry, path: entry.path }, body }];
    });
    const reason = this.last?.look.unprovable ?? 'files changed between one look at all of them and the next';
    this.smeared = { captured: withParents(captured), look: { scan, mappings, value: '' } };
    return { fromNs, toNs, reason };
  }

  fingerprint(blobs: BlobReader): Fingerprint {
    const { copied } = this;
    const { access } = this.input;
    if (copied === undefined)
      throw new StasisError('files.not-copied', 'The fingerprint of a capture is asked for before its copy.');
    return (async function* () {
      const { listed, look } = copied;
      const digests = await hashStored(listed, blobs);
      yield* fingerprintOf(
        listed,
        (entry) => digests.get(entry.path.toString('latin1')) ?? EMPTY,
        rootFileSystem(look.scan)?.tellsHoles ?? false,
        await access.owners(),
      );
    })();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    try {
      await this.warmth.drop(this.context.signal);
    } finally {
      this.input.access.close();
    }
    this.bodies.clear();
    this.last = undefined;
    this.smeared = undefined;
    this.copied = undefined;
  }
}

/** The content of an empty file, which takes no place in a blob. */
const EMPTY = new ContentHash(false).digest();

/** Without what lay in a folder that vanished. */
function withParents(captured: readonly CapturedEntry[]): CapturedEntry[] {
  const folders = new Set<string>();
  return captured.filter(({ entry }) => {
    const path = entry.path.toString('latin1');
    const parent = path.includes('/') ? path.slice(0, path.lastIndexOf('/')) : '';
    if (path !== '' && !folders.has(parent)) return false;
    if (entry.kind === 'directory') folders.add(path);
    return true;
  });
}

function fileSystemsOf(look: Look): string {
  return [...new Set([...look.scan.fileSystems.values()].map(({ name }) => name))].sort().join(', ');
}

function lost(entries: readonly Entry[], how: string): StasisError {
  const paths = entries.map(({ path }) => path);
  return new StasisError('cut.lost', `${nameSome(paths)} ${how}.`, {
    hint: 'Capture at a quieter time, or leave out what changes all the time with exclude.',
    at: ['path'],
    details: { lost: paths.length },
  });
}
