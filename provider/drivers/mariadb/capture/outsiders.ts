import { StasisError } from '../../../core/errors.ts';
import type { FingerprintEntry } from '../../../core/fingerprint.ts';
import { sleep } from '../../../core/wait.ts';
import { Connection } from '../connect/connection.ts';
import { hasNumber, isInTheWay, lostIfGone } from '../connect/faults.ts';
import type { Place } from '../connect/place.ts';
import { endSessions } from '../connect/sessions.ts';
import { qualified } from '../connect/sql.ts';
import { tableEntry } from '../fingerprint/data.ts';
import { rowsAsSql, type Table, tableName } from './tables.ts';

/** Tables that no snapshot covers are read while they are locked, into memory: more than this is refused. */
export const MOST_LOCKED_BYTES = 256 * 1024 * 1024;
const PAUSE_MS = 2;
/** ER_TABLE_NOT_LOCKED: what a session that holds table locks is told of any other table. */
const NOT_LOCKED = 1100;

/** Rows that were read under the lock. */
export interface ReadTable {
  readonly table: Table;
  readonly rows: readonly Uint8Array[];
  readonly entry: FingerprintEntry;
}

/**
 * Tables of engines without transactions. They have one state at a time, which only a lock keeps: LOCK TABLES … READ,
 * for as long as it takes to read them.
 */
export class Outsiders implements AsyncDisposable {
  private readonly session: Connection;
  private readonly place: Place;

  private constructor(session: Connection, place: Place) {
    this.session = session;
    this.place = place;
  }

  static async open(place: Place, signal: AbortSignal): Promise<Outsiders> {
    return new Outsiders(await Connection.open(place, { signal, purpose: 'rows' }), place);
  }

  /**
   * All or none, never in line behind a writer, again and again until it works. A session of ours that does not say
   * anything for as long as the lease is ended by the server, and its locks with it.
   */
  async lock(tables: readonly Table[], leaseMs: number, signal: AbortSignal): Promise<void> {
    await this.session.run(`SET SESSION wait_timeout = ${Math.max(1, Math.ceil(leaseMs / 1_000))}`, signal);
    const names = tables.map((table) => `${tableName(table)} READ`).join(', ');
    const deadline = Date.now() + leaseMs;
    for (;;) {
      try {
        return await this.session.run(`LOCK TABLES ${names}`, signal);
      } catch (error) {
        if (!isInTheWay(error) || Date.now() > deadline) throw lostIfGone(error);
        await sleep(PAUSE_MS * (0.5 + Math.random()), signal);
      }
    }
  }

  /** `locked` while this session holds its locks, which nobody can take from it but by ending it. */
  async state([table]: readonly Table[], signal: AbortSignal): Promise<'locked' | 'not locked'> {
    const other = qualified(table?.database ?? '', 'stasis_is_no_table');
    const probe = this.session.run(`SELECT 1 FROM ${other}`, signal);
    return probe.then(
      () => 'not locked',
      (error: unknown) => (hasNumber(error, NOT_LOCKED) ? 'locked' : 'not locked'),
    );
  }

  async read(
    tables: readonly Table[],
    prefixOf: (database: string) => string,
    signal: AbortSignal,
  ): Promise<ReadTable[]> {
    const read: ReadTable[] = [];
    let sizeBytes = 0;
    for (const table of tables) {
      const rows: Uint8Array[] = [];
      for await (const chunk of rowsAsSql(this.session, table, signal)) {
        rows.push(chunk);
        sizeBytes += chunk.length;
        if (sizeBytes > MOST_LOCKED_BYTES) throw tooLarge(table);
      }
      read.push({
        table,
        rows,
        entry: await tableEntry(this.session, table, prefixOf(table.database), signal),
      });
    }
    return read;
  }

  async unlock(): Promise<void> {
    if (this.session.broken) return;
    await this.session.run('UNLOCK TABLES').catch(() => this.session.cut());
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.session.cut();
    await endSessions(this.place, [this.session.id]);
  }
}

function tooLarge(table: Table): StasisError {
  return new StasisError(
    'mariadb.locked-too-large',
    `Tables without transactions, ${tableName(table)} among them, are too large to be read while they are locked.`,
    { hint: 'ALTER them to ENGINE=InnoDB.', at: ['url'] },
  );
}
