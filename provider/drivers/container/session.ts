import type { Context } from '../../core/context.ts';
import type { Holdable, HoldEvidence, Markable, Session } from '../../core/driver.ts';
import { StasisError } from '../../core/errors.ts';
import type { Fingerprint, FingerprintEntry } from '../../core/fingerprint.ts';
import type { Host } from '../../core/host.ts';
import type { Capture } from '../../core/manifest.ts';
import type { Answers } from '../../core/probe.ts';
import type { BlobReader, Blobs } from '../../core/store.ts';
import { within } from '../../core/wait.ts';
import { dumpBytesOf } from '../../runtime/estimate.ts';
import { stoppedOf } from '../../runtime/fence.ts';
import { evidenceOfAll, type FrozenGroup, type GroupEvidence } from '../../runtime/frozen.ts';
import { memoryFolder } from '../../runtime/memory-folder.ts';
import { dropStale, dropTree, fingerprintTree, keepTree, type TreeCopy } from '../../runtime/trees.ts';
import { containerAnswers } from './answers.ts';
import { CapturedContainer } from './captured.ts';
import { type Content, storedImages } from './content.ts';
import { copyCapture } from './copy.ts';
import type { Look } from './look.ts';
import { inspect } from './plan.ts';
import type { ContainerSpec } from './spec.ts';

/** Undoing is not cut short by a cancel. */
const UNDO_MS = 60_000;
/** What podman's description of a container, with what it prints on the way, takes. */
const DEFINITION_BYTES = 4 * 1024 * 1024;

interface Parts {
  readonly spec: ContainerSpec;
  readonly host: Host;
  readonly context: Context;
  readonly look: Look;
  readonly containers: readonly CapturedContainer[];
}

/** A folder that belongs to the containers, by what it is called in a fingerprint. */
export interface KeptFolder extends TreeCopy {
  readonly name: string;
}

/** A capture of one container, or of all containers of a pod: all frozen at once, each by its own group. */
export class ContainerSession implements Session {
  readonly hold: Holdable;
  readonly mark: Markable;
  readonly aroundAnswers: Answers;
  private readonly parts: Parts;
  private undo = new AsyncDisposableStack();
  private folders: readonly KeptFolder[] = [];
  private captured = '';
  private stopped: string | undefined;
  private content: Content | undefined;

  private constructor(parts: Parts) {
    this.parts = parts;
    const { containers } = parts;
    const each = async (work: (one: CapturedContainer) => Promise<unknown>): Promise<void> => {
      await settled(containers.map(work));
    };
    this.hold = {
      how: 'frozen',
      settle: (signal, leaseMs) => this.settle(signal, leaseMs),
      renew: () => each(({ frozen }) => frozen.renew()),
      freeze: (leaseMs, signal) => each(({ frozen }) => frozen.freeze(leaseMs, signal)),
      evidence: () => this.evidence((frozen) => frozen.evidence()),
      thawWithEvidence: () => this.evidence((frozen) => frozen.thawWithEvidence()),
      thaw: () => each(({ frozen }) => frozen.thaw()),
    };
    this.mark = { take: (signal) => this.take(signal) };
    this.aroundAnswers = containerAnswers(
      parts.host,
      containers.map(({ looked }) => looked),
    );
  }

  /** @throws StasisError as plan reports */
  static async open(spec: ContainerSpec, host: Host, context: Context): Promise<ContainerSession> {
    const { signal, clock } = context;
    const { problems, look } = await inspect(spec, host, signal);
    const [problem] = problems.filter(({ severity }) => severity === 'error');
    if (problem) throw problem;
    await using undo = new AsyncDisposableStack();
    const containers: CapturedContainer[] = [];
    for (const looked of look.containers) {
      const { path: folder } = undo.use(
        await memoryFolder(host, dumpBytesOf(looked.facts) + DEFINITION_BYTES, signal),
      );
      containers.push(undo.use(await CapturedContainer.open(looked, folder, host, clock, signal)));
    }
    const session = new ContainerSession({ spec, host, context, look, containers });
    session.undo = undo.move();
    return session;
  }

  private async settle(signal: AbortSignal, leaseMs?: number): Promise<void> {
    const { spec, host, look, containers } = this.parts;
    await this.dropFolders();
    const paths = [
      ...look.volumes.map(({ Mountpoint }) => Mountpoint),
      ...containers.map(({ looked }) => looked.upper),
      ...(spec.files ?? []),
    ];
    await dropStale(paths, host, signal);
    await settled(containers.map((container) => container.settle(signal, leaseMs)));
  }

