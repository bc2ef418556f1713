import type { ReadableState } from '../../../core/compare-states.ts';
import type { Context } from '../../../core/context.ts';
import type {
  EpochReading,
  Holdable,
  HoldEvidence,
  Markable,
  MarkReading,
  Session,
  Watchable,
} from '../../../core/driver.ts';
import { StasisError, throwIfAborted } from '../../../core/errors.ts';
import type { Fingerprint, FingerprintEntry } from '../../../core/fingerprint.ts';
import type { Host } from '../../../core/host.ts';
import type { LogPosition } from '../../../core/log-position.ts';
import type { Capture } from '../../../core/manifest.ts';
import { type Answers, databaseOf } from '../../../core/probe.ts';
import type { Blobs } from '../../../core/store.ts';
import { orCancelled } from '../../../core/wait.ts';
import type { Connection } from '../connect/connection.ts';
import { lost } from '../connect/faults.ts';
import { type Place, parsePlace } from '../connect/place.ts';
import type { ServerFacts } from '../connect/server.ts';
import { fingerprintOf } from '../fingerprint/fingerprint.ts';
import { askSession } from '../probe.ts';
import { liveItems } from '../rows/live-rows.ts';
import type { MariadbSpec } from '../spec.ts';
import { copyDatabases } from './copy.ts';
import { type LogReading, readBusy, readEpoch } from './epochs.ts';
import { type Opened, openAll, type Part } from './open.ts';
import type { Outsiders, ReadTable } from './outsiders.ts';
import { lostEngine } from './problems.ts';
import type { Adopted, Snapshot } from './snapshot.ts';
import { tableName } from './tables.ts';

/** The snapshots are begun this often until all are known to show the same; each time is three round trips. */
const MARKS = 5;

/** What the last mark shows. */
export interface Marked extends Adopted {
  /** Tables that were read under their lock. */
  readonly locked: readonly ReadTable[];
}

/** A capture of one or several databases of one server. */
export class CaptureSession implements Session {
  readonly server: ServerFacts;
  readonly parts: readonly Part[];
  readonly watch: Watchable | undefined;
  readonly hold: Holdable | undefined;
  private readonly context: Context;
  private readonly epochs: Connection;
  private readonly snapshot: Snapshot;
  private readonly outsiders: Outsiders | undefined;
  private readonly stack: AsyncDisposableStack;
  /** Where the log stood at the last mark, or right before it. */
  position: LogPosition | undefined;
  private firstReading: EpochReading | undefined;
  private locked: readonly ReadTable[] = [];
  /** Whether there is a mark; and how many there were. */
  private taken = false;
  private marks = 0;
  private captured = '';
  private marked: Marked | undefined;

  private constructor(made: Opened, stack: AsyncDisposableStack, context: Context) {
    this.server = made.server;
    this.parts = made.parts;
    this.epochs = made.epochs;
    this.snapshot = made.snapshot;
    this.outsiders = made.outsiders;
    this.stack = stack;
    this.context = context;
    if (made.outsiders) this.hold = this.holdOf(made.outsiders);
    else if (made.server.noEpoch === undefined)
      this.watch = {
        costMs: 1,
        epoch: (signal) => this.unlessCancelled(signal, () => this.epoch(signal)),
        busy: (signal) =>
          this.unlessCancelled(signal, () => readBusy(this.epochs, this.server.grants, signal)),
      };
  }

  static open(spec: MariadbSpec, at: Host, context: Context): Promise<CaptureSession> {
    return orCancelled(context.signal, async () => {
      await using stack = new AsyncDisposableStack();
      const opened = await openAll(parsePlace(spec.url, at), spec, stack, context.signal);
      return new CaptureSession(opened, stack.move(), context);
    });
  }

  readonly mark: Markable = {
    take: (signal) => this.unlessCancelled(signal, () => this.takeMarks(signal)),
  };

  readonly markAnswers: Answers = {
    answer: (question, options) =>
      this.unlessCancelled(options.signal, async () => {
        await this.adopt();
        if (this.outsiders)
          throw new StasisError(
            'mariadb.probe-no-snapshot',
            'There are tables that no snapshot covers, so that an answer would not be that of the cut.',
            { hint: 'Convert them to InnoDB, or capture their databases as another member.' },
          );
        return askSession(this.snapshot.anyWorker, databaseOf(this.parts, question).name, question, options);
      }),
  };

  private epoch(signal: AbortSignal): Promise<LogReading> {
    return readEpoch(this.epochs, this.server.serverId, this.context.clock, signal);
  }

  private async takeMarks(signal: AbortSignal): Promise<readonly MarkReading[]> {
    this.marked = undefined;
    const reading = await this.beginSnapshots(signal);
    this.taken = true;
    if (this.outsiders)
      this.locked = await this.outsiders.read(this.snapshot.outsiders, (name) => this.prefixOf(name), signal);
    this.captured = reading.epoch ?? '';
    return [reading];
  }

  /**
   * Begins the snapshots between two equal epochs: then all show the one state that these stand for. Where that fails,
   * which it does while the server is never quiet, or where there are no epochs, one session's snapshot is the mark.
   */
  private async beginSnapshots(signal: AbortSignal): Promise<MarkReading> {
    this.marks += 1;
    this.position = undefined;
    for (let attempt = 1; this.isProof && attempt <= MARKS; attempt += 1) {
      const before = await this.epoch(signal);
      const taken = await this.beginOnce(signal);
      const after = await this.epoch(signal);
      // Where no attempt succeeds, the log has come at least so far by the mark that follows.
      this.position = after.log;
      if (before.unprovable === undefined && before.value === after.value)
        return { ...taken, act: `mariadb ${before.value}`, epoch: before.value };
    }
    const taken = await this.beginOnce(signal);
    if (this.snapshot.width > 1) this.snapshot.useOne();
    return { ...taken, act: `mariadb ${this.server.serverId}/session ${this.epochs.id}/${this.marks}` };
  }

