import { concurrently } from '../../../core/concurrently.ts';
import { StasisError } from '../../../core/errors.ts';
import type { FingerprintEntry } from '../../../core/fingerprint.ts';
import type { Host } from '../../../core/host.ts';
import { sleep } from '../../../core/wait.ts';
import type { Clients } from '../connect/clients.ts';
import { Connection } from '../connect/connection.ts';
import { lost, lostIfGone } from '../connect/faults.ts';
import type { Place } from '../connect/place.ts';
import { PsqlSession } from '../connect/psql-session.ts';
import { literal, type Rows, text } from '../connect/sql.ts';
import { schemaEntries } from '../fingerprint/schema.ts';
import { LOG_END } from '../log-position.ts';
import { holderLocker, lockAll, workerLocker } from './locks.ts';
import { dumpSchema } from './schema-dump.ts';
import { readSequences } from './sequences.ts';
import { schemaStamp } from './stamp.ts';
import { deal, listTables, moved, type SequencePosition, type Table } from './tables.ts';

export interface DatabaseSource {
  readonly place: Place;
  readonly host: Host;
  readonly clients: Clients;
  readonly database: string;
  readonly major: number;
  readonly jobs: number;
  readonly lockTimeoutMs: number;
  readonly signal: AbortSignal;
}

/** What holds for the schema as long as its stamp is the same: read before the locks are taken. */
interface Armed {
  readonly stamp: string;
  /** pg_dump's archive; absent where only the fingerprint is wanted. */
  readonly archive: Buffer | undefined;
  readonly definitions: readonly FingerprintEntry[];
  readonly tables: readonly Table[];
  readonly shares: readonly (readonly Table[])[];
}

/** The state that a mark shows, ready to be read. */
export interface Adopted extends Armed {
  readonly snapshotId: string;
  readonly sequences: readonly SequencePosition[];
}

/** A schema that still changes while we look at it after so many looks, or so long, is not going to be caught. */
const ROUNDS = 30;
const ARM_MS = 60_000;
/**
 * What reads the schema has to wait for locks while it holds others, if weak ones. Where that makes a circle with a
 * transaction of the application, the server ends whoever has waited longest, after deadlock_timeout (1 s): it is to
 * be us who give up, long before.
 */
const PATIENCE_MS = 200;
const PAUSE_MS = 20;

/**
 * One database in a capture: a session that holds locks and exports snapshots, sessions that copy in them, and one
 * that reads catalogs.
 *
 * Arming does, in this order: read the schema (by pg_dump and for the fingerprint), then lock all tables in all
 * sessions at once. In this order, because afterwards a TRUNCATE of the application may stand in line behind our
 * locks, and whoever came to it later, as pg_dump would, would wait for ever. Whether the schema at the mark is the
 * one that was read is shown by its stamp, read again in the marked snapshot.
 */
/** A snapshot that others can take over, and where the log stood as it was made. */
interface Exported {
  readonly snapshotId: string;
  readonly snapshot: string;
  readonly lsn: string | undefined;
}

export class DatabaseSession implements AsyncDisposable {
  readonly database: string;
  private readonly source: DatabaseSource;
  private readonly holder: Connection;
  private readonly reader: Connection;
  private workers: PsqlSession[] = [];
  private armed: Armed | undefined;
  private readonly withArchive: boolean;

  private constructor(source: DatabaseSource, holder: Connection, reader: Connection, withArchive: boolean) {
    this.source = source;
    this.database = source.database;
    this.holder = holder;
    this.reader = reader;
    this.withArchive = withArchive;
  }

  /** Connects and arms. */
  static async open(source: DatabaseSource, withArchive: boolean): Promise<DatabaseSession> {
    await using stack = new AsyncDisposableStack();
    const options = { database: source.database, signal: source.signal };
    const holder = stack.use(await Connection.open(source.place, options));
    const reader = stack.use(await Connection.open(source.place, options));
    const session = new DatabaseSession(source, holder, reader, withArchive);
    stack.use(session);
    await session.arm();
    stack.move();
    return session;
  }

  /** Legal again after a state was lost: everything is let go and read anew. */
  async arm(): Promise<void> {
    const deadline = Date.now() + ARM_MS;
    for (let round = 1; ; round += 1) {
      try {
        await this.disarm();
        await this.armOnce();
        return;
      } catch (error) {
        if (!(error instanceof StasisError) || error.code !== 'cut.lost') throw error;
        if (round >= ROUNDS || Date.now() > deadline) throw restless(error);
      }
    }
  }

  private async armOnce(): Promise<void> {
    const { signal, major, lockTimeoutMs } = this.source;
    const stamp = await schemaStamp(this.rows);
    const archive = this.withArchive
      ? await this.patiently(() => collect(dumpSchema({ ...this.source, lockTimeoutMs: PATIENCE_MS })))
      : undefined;
    await this.rows(`SELECT pg_catalog.set_config('lock_timeout', '${PATIENCE_MS}', false)`);
    const definitions = await this.patiently(() => schemaEntries(this.rows, major));
    const tables = await listTables(this.rows);
    if (stamp !== (await schemaStamp(this.rows))) throw lost('the schema changed while it was read');
    const shares = deal(tables, Math.min(this.source.jobs, tables.length));
    await this.openWorkers(shares.length);
    const lockers = [
      holderLocker(this.holder, tables),
      ...this.workers.map((worker, index) => workerLocker(worker, shares[index]!)),
    ];
    await lockAll(lockers, lockTimeoutMs, signal);
    // The first time costs more than the next ones: that is not to be part of a mark.
    await this.export(signal);
    this.armed = { stamp, archive, definitions, tables, shares };
  }

