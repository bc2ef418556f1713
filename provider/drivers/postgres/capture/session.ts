import type { ReadableState } from '../../../core/compare-states.ts';
import { concurrently } from '../../../core/concurrently.ts';
import type { Context } from '../../../core/context.ts';
import type { EpochReading, Markable, MarkReading, Session, Watchable } from '../../../core/driver.ts';
import { StasisError, throwIfAborted } from '../../../core/errors.ts';
import type { Fingerprint } from '../../../core/fingerprint.ts';
import type { Host } from '../../../core/host.ts';
import type { LogPosition } from '../../../core/log-position.ts';
import type { Capture } from '../../../core/manifest.ts';
import { type Answers, databaseOf } from '../../../core/probe.ts';
import type { Blobs } from '../../../core/store.ts';
import { orCancelled } from '../../../core/wait.ts';
import { clientsForDump, findClients } from '../connect/clients.ts';
import { Connection } from '../connect/connection.ts';
import { type Database, listDatabases, prefixesOf, selectDatabases } from '../connect/databases.ts';
import { type Place, parsePlace } from '../connect/place.ts';
import { type ServerFacts, serverFacts } from '../connect/server.ts';
import { text } from '../connect/sql.ts';
import { fingerprintOf, type ReadableDatabase } from '../fingerprint/fingerprint.ts';
import { askDatabase } from '../probe.ts';
import { liveItems } from '../rows/live-rows.ts';
import { jobsOf, lockTimeoutOf, type PostgresSpec } from '../spec.ts';
import { copyDatabases } from './copy.ts';
import { type Adopted, DatabaseSession } from './database-session.ts';

/** One database of a capture. */
export interface Part {
  readonly database: Database;
  readonly prefix: string;
  readonly session: DatabaseSession;
}

/** The same with the state that the last mark shows. */
export interface MarkedPart extends Part {
  readonly state: Adopted;
}

/** Several databases are exported this often until all read the same snapshot; each time is one round trip. */
const EXPORTS = 10;

/** What clients' sessions but our own are working on. A role without pg_read_all_stats sees no state of others'. */
const BUSY = `SELECT count(*) FILTER (WHERE state = 'active')::text AS active,
    count(*) FILTER (WHERE state IS NULL OR state = 'disabled')::text AS unseen
  FROM pg_catalog.pg_stat_activity
  WHERE backend_type = 'client backend' AND pid <> pg_catalog.pg_backend_pid()`;

/** A capture of one or several databases of one server. */
export class CaptureSession implements Session {
  readonly server: ServerFacts;
  readonly parts: readonly Part[];
  readonly clientsMajor: number;
  /** Which roles the fingerprint shows; those that the databases need, unless set. */
  roles: readonly string[] | undefined;
  private readonly context: Context;
  private readonly place: Place;
  private readonly epochs: Connection;
  private readonly stack: AsyncDisposableStack;
  /** Where the log stood at the last mark. */
  position: LogPosition | undefined;
  private snapshotIds: readonly string[] | undefined;
  private marked: readonly MarkedPart[] | undefined;

  private constructor(
    made: { server: ServerFacts; parts: readonly Part[]; epochs: Connection; clientsMajor: number },
    stack: AsyncDisposableStack,
    context: Context,
  ) {
    this.server = made.server;
    this.parts = made.parts;
    this.epochs = made.epochs;
    this.place = made.epochs.place;
    this.clientsMajor = made.clientsMajor;
    this.stack = stack;
    this.context = context;
  }

  /** Of the databases that a spec selects. `forCopy` false where only the fingerprint is wanted: then no schema is dumped. */
  static async open(
    spec: PostgresSpec,
    host: Host,
    context: Context,
    forCopy: boolean,
  ): Promise<CaptureSession> {
    const place = parsePlace(spec.url, host);
    const select = (all: readonly Database[]): Omit<Part, 'session'>[] => {
      const { selected, problems } = selectDatabases(all, spec, place);
      if (problems[0]) throw problems[0];
      const prefixes = prefixesOf(
        selected.map(({ name }) => name),
        spec,
      );
      return selected.map((database, index) => ({ database, prefix: prefixes[index]! }));
    };
    return orCancelled(context.signal, () =>
      CaptureSession.start(spec, place, host, context, forCopy, select),
    );
  }

