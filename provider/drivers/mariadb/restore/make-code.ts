import { StasisError, throwIfAborted } from '../../../core/errors.ts';
import { type CodeDefinition, requalified } from '../capture/definitions.ts';
import type { Connection } from '../connect/connection.ts';
import { hasNumber } from '../connect/faults.ts';
import { identifier, literal } from '../connect/sql.ts';

export interface Made {
  readonly database: string;
  readonly code: readonly CodeDefinition[];
}

/** ER_SPECIFIC_ACCESS_DENIED_ERROR: only who may SET USER gives an object to another. */
const NOT_ALLOWED = 1227;
const DEFINER =
  /^(CREATE (?:OR REPLACE )?(?:ALGORITHM=\w+ )?)DEFINER=(?:`(?:[^`]|``)*`)(?:@`(?:[^`]|``)*`)? /;

/**
 * Creates views and code from the server's own text. A view may use another one, or a function: those that fail are
 * tried again as long as others succeed. `quiet` keeps events from running.
 */
export async function makeCode(
  session: Connection,
  all: readonly Made[],
  names: ReadonlyMap<string, string>,
  quiet: boolean,
  signal: AbortSignal,
): Promise<void> {
  const order = (kind: CodeDefinition['kind']): number => ORDER.indexOf(kind);
  let waiting = all
    .flatMap(({ database, code }) => code.map((definition) => ({ database, definition })))
    .sort((a, b) => order(a.definition.kind) - order(b.definition.kind));
  while (waiting.length > 0) {
    const failed: typeof waiting = [];
    let failure: unknown;
    for (const each of waiting)
      try {
        await makeOne(session, each.database, each.definition, names, quiet, signal);
      } catch (error) {
        throwIfAborted(signal);
        failure ??= error;
        failed.push(each);
      }
    if (failed.length === waiting.length) throw cannotMake(failed[0]!.definition, failure);
    waiting = failed;
  }
  await session.run(
    "SET SESSION time_zone = '+00:00', sql_mode = 'NO_AUTO_VALUE_ON_ZERO,ALLOW_INVALID_DATES'",
    signal,
  );
}

const ORDER = ['function', 'procedure', 'package', 'package body', 'view', 'trigger', 'event'];

async function makeOne(
  session: Connection,
  database: string,
  definition: CodeDefinition,
  names: ReadonlyMap<string, string>,
  quiet: boolean,
  signal: AbortSignal,
): Promise<void> {
  const { charset, collation, sqlMode, timeZone } = definition;
  await session.run(`USE ${identifier(database)}`, signal);
  await session.run(
    `SET SESSION sql_mode = ${literal(sqlMode ?? '')}, time_zone = ${literal(timeZone ?? '+00:00')},
      character_set_client = ${charset}, collation_connection = ${collation}`,
    signal,
  );
  // Our own text is in UTF-8, whatever the object was made under: it is kept, and compared, as what it was.
  const create =
    definition.kind === 'view'
      ? requalified(definition.create, names)
      : definition.kind === 'event' && quiet
        ? definition.create.replace(EVENT_STATUS, '$1DISABLE')
        : definition.create;
  const statement = encoded(create, charset);
  try {
    await session.run(statement, signal);
  } catch (error) {
    if (!hasNumber(error, NOT_ALLOWED) || !DEFINER.test(statement)) throw error;
    // Then it is ours; the verdict names it.
    await session.run(statement.replace(DEFINER, '$1'), signal);
  }
}

/** The server prints an event's status behind this. To alter it afterwards would make the event the login's. */
const EVENT_STATUS =
  /( ON COMPLETION (?:NOT )?PRESERVE )(?:ENABLE|DISABLE ON SLAVE|DISABLE ON REPLICA|DISABLE)(?= )/;

/** A session says in which character set it speaks: what is not plain ASCII is only sent in one that we speak. */
function encoded(statement: string, charset: string): string {
  if (/^utf8/.test(charset) || !/[^\0-\x7f]/.test(statement)) return statement;
  throw new StasisError(
    'mariadb.code-charset',
    `An object was made by a client that spoke ${charset}, and has letters beyond ASCII in its text.`,
    { hint: 'Create it again by a client that speaks utf8mb4.' },
  );
}

function cannotMake({ kind, name }: CodeDefinition, cause: unknown): StasisError {
  const said = cause instanceof Error ? cause.message : String(cause);
  return new StasisError('mariadb.load-failed', `The ${kind} "${name}" cannot be made: ${said}`, { cause });
}

/** Drops what no rename takes along. */
export async function dropCode(
  session: Connection,
  database: string,
  code: readonly CodeDefinition[],
  signal: AbortSignal,
): Promise<void> {
  for (const { kind, name } of code.toReversed())
    await session.run(
      `DROP ${kind.toUpperCase()} IF EXISTS ${identifier(database)}.${identifier(name)}`,
      signal,
    );
}
