import { hash } from 'node:crypto';
import { StasisError } from '../../../core/errors.ts';
import { Connection } from '../connect/connection.ts';
import { type Database, listDatabases, selectionOf } from '../connect/databases.ts';
import type { Place } from '../connect/place.ts';
import { type ServerFacts, serverFacts } from '../connect/server.ts';
import { literal, type Rows, text } from '../connect/sql.ts';
import type { CapturedDatabase, MariadbContent } from '../content.ts';
import { type ServerSetting, serverSettings } from '../fingerprint/settings.ts';
import { MARK_ROUTINE } from '../product/mark-routine.ts';
import type { MariadbSpec } from '../spec.ts';
import { rememberedRestore } from './memory.ts';

/** One captured database and where it goes. */
export interface Destination {
  readonly captured: CapturedDatabase;
  readonly name: string;
  /** Undefined where it has to be created. */
  readonly existing: Database | undefined;
  readonly empty: boolean;
  readonly restoredBy: string | undefined;
}

/** The server that a restore goes to. */
export interface Target {
  readonly server: ServerFacts;
  readonly destinations: readonly Destination[];
  /** Collations that the server knows. */
  readonly collations: ReadonlySet<string>;
  /** Engines that the server has. */
  readonly engines: ReadonlySet<string>;
  readonly settings: readonly ServerSetting[];
}

/** Which database each captured one goes to. @throws StasisError `mariadb.databases-differ` */
export function namesOfDestinations(spec: MariadbSpec, place: Place, from: MariadbContent): string[] {
  const captured = from.databases.map(({ name }) => name);
  if (spec.databases === undefined && captured.length > 1) return captured;
  const wanted = selectionOf(spec, place);
  if (wanted === undefined) return captured;
  if (captured.length === 1 && wanted.length === 1) return [...wanted];
  if (captured.length === wanted.length && captured.every((name) => wanted.includes(name))) return captured;
  throw new StasisError(
    'mariadb.databases-differ',
    `The snapshot has the databases ${captured.join(', ')}; the target names ${wanted.join(', ')}.`,
    { hint: 'Name the same databases, or none: they are restored under their own names.', at: ['databases'] },
  );
}

/** Reads only. */
export async function lookAtTarget(
  spec: MariadbSpec,
  place: Place,
  from: MariadbContent,
  signal: AbortSignal,
): Promise<Target> {
  await using connection = await Connection.open(place, { signal });
  const rows: Rows = (sql) => connection.rows(sql, signal);
  const server = await serverFacts(connection, signal);
  const names = namesOfDestinations(spec, place, from);
  const all = await listDatabases(connection, signal);
  const destinations: Destination[] = [];
  for (const [index, captured] of from.databases.entries()) {
    const name = names[index]!;
    const existing = all.find((database) => database.name === name);
    destinations.push({
      ...{ captured, name, existing },
      empty: existing === undefined || (await isEmpty(rows, name)),
      restoredBy: existing && (await rememberedRestore(connection, name, signal)),
    });
  }
  const collations = await rows('SELECT COLLATION_NAME AS name FROM information_schema.COLLATIONS');
  // Since 10.10 some collations are named without their character set there, and with it here only.
  const full = await rows(
    'SELECT FULL_COLLATION_NAME AS name FROM information_schema.COLLATION_CHARACTER_SET_APPLICABILITY',
  ).catch(() => []);
  const engines = await rows(
    "SELECT ENGINE AS name FROM information_schema.ENGINES WHERE SUPPORT IN ('YES', 'DEFAULT')",
  );
  return {
    ...{ server, destinations, settings: await serverSettings(rows, server.product, true) },
    collations: new Set([...collations, ...full].map((row) => text(row, 'name'))),
    engines: new Set(engines.map((row) => text(row, 'name'))),
  };
}

/** Nothing of a user's is in it. */
async function isEmpty(rows: Rows, database: string): Promise<boolean> {
  const name = literal(database);
  const [row] =
    await rows(`SELECT (SELECT COUNT(*) FROM information_schema.TABLES WHERE TABLE_SCHEMA = ${name})
    + (SELECT COUNT(*) FROM information_schema.ROUTINES WHERE ROUTINE_SCHEMA = ${name}
      AND ROUTINE_NAME <> ${literal(MARK_ROUTINE)})
    + (SELECT COUNT(*) FROM information_schema.EVENTS WHERE EVENT_SCHEMA = ${name}) AS n`);
  return Number(text(row, 'n')) === 0;
}

/** What a restore calls the databases that it makes: short, and the same for the same restore. */
export function stagingNames(
  restoreId: string,
  index: number,
): { readonly staging: string; readonly old: string } {
  const id = hash('sha256', restoreId, 'hex').slice(0, 16);
  return { staging: `stasis_new_${id}_${index}`, old: `stasis_old_${id}_${index}` };
}

export function notEmpty(databases: readonly string[]): StasisError {
  return new StasisError(
    'mariadb.target-not-empty',
    `The database ${databases.map((name) => `"${name}"`).join(', ')} is not empty.`,
    { hint: 'Name an empty one, or one that does not exist, or set overwrite.', at: ['url'] },
  );
}
