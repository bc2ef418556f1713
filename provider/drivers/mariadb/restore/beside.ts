import type { ReadableState } from '../../../core/compare-states.ts';
import { concurrently } from '../../../core/concurrently.ts';
import type { Context } from '../../../core/context.ts';
import type { Held, RestoreOptions } from '../../../core/driver.ts';
import { throwIfAborted } from '../../../core/errors.ts';
import type { Fingerprint, FingerprintEntry } from '../../../core/fingerprint.ts';
import { digestOf } from '../../../core/fingerprint-digest.ts';
import { type Answers, databaseOf } from '../../../core/probe.ts';
import type { BlobReader } from '../../../core/store.ts';
import type { Warmth } from '../../../core/warmth.ts';
import { answersOf } from '../ask.ts';
import { readPositions } from '../capture/positions.ts';
import { deal, listTables, type Table } from '../capture/tables.ts';
import { Connection } from '../connect/connection.ts';
import type { Place } from '../connect/place.ts';
import { endSessions } from '../connect/sessions.ts';
import type { Rows } from '../connect/sql.ts';
import type { DatabaseIndex } from '../content.ts';
import { definitionEntries } from '../fingerprint/definitions.ts';
import { fingerprintOf } from '../fingerprint/fingerprint.ts';
import { liveItems } from '../rows/live-rows.ts';
import { jobsOf, type MariadbSpec } from '../spec.ts';
import { readStoredHot } from '../warmth/hot.ts';
import { warmDatabases } from '../warmth/warm.ts';
import type { JournalEntry } from './journal-entry.ts';
import { type Loading, loadRows, makeTables } from './load.ts';
import { makeCode } from './make-code.ts';
import { swapIn } from './swap.ts';
import { stagingNames, type Target } from './target.ts';
import { undoEntry } from './undo.ts';

/** All that a restore works with. */
export interface Restoring {
  readonly spec: MariadbSpec;
  readonly place: Place;
  readonly target: Target;
  /** One for each of the content's databases. */
  readonly indexes: readonly DatabaseIndex[];
  readonly blobs: BlobReader;
  readonly options: RestoreOptions;
  readonly context: Context;
}

/** Loaded into databases of ours; `release` moves all tables into place in one statement. */
export class BesideHeld implements Held {
  private readonly restoring: Restoring;
  private entry: JournalEntry | undefined;
  private released = false;

  constructor(restoring: Restoring) {
    this.restoring = restoring;
  }

  async load(): Promise<void> {
    const { target, place, context, blobs, spec, options, indexes } = this.restoring;
    const { signal } = context;
    const entry: JournalEntry = {
      restoreId: options.restoreId,
      databases: target.destinations.map(({ name, existing }, index) => ({
        ...{ target: name, existed: existing !== undefined },
        ...stagingNames(options.restoreId, index),
        tables: [...indexes[index]!.tables, ...indexes[index]!.sequences].map((table) => table.name),
      })),
    };
    // What an earlier try of the same restore left is of the same names.
    await options.journal(entry);
    this.entry = entry;
    await undoEntry(place, entry, context.logger);
    const loading = this.loading();
    await using session = await Connection.open(place, { signal });
    context.progress({ step: 'load', message: 'definitions' });
    await makeTables(session, loading, this.names(), signal);
    await loadRows(place, loading, jobsOf(spec), blobs, context);
    const made = loading.map(({ into, index }) => ({ database: into, code: index.code }));
    await makeCode(session, made, this.names(), true, signal);
  }

  private loading(): Loading[] {
    const { target, indexes } = this.restoring;
    return target.destinations.map(({ captured }, index) => ({
      ...{ captured, index: indexes[index]! },
      into: this.entry!.databases[index]!.staging,
    }));
  }

  /** What the captured databases are called while they lie beside. */
  private names(): Map<string, string> {
    return new Map(this.loading().map(({ captured, into }) => [captured.name, into]));
  }