  /** Dumps, and copies of all that lies on disk, of the state that is held. No mark: the hold ties it to time. */
  private async take(signal: AbortSignal): Promise<[]> {
    const { spec, host, look, containers } = this.parts;
    await settled(containers.map(({ frozen }) => frozen.look()));
    this.folders = [
      ...look.volumes.map(({ Name, Mountpoint }) => ({ name: `/volume/${Name}`, path: Mountpoint })),
      ...(spec.files ?? []).map((path) => ({ name: `/host${path}`, path })),
    ].map((folder) => ({ ...folder, from: folder.path, copy: containers[0]!.beside(folder.path) }));
    await settled([
      ...containers.map(({ frozen }) => frozen.dump(signal)),
      ...containers.map((container) => container.keep(signal)),
      ...this.folders.map((folder) => keepTree(folder, host, signal)),
    ]);
    return [];
  }

  private async evidence(of: (frozen: FrozenGroup) => Promise<GroupEvidence>): Promise<HoldEvidence> {
    const { containers } = this.parts;
    const named = await Promise.all(
      containers.map(async ({ name, frozen }) => [name, await of(frozen)] as const),
    );
    const evidence = evidenceOfAll(named);
    const stopped = named.map(([, one]) => one.stopped).filter((one) => one !== undefined);
    this.stopped = stopped.length === named.length ? stoppedOf(stopped) : undefined;
    this.captured = evidence.captured;
    return evidence;
  }

  async copy(blobs: Blobs): Promise<Capture> {
    const { parts, folders } = this;
    if (parts.containers.some(({ frozen }) => frozen.dumped === undefined))
      throw new StasisError('container.no-dump', 'Nothing was dumped that could be copied.');
    const { content, capture } = await copyCapture({ ...parts, folders }, blobs);
    this.content = content;
    const { captured: epoch, stopped } = this;
    return { ...capture, epoch, ...(stopped && { stopped }) };
  }

  async *fingerprint(blobs: BlobReader): Fingerprint {
    const { content, parts } = this;
    if (content === undefined) throw new StasisError('container.no-copy', 'Nothing was copied yet.');
    const { signal } = parts.context;
    const entries = await Promise.all(
      parts.containers.map(async (container, index) =>
        container.fingerprint(await storedImages(content.containers[index]!, blobs), signal),
      ),
    );
    yield* sorted([...entries.flat(), ...(await this.fingerprintFolders())]);
  }

  /** Freezes, dumps and lets go, for `fingerprintHere`. */
  async look(leaseMs: number, signal: AbortSignal): Promise<void> {
    await this.hold.settle!(signal, leaseMs);
    try {
      await this.hold.freeze(leaseMs, signal);
      await this.take(signal);
    } finally {
      await this.hold.thaw();
    }
  }

  /** Of the last dump, as it lies on the host. */
  async *fingerprintHere(): Fingerprint {
    const { containers, context } = this.parts;
    const entries = await Promise.all(
      containers.map(async (container) =>
        container.fingerprint(await container.images(context.signal), context.signal),
      ),
    );
    yield* sorted([...entries.flat(), ...(await this.fingerprintFolders())]);
  }

  private async fingerprintFolders(): Promise<FingerprintEntry[]> {
    const { host, context } = this.parts;
    const entries = this.folders.map(({ name, copy }) => fingerprintTree(name, copy, host, context.signal));
    return (await Promise.all(entries)).flat();
  }

  private async dropFolders(): Promise<void> {
    const { signal } = new AbortController();
    for (const folder of this.folders) await dropTree(folder, this.parts.host, signal);
    this.folders = [];
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await within(UNDO_MS, 'letting the containers be as they were', undefined, async () => {
      await this.hold.thaw();
      await this.dropFolders();
      await this.undo.disposeAsync();
    });
  }
}

/** All of them to their end, whatever becomes of one: then the first failure. */
async function settled(works: readonly Promise<unknown>[]): Promise<void> {
  const results = await Promise.allSettled(works);
  const failed = results.find((result) => result.status === 'rejected');
  if (failed) throw failed.reason;
}

export function sorted(entries: readonly FingerprintEntry[]): FingerprintEntry[] {
  return entries.toSorted((a, b) => (a.object < b.object ? -1 : 1));
}
