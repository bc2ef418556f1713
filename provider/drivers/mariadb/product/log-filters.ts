import { hasNumber } from '../connect/faults.ts';
import { optionalText, type Rows } from '../connect/sql.ts';

/** ER_SPECIFIC_ACCESS_DENIED_ERROR */
const NOT_ALLOWED = 1227;

/** A log that leaves databases out does not show what happens in them. */
export async function whyLogIsNoProof(
  rows: Rows,
  query: string,
  privilege: string,
): Promise<string | undefined> {
  try {
    const [log] = await rows(query);
    const filtered = `${optionalText(log, 'Binlog_Do_DB') ?? ''}${optionalText(log, 'Binlog_Ignore_DB') ?? ''}`;
    return filtered === ''
      ? undefined
      : 'the binary log leaves databases out (binlog-do-db, binlog-ignore-db)';
  } catch (error) {
    if (!hasNumber(error, NOT_ALLOWED)) throw error;
    return `the login may not see whether the binary log leaves databases out (GRANT ${privilege} ON *.* to it)`;
  }
}
