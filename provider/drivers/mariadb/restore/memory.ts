import type { Connection } from '../connect/connection.ts';
import { identifier, literal, optionalText } from '../connect/sql.ts';

/**
 * A database's comment holds up to 1,024 characters (SCHEMA_COMMENT); the restore's mark is its end. Where databases have
 * none, the product keeps one for us.
 */
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
export async function rememberedRestore(
  session: Connection,
  database: string,
  signal: AbortSignal,
): Promise<string | undefined> {
  const [row] = await session.rows(
    `SELECT ${session.product.comments.read} AS comment FROM information_schema.SCHEMATA s WHERE s.SCHEMA_NAME = ${literal(database)}`,
    signal,
  );
  return MARK.exec(optionalText(row, 'comment') ?? '')?.[1];
}

/** Sets all that a database has of its own. */
export async function alterDatabase(
  session: Connection,
  database: string,
  to: { readonly charset: string; readonly collation: string; readonly comment: string },
  signal: AbortSignal,
): Promise<void> {
  const { charset, collation, comment } = to;
  await session.run(
    `ALTER DATABASE ${identifier(database)} CHARACTER SET ${charset} COLLATE ${collation}`,
    signal,
  );
  for (const statement of session.product.comments.set(database, comment))
    await session.run(statement, signal);
}
