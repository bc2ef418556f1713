import { concurrently } from '../../../core/concurrently.ts';
import { StasisError } from '../../../core/errors.ts';
import type { FingerprintEntry } from '../../../core/fingerprint.ts';
import { digestOf } from '../../../core/fingerprint-digest.ts';
import { sleep } from '../../../core/wait.ts';
import { Connection } from '../connect/connection.ts';
import { isInTheWay, lost, lostIfGone } from '../connect/faults.ts';
import type { Place } from '../connect/place.ts';
import { endSessions } from '../connect/sessions.ts';
import { type Rows, text } from '../connect/sql.ts';
import { definitionEntries } from '../fingerprint/definitions.ts';
import { type Definitions, readDefinitions } from './definitions.ts';
import { type Positions, readPositions } from './positions.ts';
import { deal, listTables, type Table, touching, wayOf } from './tables.ts';

export interface SnapshotSource {
  readonly place: Place;
  /** Each with what its objects begin with in the fingerprint. */
  readonly databases: readonly { readonly name: string; readonly prefix: string }[];
  readonly jobs: number;
  readonly lockTimeoutMs: number;
  readonly signal: AbortSignal;
}

/** The schema as it was read before the mark; at the mark it has to be the same. */
interface Armed {
  readonly stamp: string;
  readonly definitions: ReadonlyMap<string, Definitions>;
  readonly entries: readonly FingerprintEntry[];
  readonly tables: readonly Table[];
  /** Tables that a snapshot covers, by the session that copies them. */
  readonly shares: readonly (readonly Table[])[];
}

/** The state that a mark shows, ready to be read. */
export interface Adopted extends Armed {
  readonly positions: Positions;
}

/** A schema that still changes while we look at it after so many looks, or so long, is not going to be caught. */
const ROUNDS = 30;
const ARM_MS = 60_000;
const MARK = 'START TRANSACTION WITH CONSISTENT SNAPSHOT, READ ONLY';
const DDL =
  "SHOW GLOBAL STATUS WHERE Variable_name RLIKE '^Com_(alter|create|drop|rename|truncate)' AND Variable_name NOT RLIKE 'temporary|user|role|server'";

/**
 * The sessions of a capture: a guard that keeps the tables as they are, one that reads catalogs, and those that copy,
 * each in a snapshot of its own.
 *
 * A snapshot of InnoDB does not keep a table from being altered or truncated; a metadata lock does, and only START
 * TRANSACTION can begin a snapshot, which would end the locks of the same session. So the guard locks before the mark,
 * and the copying sessions after it, all without waiting: a schema change that has come in between stands in line
 * behind the guard, and is let through before the cut is made again.
 */
export class Snapshot implements AsyncDisposable {
  private readonly source: SnapshotSource;
  private readonly guard: Connection;
  private readonly reader: Connection;
  private readonly workers: Connection[] = [];
  private armed: Armed | undefined;

  private constructor(source: SnapshotSource, guard: Connection, reader: Connection) {
    this.source = source;
    this.guard = guard;
    this.reader = reader;
  }