  static async start(
    spec: PostgresSpec,
    place: Place,
    host: Host,
    context: Context,
    forCopy: boolean,
    select: (all: readonly Database[]) => readonly Omit<Part, 'session'>[],
  ): Promise<CaptureSession> {
    await using stack = new AsyncDisposableStack();
    const { signal } = context;
    const epochs = stack.use(await Connection.open(place, { signal }));
    const server = await serverFacts(epochs, signal);
    refuseStandby(server);
    const clients = clientsForDump(await findClients(spec, host, signal), server.major, spec);
    const selected = select(await listDatabases(epochs, signal));
    const parts = await concurrently(selected, async (part): Promise<Part> => {
      const source = {
        ...{ place, host, clients, signal, database: part.database.name, major: server.major },
        ...{ jobs: jobsOf(spec), lockTimeoutMs: lockTimeoutOf(spec) },
      };
      return { ...part, session: stack.use(await DatabaseSession.open(source, forCopy)) };
    });
    const made = { server, parts, epochs, clientsMajor: clients.major };
    return new CaptureSession(made, stack.move(), context);
  }

  readonly watch: Watchable = {
    costMs: 1,
    epoch: (signal) => this.unlessCancelled(signal, () => this.readEpoch(signal)),
    busy: (signal) => this.unlessCancelled(signal, () => this.readBusy(signal)),
  };

  readonly mark: Markable = {
    take: (signal) => this.unlessCancelled(signal, () => this.takeMarks(signal)),
  };

  readonly markAnswers: Answers = {
    answer: (question, options) =>
      this.unlessCancelled(options.signal, async () => {
        const marked = await this.adopt();
        const { name } = databaseOf(
          marked.map(({ database }) => database),
          question,
        );
        const { snapshotId } = marked.find(({ database }) => database.name === name)!.state;
        return askDatabase(this.place, name, snapshotId, question, options);
      }),
  };

  private async readEpoch(signal: AbortSignal): Promise<EpochReading> {
    const sentNs = this.context.clock.nowNs();
    const row = await this.epochs.row('SELECT pg_catalog.pg_current_snapshot()::text AS at', signal);
    return { sentNs, acknowledgedNs: this.context.clock.nowNs(), value: this.epochOf(text(row, 'at')) };
  }

  /** Undefined where this role may not see what others do, or the server keeps no account of it. */
  private async readBusy(signal: AbortSignal): Promise<number | undefined> {
    const row = await this.epochs.row(BUSY, signal);
    return text(row, 'unseen') === '0' ? Number(text(row, 'active')) : undefined;
  }

  private async takeMarks(signal: AbortSignal): Promise<readonly MarkReading[]> {
    this.marked = undefined;
    for (let attempt = 1; ; attempt += 1) {
      const taken = await concurrently(this.parts, async ({ session }) => {
        const sentNs = this.context.clock.nowNs();
        const exported = await session.export(signal);
        return { ...exported, sentNs, acknowledgedNs: this.context.clock.nowNs() };
      });
      const acts = new Set(taken.map(({ snapshot }) => snapshot));
      if (acts.size > 1 && attempt < EXPORTS) continue;
      this.snapshotIds = taken.map(({ snapshotId }) => snapshotId);
      const { lsn, snapshot: transactions } = taken[0]!;
      this.position = lsn === undefined ? undefined : { log: this.server.systemId, at: lsn, transactions };
      return [...acts].map((snapshot) => {
        const same = taken.filter((one) => one.snapshot === snapshot);
        return {
          sentNs: Math.min(...same.map(({ sentNs }) => sentNs)),
          acknowledgedNs: Math.max(...same.map(({ acknowledgedNs }) => acknowledgedNs)),
          act: `postgres ${this.epochOf(snapshot)}`,
          epoch: this.epochOf(snapshot),
        };
      });
    }
  }