  private async beginOnce(signal: AbortSignal): Promise<Pick<MarkReading, 'sentNs' | 'acknowledgedNs'>> {
    const { clock } = this.context;
    const sentNs = clock.nowNs();
    await this.snapshot.begin(signal);
    return { sentNs, acknowledgedNs: clock.nowNs() };
  }

  get place(): Place {
    return this.epochs.place;
  }

  private get isProof(): boolean {
    return this.server.noEpoch === undefined;
  }

  /** Locks what no snapshot covers; that the rest stood still is shown by the log's position at both ends. */
  private holdOf(outsiders: Outsiders): Holdable {
    return {
      how: 'locked',
      freeze: (leaseMs, signal) =>
        this.unlessCancelled(signal, async () => {
          this.firstReading = undefined;
          await outsiders.lock(this.snapshot.outsiders, leaseMs, signal);
          this.firstReading = await this.epoch(signal);
        }),
      evidence: (signal) => this.unlessCancelled(signal, () => this.evidence(outsiders, signal)),
      thaw: () => outsiders.unlock(),
    };
  }

  private async evidence(outsiders: Outsiders, signal: AbortSignal): Promise<HoldEvidence> {
    const last = await this.epoch(signal);
    const readings = [this.firstReading, last].filter((reading) => reading !== undefined);
    const names = this.snapshot.outsiders.map(tableName).join(', ');
    return {
      readings: readings.map(({ sentNs, acknowledgedNs, value }) => ({ sentNs, acknowledgedNs, value })),
      captured: this.captured,
      conditions: [
        {
          claim: `${names} locked to the end`,
          expected: 'locked',
          observed: await outsiders.state(this.snapshot.outsiders, signal),
        },
        {
          claim: 'equal positions of the log prove stillness',
          expected: 'yes',
          observed: readings.find(({ unprovable }) => unprovable !== undefined)?.unprovable ?? 'yes',
        },
      ],
    };
  }

  /** A cancel cuts connections, and whatever is asked of them afterwards fails because of it. */
  private unlessCancelled<T>(signal: AbortSignal, work: () => Promise<T>): Promise<T> {
    return orCancelled(this.context.signal, () => orCancelled(signal, work));
  }

  private prefixOf(database: string): string {
    return this.parts.find(({ name }) => name === database)?.prefix ?? '';
  }

  /** When what the mark shows cannot be read any more, all is armed anew, so that the next mark takes no longer. */
  private async armedAgain<T>(work: () => Promise<T>): Promise<T> {
    try {
      return await work();
    } catch (error) {
      if (!(error instanceof StasisError) || error.code !== 'cut.lost') throw error;
      this.marked = undefined;
      this.taken = false;
      await this.snapshot.arm();
      if (this.snapshot.outsiders.length > 0 !== (this.outsiders !== undefined)) throw lostEngine(error);
      throw error;
    }
  }

  /** The state that the last mark shows, ready to be read. */
  async adopt(): Promise<Marked> {
    if (this.marked) return this.marked;
    if (!this.taken)
      throw new StasisError('mariadb.no-mark', 'No mark was taken, or what it showed is gone.');
    this.marked = await this.armedAgain(async () => {
      const adopted = await this.snapshot.adopt();
      const read = this.locked.map(({ table }) => tableName(table)).join();
      if (read !== this.snapshot.outsiders.map(tableName).join())
        throw lost('other tables have to be locked');
      return { ...adopted, locked: this.locked };
    });
    return this.marked;
  }

  copy(blobs: Blobs): Promise<Capture> {
    return orCancelled(this.context.signal, async () => {
      const marked = await this.adopt();
      return this.armedAgain(() => copyDatabases(this, marked, this.snapshot, blobs, this.context));
    });
  }

  async *fingerprint(): Fingerprint {
    const entries = await this.entries();
    // All is read: the application's schema changes need not wait for our locks any longer.
    await this.letGo();
    for (const entry of entries) {
      throwIfAborted(this.context.signal);
      yield entry;
    }
  }

  /** The same, and the rows of tables that the snapshots cover until disposal: so long the locks stay. */
  async readable(): Promise<ReadableState & AsyncDisposable> {
    const entries = (): Promise<FingerprintEntry[]> => this.entries();
    const tables = this.parts.map(({ name, prefix }) => ({
      prefix,
      find: (table: string) => this.snapshot.find(name, table),
    }));
    return {
      async *fingerprint() {
        yield* await entries();
      },
      itemsOf: liveItems(tables),
      [Symbol.asyncDispose]: () => this.letGo(),
    };
  }

  private async letGo(): Promise<void> {
    this.marked = undefined;
    this.taken = false;
    await orCancelled(this.context.signal, () => this.snapshot.disarm());
  }

  private entries(): Promise<FingerprintEntry[]> {
    const { signal } = this.context;
    return orCancelled(signal, async () => {
      const marked = await this.adopt();
      return this.armedAgain(() =>
        fingerprintOf(
          {
            databases: this.parts,
            definitions: marked.entries,
            positions: marked.positions,
            read: marked.locked.map(({ entry }) => entry),
            eachShare: (work) => this.snapshot.eachShare(work),
          },
          signal,
        ),
      );
    });
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.stack.disposeAsync();
  }
}
