import { textOfBytes } from '../../core/answer.ts';
import { StasisError } from '../../core/errors.ts';
import {
  ANSWER_MAX_ROWS,
  type Answer,
  type AskOptions,
  type Question,
  type Questions,
} from '../../core/probe.ts';
import type { Connection } from './connect/connection.ts';
import { identifier, literal } from './connect/sql.ts';

/** Anything else could end the transaction, and with it the snapshot that it is asked in. */
const READS = /^[\s(]*(?:select|values|with)\b/i;
const COMMENTS = /--\s[^\n]*|#[^\n]*|\/\*(?!!)[\s\S]*?\*\//g;

export const questions: Questions = {
  kinds: ['sql'],
  problem({ words: [sql = ''] }) {
    if (READS.test(sql.replace(COMMENTS, ' '))) return undefined;
    return new StasisError('probe.no-query', 'A probe of a database is a SELECT, VALUES or WITH.', {
      hint: 'It is asked in a transaction that can only read.',
      at: ['sql'],
    });
  },
};

/**
 * Asks in a session whose transaction can only read, and leaves the session as it was. It is prepared on the server,
 * which takes one statement: nothing can end the transaction before another one.
 */
export async function askSession(
  session: Connection,
  database: string,
  question: Question,
  { signal, timeoutMs }: AskOptions,
): Promise<Answer> {
  const refused = questions.problem!(question);
  if (refused !== undefined) throw refused;
  await session.run(`USE ${identifier(database)}`, signal);
  // What is text comes as UTF-8, whatever its column is written in; bytes come as they are.
  await session.run('SET NAMES utf8mb4', signal);
  await session.run(
    `SET SESSION ${session.product.patience(timeoutMs)}, sql_select_limit = ${ANSWER_MAX_ROWS + 1}`,
    signal,
  );
  try {
    await session.run(`PREPARE stasis_probe FROM ${literal(question.words[0] ?? '')}`, signal);
    const rows: (string | null)[][] = [];
    for await (const row of session.stream('EXECUTE stasis_probe', 'a query of the user', signal))
      rows.push(row.map((cell) => (cell === null ? null : textOfBytes(cell))));
    return { rows };
  } finally {
    if (!session.broken)
      await session.run(
        `SET NAMES binary; SET SESSION ${session.product.patience(0)}, sql_select_limit = DEFAULT`,
        signal,
      );
  }
}
