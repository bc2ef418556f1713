import { literal, type Rows, text } from '../connect/sql.ts';

/** A database's comment holds up to 1,024 characters (SCHEMA_COMMENT); the restore's mark is its end. */
const MARK = /\n?\(stasis restore ([^\n]*)\)$/;

/** The user's own comment. */
export function withoutMark(comment: string): string {
  return comment.replace(MARK, '');
}

/** What stands in a database's comment once a restore has filled it. */
export function withMark(comment: string, restoreId: string): string {
  return `${comment === '' ? '' : `${comment}\n`}(stasis restore ${restoreId})`;
}

/** The restore that filled a database, by its own memory. */
export async function rememberedRestore(rows: Rows, database: string): Promise<string | undefined> {
  const [row] = await rows(
    `SELECT SCHEMA_COMMENT AS comment FROM information_schema.SCHEMATA WHERE SCHEMA_NAME = ${literal(database)}`,
  );
  return row && MARK.exec(text(row, 'comment'))?.[1];
}
