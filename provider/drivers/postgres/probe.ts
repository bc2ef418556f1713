import { StasisError } from '../../core/errors.ts';
import {
  ANSWER_MAX_ROWS,
  type Answer,
  type AskOptions,
  type Question,
  type Questions,
} from '../../core/probe.ts';
import { Connection } from './connect/connection.ts';
import type { Place } from './connect/place.ts';
import { literal } from './connect/sql.ts';

/** Words that a statement which gives rows and can be read by a cursor begins with. */
const READS = /^[\s(]*(?:select|values|table|with)\b/i;

export const questions: Questions = {
  kinds: ['sql'],
  problem({ words: [sql = ''] }) {
    if (READS.test(sql.replace(COMMENTS, ' '))) return undefined;
    return new StasisError('probe.no-query', 'A probe of a database is a SELECT, VALUES, TABLE or WITH.', {
      hint: 'It is read by a cursor, in a transaction that can only read.',
      at: ['sql'],
    });
  },
};

const COMMENTS = /--[^\n]*|\/\*[\s\S]*?\*\//g;

/**
 * Asks in a session of its own, in a transaction that can only read and is rolled back: in a snapshot that another
 * session has exported, or in a new one. The settings are those of every session of ours but for the search path,
 * which is the database's own.
 */
export async function askDatabase(
  place: Place,
  database: string,
  snapshotId: string | undefined,
  question: Question,
  { signal, timeoutMs }: AskOptions,
): Promise<Answer> {
  await using connection = await Connection.open(place, { database, signal });
  await connection.rows('RESET search_path', signal);
  await connection.rows('BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY', signal);
  if (snapshotId !== undefined)
    await connection.rows(`SET TRANSACTION SNAPSHOT ${literal(snapshotId)}`, signal);
  await connection.rows(`SET LOCAL statement_timeout = ${timeoutMs}`, signal);
  // The extended protocol takes one statement: what ends the transaction first cannot stand before another.
  await connection.table(
    `DECLARE stasis_probe NO SCROLL CURSOR WITHOUT HOLD FOR ${statementOf(question)}`,
    signal,
  );
  const rows = await connection.table(`FETCH FORWARD ${ANSWER_MAX_ROWS + 1} FROM stasis_probe`, signal);
  await connection.rows('ROLLBACK', signal);
  return { rows };
}

export function statementOf({ words: [sql = ''] }: Question): string {
  return sql.replace(/[\s;]+$/, '');
}
