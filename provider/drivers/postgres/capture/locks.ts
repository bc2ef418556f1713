import { StasisError } from '../../../core/errors.ts';
import { sleep } from '../../../core/wait.ts';
import type { Connection } from '../connect/connection.ts';
import { faultOf, hasState, lostIfGone } from '../connect/faults.ts';
import type { PsqlSession } from '../connect/psql-session.ts';
import { batches } from '../connect/sql.ts';
import { type Table, tableName } from './tables.ts';

/** One session that takes part in a capture's locks: it begins its transaction by locking its tables. */
export interface Locker {
  /** Begins and locks, without waiting for any lock. False when somebody else's lock is in the way. */
  lock(signal: AbortSignal): Promise<boolean>;
  /** Ends the transaction, and with it all its locks. */
  unlock(signal: AbortSignal): Promise<void>;
}

const TABLES_A_STATEMENT = 200;
const IN_THE_WAY = '55P03';
const DONE = '00000';

/**
 * Takes all locks or none. No session ever waits for a lock while it holds another, so that no deadlock with the
 * application can arise (measured with waiting locks: reference/freeze.md); and all sessions try at once, as one that
 * came later would stand in line behind the application's TRUNCATE, which stands in line behind us.
 *
 * @throws StasisError `postgres.lock-timeout`; `cut.lost` when a table went meanwhile
 */
export async function lockAll(
  lockers: readonly Locker[],
  timeoutMs: number,
  signal: AbortSignal,
): Promise<void> {
  const deadline = Date.now() + timeoutMs;
  for (let attempt = 1; ; attempt += 1) {
    const tries = await Promise.allSettled(lockers.map((locker) => locker.lock(signal)));
    if (tries.every((tried) => tried.status === 'fulfilled' && tried.value)) return;
    await Promise.allSettled(lockers.map((locker) => locker.unlock(signal)));
    const failed = tries.find((tried) => tried.status === 'rejected');
    if (failed) throw failed.reason;
    if (Date.now() >= deadline) throw tooLong(timeoutMs, attempt);
    await sleep(Math.min(50, 2 * attempt) * (0.5 + Math.random()), signal);
  }
}

function tooLong(timeoutMs: number, attempts: number): StasisError {
  return new StasisError(
    'postgres.lock-timeout',
    `The tables could not be locked (ACCESS SHARE) within ${timeoutMs} ms, in ${attempts} tries: a schema change, TRUNCATE or the like was always in the way.`,
    { hint: 'Capture when no schema change runs, or raise lockTimeoutMs.', at: ['lockTimeoutMs'] },
  );
}

function lockStatements(tables: readonly Table[]): string[] {
  return [...batches(tables, TABLES_A_STATEMENT)].map((batch) => {
    const names = batch.map((table) => `ONLY ${tableName(table)}`).join(', ');
    return `LOCK TABLE ${names} IN ACCESS SHARE MODE NOWAIT`;
  });
}

/** The session that exports snapshots: READ COMMITTED, as there every statement has a new one. */
export function holderLocker(holder: Connection, tables: readonly Table[]): Locker {
  return {
    lock: async (signal) => {
      await holder.rows('BEGIN ISOLATION LEVEL READ COMMITTED READ ONLY', signal);
      try {
        for (const statement of lockStatements(tables)) await holder.rows(statement, signal);
        return true;
      } catch (error) {
        if (hasState(error, IN_THE_WAY)) return false;
        throw lostIfGone(error);
      }
    },
    unlock: async (signal) => {
      await holder.rows('ROLLBACK', signal);
    },
  };
}

/** A session that copies: REPEATABLE READ, its snapshot to be set once it is exported, so no query may come before. */
export function workerLocker(worker: PsqlSession, tables: readonly Table[]): Locker {
  return {
    lock: async () => {
      await worker.run('BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY');
      for (const statement of lockStatements(tables)) {
        const state = await worker.tryTo(statement);
        if (state === IN_THE_WAY) return false;
        if (state !== DONE) throw lostIfGone(faultOf(state, 'a table cannot be locked', 'locking tables'));
      }
      return true;
    },
    unlock: () => worker.run('ROLLBACK'),
  };
}