  static async open(source: SnapshotSource): Promise<Snapshot> {
    await using stack = new AsyncDisposableStack();
    const { place, signal } = source;
    const guard = stack.use(await Connection.open(place, { signal }));
    const reader = stack.use(await Connection.open(place, { signal }));
    const snapshot = stack.use(new Snapshot(source, guard, reader));
    await snapshot.arm();
    stack.move();
    return snapshot;
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
        await sleep(5 * round * Math.random(), this.source.signal);
      }
    }
  }

  private async armOnce(): Promise<void> {
    const schema = await this.readSchema();
    // The others are locked in their own way, and only for as long as it takes.
    const covered = schema.tables.filter((table) => wayOf(table) === 'snapshot');
    await this.lockGuard(covered);
    const shares = deal(covered, Math.min(this.source.jobs, covered.length));
    await this.openWorkers(shares.length);
    // The first time costs more than the next ones: that is not to be part of a mark.
    await this.begin(this.source.signal);
    this.armed = { ...schema, shares };
  }

  private async readSchema(): Promise<Omit<Armed, 'shares'>> {
    const { databases } = this.source;
    const names = databases.map(({ name }) => name);
    try {
      const before = await this.ddlCount();
      const tables = await listTables(this.rows, names);
      const definitions = new Map<string, Definitions>();
      for (const name of names) definitions.set(name, await readDefinitions(this.rows, name));
      const entries = await definitionEntries(this.rows, this.reader.product, databases);
      const after = await this.ddlCount();
      if (before !== after) throw lost('the schema changed while it was read');
      const stamp = digestOf(
        after,
        JSON.stringify([tables.map(shapeOf), ...definitions]),
        JSON.stringify(entries),
      );
      return { stamp, definitions, entries, tables };
    } catch (error) {
      throw isInTheWay(error) ? lost('the schema is being changed', error) : lostIfGone(error);
    }
  }

  /**
   * How many changes of schema were begun on the server since it was started. One that was begun before the first look
   * shows in the schema that is read at the second; one that was begun later shows here.
   */
  private async ddlCount(): Promise<string> {
    return (await this.rows(DDL))
      .map((row) => `${text(row, 'Variable_name')}=${text(row, 'Value')}`)
      .join(' ');
  }

  /** All or none, and never in line behind another's lock. */
  private async lockGuard(tables: readonly Table[]): Promise<void> {
    const { signal, lockTimeoutMs } = this.source;
    const deadline = Date.now() + lockTimeoutMs;
    for (let attempt = 1; ; attempt += 1) {
      try {
        await this.guard.run('START TRANSACTION READ ONLY', signal);
        for (const statement of touching(tables)) await this.guard.run(statement, signal);
        return;
      } catch (error) {
        if (!isInTheWay(error)) throw lostIfGone(error);
        await this.guard.run('ROLLBACK', signal);
        if (Date.now() >= deadline) throw tooLong(lockTimeoutMs, attempt);
        await sleep(Math.min(50, 2 * attempt) * (0.5 + Math.random()), signal);
      }
    }
  }

  private async openWorkers(count: number): Promise<void> {
    const { place, signal } = this.source;
    const missing = Math.max(0, Math.max(1, count) - this.workers.length);
    await concurrently(Array.from({ length: missing }), async () => {
      this.workers.push(await Connection.open(place, { signal, purpose: 'rows' }));
    });
  }

  /** Ends the transactions, and with them locks and snapshots; the sessions stay. */
  async disarm(): Promise<void> {
    this.armed = undefined;
    const { signal } = this.source;
    this.workers.splice(0, Infinity, ...this.workers.filter(({ broken }) => !broken));
    await concurrently([this.guard, ...this.workers], (session) => session.run('ROLLBACK', signal));
  }

  /** The mark: a snapshot in every session that copies. One round trip. */
  async begin(signal: AbortSignal): Promise<void> {
    await concurrently(this.workers, (worker) => worker.run(MARK, signal));
  }

  /** From now on until it is armed again, one session copies all: the others' snapshots are not known to show the same. */
  useOne(): void {
    if (this.armed === undefined) throw new RangeError('not armed');
    this.armed = { ...this.armed, shares: [this.armed.shares.flat()] };
  }

  /** How many sessions copy. */
  get width(): number {
    return this.armed?.shares.length ?? 0;
  }

  /**
   * Locks every copying session's tables in its snapshot, and looks whether the schema is still the one that was read.
   * @throws StasisError `cut.lost`
   */
  async adopt(): Promise<Adopted> {
    const { armed } = this;
    if (armed === undefined) throw new RangeError('not armed');
    try {
      await concurrently(this.workers, async (worker, index) => {
        for (const statement of touching(armed.shares[index] ?? []))
          await worker.run(statement, this.source.signal);
      });
    } catch (error) {
      throw isInTheWay(error) ? lost('a table is about to be changed', error) : lostIfGone(error);
    }
    const positions = await readPositions(
      this.rows,
      this.source.databases.map(({ name }) => name),
    ).catch((error: unknown) => {
      throw lostIfGone(error);
    });
    const { stamp } = await this.readSchema();
    if (stamp !== armed.stamp) throw lost('the schema was changed before the mark');
    return { ...armed, positions };
  }

  /** A table that the snapshots cover, with the session that has it locked. */
  find(database: string, name: string): { readonly table: Table; readonly session: Connection } | undefined {
    for (const [index, share] of (this.armed?.shares ?? []).entries()) {
      const table = share.find((one) => one.database === database && one.name === name);
      if (table) return { table, session: this.workers[index]! };
    }
    return undefined;
  }

  /** A session in the marked state. */
  get anyWorker(): Connection {
    return this.workers[0]!;
  }

  /** Tables that no snapshot covers. */
  get outsiders(): readonly Table[] {
    return this.armed?.tables.filter((table) => wayOf(table) !== 'snapshot') ?? [];
  }

  readonly rows: Rows = (sql) => this.reader.rows(sql, this.source.signal);

  /** Each share of the tables with the session that has it locked, all at once; one failure ends the others. */
  async eachShare(work: (worker: Connection, tables: readonly Table[]) => Promise<void>): Promise<void> {
    const shares = this.armed?.shares ?? [];
    try {
      await concurrently(
        shares,
        (tables, index) => work(this.workers[index]!, tables),
        () => {
          for (const worker of this.workers) worker.cut();
        },
      );
    } catch (error) {
      throw lostIfGone(error);
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.armed = undefined;
    const sessions = [this.guard, this.reader, ...this.workers];
    for (const session of sessions) session.cut();
    await endSessions(
      this.source.place,
      sessions.map(({ id }) => id),
    );
  }
}

function shapeOf({ sizeBytes: _, ...table }: Table): object {
  return table;
}

function restless(cause: StasisError): StasisError {
  return new StasisError('mariadb.schema-moved', `The schema changes all the time: ${cause.message}`, {
    hint: 'Capture when fewer tables are created, dropped or altered.',
    cause,
  });
}

function tooLong(timeoutMs: number, attempts: number): StasisError {
  return new StasisError(
    'mariadb.lock-timeout',
    `The tables could not be locked against changes of their schema within ${timeoutMs} ms, in ${attempts} tries: one was always under way.`,
    { hint: 'Capture when no schema change runs, or raise lockTimeoutMs.', at: ['lockTimeoutMs'] },
  );
}