  /** Again and again, rather than to stand in line for long while holding what others may want. */
  private async patiently<T>(work: () => Promise<T>): Promise<T> {
    const deadline = Date.now() + this.source.lockTimeoutMs;
    for (;;) {
      try {
        return await work();
      } catch (error) {
        const locked = error instanceof StasisError && error.code === 'postgres.lock-timeout';
        if (!locked || Date.now() > deadline) throw error;
        await sleep(PAUSE_MS, this.source.signal);
      }
    }
  }

  private async openWorkers(count: number): Promise<void> {
    const { clients, host, place, database, signal } = this.source;
    const missing = Math.max(0, count - this.workers.length);
    await concurrently(Array.from({ length: missing }), async () => {
      this.workers.push(await PsqlSession.open(clients, host, place, { database, signal }));
    });
  }

  /** Ends the transactions, and with them locks and snapshots; the sessions stay. */
  async disarm(): Promise<void> {
    if (this.armed === undefined) return;
    this.armed = undefined;
    await this.holder.rows('ROLLBACK');
    await this.reader.rows('ROLLBACK');
    const alive = await Promise.all(
      this.workers.map(async (worker) => {
        const done = await worker.tryTo('ROLLBACK').catch(() => '');
        if (done === '') await worker.abort();
        return done !== '';
      }),
    );
    this.workers = this.workers.filter((_worker, index) => alive[index]);
  }

  /** The mark: one round trip. Each snapshot stays importable until `disarm`. */
  async export(signal: AbortSignal): Promise<Exported> {
    const row = await this.holder.row(
      `SELECT pg_catalog.pg_export_snapshot() AS id, pg_catalog.pg_current_snapshot()::text AS at, ${LOG_END}::text AS lsn`,
      signal,
    );
    const lsn = row.lsn === null ? undefined : text(row, 'lsn');
    return { snapshotId: text(row, 'id'), snapshot: text(row, 'at'), lsn };
  }

  /**
   * Lets all sessions see the marked state, and reads where the sequences stand.
   * @throws StasisError `cut.lost` when the schema at the mark is not the one that was read and locked before
   */
  async adopt(snapshotId: string): Promise<Adopted> {
    if (this.armed === undefined) throw new RangeError('not armed');
    const adoption = `SET TRANSACTION SNAPSHOT ${literal(snapshotId)}`;
    await this.reader.rows('BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY');
    await this.reader.rows(adoption);
    await concurrently(this.workers, (worker) => worker.run(adoption, 'the marked snapshot'));
    const sequences = await readSequences(this.rows);
    const reason = moved(this.armed.tables, await listTables(this.rows));
    if (reason !== undefined) throw lost(reason);
    if (this.armed.stamp !== (await schemaStamp(this.rows))) throw lost('the schema changed before the mark');
    return { ...this.armed, snapshotId, sequences };
  }

  /** Reads catalogs: in the marked state once it was adopted. */
  readonly rows: Rows = (sql) => this.reader.rows(sql, this.source.signal);

  /** Each share of the tables with the session that has it locked, all at once; one failure ends the others. */
  async eachShare(work: (worker: PsqlSession, tables: readonly Table[]) => Promise<void>): Promise<void> {
    const shares = this.armed?.shares ?? [];
    try {
      await concurrently(
        shares,
        (tables, index) => work(this.workers[index]!, tables),
        () => this.workers.forEach((worker) => void worker.abort()),
      );
    } catch (error) {
      throw lostIfGone(error);
    }
  }

  /** A table with the session that has it locked: in another one, whoever waits for its lock would be waited for. */
  find(label: string): { readonly table: Table; readonly session: PsqlSession } | undefined {
    for (const [index, share] of (this.armed?.shares ?? []).entries()) {
      const table = share.find((one) => one.label === label && !one.partitioned);
      if (table) return { table, session: this.workers[index]! };
    }
    return undefined;
  }

  /** One session in the marked state, for what is no table. */
  get anyWorker(): PsqlSession {
    return this.workers[0]!;
  }

  get dumpSource(): DatabaseSource {
    return this.source;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.armed = undefined;
    const pids = this.workers.map((worker) => worker.pid);
    await Promise.all([
      ...this.workers.map((worker) => worker.abort()),
      this.holder.close(),
      this.reader.close(),
    ]);
    this.workers = [];
    await endSessions(this.source.place, pids);
  }
}

function restless(cause: StasisError): StasisError {
  return new StasisError('postgres.schema-moved', `The schema changes all the time: ${cause.message}`, {
    hint: 'Capture when fewer tables are created, dropped or altered.',
    cause,
  });
}

/** A killed psql leaves a server process that may go on computing for a moment: it is ended, and waited for. */
async function endSessions(place: Place, pids: readonly number[]): Promise<void> {
  const known = pids.filter((pid) => pid > 0);
  if (known.length === 0) return;
  try {
    await using connection = await Connection.open(place, { signal: AbortSignal.timeout(5_000) });
    await connection.rows(`SELECT pg_catalog.pg_terminate_backend(a.pid, 2000) FROM pg_catalog.pg_stat_activity a
      WHERE a.pid IN (${known.join(', ')}) AND a.application_name = 'stasis' AND a.usename = current_user`);
  } catch {
    // A server out of reach has ended our sessions, or will when it misses us.
  }
}

async function collect(stream: AsyncIterable<Uint8Array>): Promise<Buffer> {
  const chunks: Uint8Array[] = [];
  for await (const chunk of stream) chunks.push(chunk);
  return Buffer.concat(chunks);
}