  /** A cancel cuts connections, and whatever is asked of them afterwards fails because of it. */
  private unlessCancelled<T>(signal: AbortSignal, work: () => Promise<T>): Promise<T> {
    return orCancelled(this.context.signal, () => orCancelled(signal, work));
  }

  /** Equal exactly when no transaction of the server was committed in between, whatever database it was in. */
  private epochOf(snapshot: string): string {
    return `${this.server.systemId}/${snapshot}`;
  }

  /**
   * Lets all sessions see what the last mark shows. When that cannot be read any more, everything is armed anew
   * before `cut.lost` is thrown, so that the next mark takes no longer than the first.
   */
  async adopt(): Promise<readonly MarkedPart[]> {
    if (this.marked) return this.marked;
    const ids = this.snapshotIds;
    if (ids === undefined) throw new RangeError('no mark was taken');
    this.snapshotIds = undefined;
    this.marked = await this.armedAgain(() =>
      concurrently(this.parts, async (part, index) => ({
        ...part,
        state: await part.session.adopt(ids[index]!),
      })),
    );
    return this.marked;
  }

  private async armedAgain<T>(work: () => Promise<T>): Promise<T> {
    try {
      return await work();
    } catch (error) {
      if (!(error instanceof StasisError) || error.code !== 'cut.lost') throw error;
      this.marked = undefined;
      await concurrently(this.parts, ({ session }) => session.arm());
      throw error;
    }
  }

  async copy(blobs: Blobs): Promise<Capture> {
    return orCancelled(this.context.signal, async () => {
      const marked = await this.adopt();
      return this.armedAgain(() => copyDatabases(this, marked, blobs, this.context));
    });
  }

  async *fingerprint(): Fingerprint {
    yield* this.entries();
    // All is read: the application's schema changes need not wait for our locks any longer.
    await this.letGo();
  }

  /** The same, and the rows of its tables until disposal: so long the locks stay. */
  async readable(): Promise<ReadableState & AsyncDisposable> {
    const marked = await orCancelled(this.context.signal, () => this.adopt());
    const tables = marked.map(({ prefix, session }) => ({
      prefix,
      find: (label: string) => session.find(label),
    }));
    return {
      fingerprint: () => this.entries(),
      itemsOf: liveItems(tables),
      [Symbol.asyncDispose]: () => this.letGo(),
    };
  }

  private async letGo(): Promise<void> {
    this.marked = undefined;
    await concurrently(this.parts, ({ session }) => session.disarm());
  }

  private async *entries(): Fingerprint {
    const { signal } = this.context;
    const marked = await orCancelled(signal, () => this.adopt());
    const entries = fingerprintOf(marked.map(readable), this.roles)[Symbol.asyncIterator]();
    for (;;) {
      const { value, done } = await orCancelled(signal, () => entries.next());
      if (done) break;
      throwIfAborted(signal);
      yield value;
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.stack.disposeAsync();
  }
}

function readable({ session, state, database, prefix }: MarkedPart): ReadableDatabase {
  return {
    ...{ name: database.name, prefix, definitions: state.definitions, sequences: state.sequences },
    ...{ rows: session.rows, session: session.anyWorker, eachShare: (work) => session.eachShare(work) },
  };
}

/** @throws StasisError `postgres.standby` */
export function refuseStandby(server: ServerFacts): void {
  if (!server.standby) return;
  throw new StasisError('postgres.standby', 'The server is a standby.', {
    hint: 'Capture the primary: what is replayed from it would cancel our sessions on a standby, which also lags behind by an unknown time.',
    at: ['url'],
  });
}