  /** Of the databases under the names that they were captured by; a statement names no other one than its own. */
  get answers(): Answers {
    return answersOf(this.restoring.place, (question) => {
      const captured = this.loading().map((one) => one.captured);
      return this.names().get(databaseOf(captured, question).name)!;
    });
  }

  /** Nobody else uses what lies beside, so that any session sees the same. */
  async readable(): Promise<ReadableState & AsyncDisposable> {
    const { place, context } = this.restoring;
    const { signal } = context;
    const session = await Connection.open(place, { signal, purpose: 'rows' });
    let tables: readonly Table[] = [];
    const parts = this.loading().map(({ captured, into }) => ({
      prefix: captured.prefix,
      find: (name: string) => {
        const table = tables.find((one) => one.database === into && one.name === name);
        return table && { table, session };
      },
    }));
    return {
      fingerprint: () => this.entries((found) => (tables = found)),
      itemsOf: liveItems(parts),
      [Symbol.asyncDispose]: async () => {
        session.cut();
        await endSessions(place, [session.id]);
      },
    };
  }

  fingerprint(): Fingerprint {
    return this.entries(() => {});
  }

  private async *entries(onTables: (tables: readonly Table[]) => void): Fingerprint {
    const { place, context, spec } = this.restoring;
    const { signal } = context;
    const databases = this.loading().map(({ captured, into }) => ({ name: into, prefix: captured.prefix }));
    const names = databases.map(({ name }) => name);
    await using session = await Connection.open(place, { signal });
    const rows: Rows = (sql) => session.rows(sql, signal);
    const tables = await listTables(rows, names);
    onTables(tables);
    const definitions = await definitionEntries(rows, session.product, databases);
    const state = {
      ...{ databases, read: [], positions: await readPositions(rows, names) },
      definitions: definitions.map((each) => this.withStatus(each)),
      eachShare: (work: (session: Connection, share: readonly Table[]) => Promise<void>) =>
        this.eachShare(deal(tables, Math.min(jobsOf(spec), tables.length)), work),
    };
    yield* await fingerprintOf(state, signal);
  }

  /** Events do not run before the release, which gives them the status that they had. */
  private withStatus(entry: FingerprintEntry): FingerprintEntry {
    for (const { captured, index } of this.loading())
      for (const { kind, name, status } of index.code)
        if (
          kind === 'event' &&
          entry.object === `${captured.prefix}event-status/${name}` &&
          status !== undefined
        )
          return { ...entry, digest: digestOf('STATUS', status), facts: { status } };
    return entry;
  }

  private async eachShare(
    shares: readonly (readonly Table[])[],
    work: (session: Connection, tables: readonly Table[]) => Promise<void>,
  ): Promise<void> {
    const { place, context } = this.restoring;
    await using stack = new AsyncDisposableStack();
    const sessions: Connection[] = [];
    await concurrently(
      shares,
      async (tables) => {
        const session = stack.use(await Connection.open(place, { signal: context.signal, purpose: 'rows' }));
        sessions.push(session);
        await work(session, tables);
      },
      () => {
        for (const session of sessions) session.cut();
      },
    ).catch(async (error: unknown) => {
      await endSessions(
        place,
        sessions.map(({ id }) => id),
      );
      throw error;
    });
  }

  /** Renaming a table leaves its pages in the pool. */
  async warm(): Promise<Warmth> {
    const { blobs, place, context } = this.restoring;
    const { signal } = context;
    const databases = await Promise.all(
      this.loading().map(async ({ captured, into }) => ({ hot: await readStoredHot(blobs, captured), into })),
    );
    await using session = await Connection.open(place, { signal });
    return await warmDatabases(databases, session, signal);
  }

  async release(): Promise<void> {
    if (this.released) return;
    const { context } = this.restoring;
    throwIfAborted(context.signal);
    this.entry = await swapIn(this.restoring, this.entry!, this.loading(), (entry) => {
      this.entry = entry;
    });
    this.released = true;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    const { entry } = this;
    this.entry = undefined;
    if (entry === undefined || this.released) return;
    await undoEntry(this.restoring.place, entry, this.restoring.context.logger);
  }
}
