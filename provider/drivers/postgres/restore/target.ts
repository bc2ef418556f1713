import { hash } from 'node:crypto';
import type { Context } from '../../../core/context.ts';
import { StasisError } from '../../../core/errors.ts';
import type { Host } from '../../../core/host.ts';
import { ownObject, USER_SCHEMA } from '../capture/tables.ts';
import { type Clients, clientsForLoad, findClients } from '../connect/clients.ts';
import { Connection } from '../connect/connection.ts';
import { type Database, listDatabases, selectionOf } from '../connect/databases.ts';
import { hasState } from '../connect/faults.ts';
import type { Place } from '../connect/place.ts';
import { type ServerFacts, serverFacts } from '../connect/server.ts';
import { type Rows, text } from '../connect/sql.ts';
import type { CapturedDatabase, PostgresContent } from '../content.ts';
import { rememberedRestore } from '../fingerprint/shared-state.ts';
import type { PostgresSpec } from '../spec.ts';

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
  readonly clients: Clients | StasisError;
  readonly destinations: readonly Destination[];
  /** All roles of the server. */
  readonly roles: ReadonlySet<string>;
  /** Those of them to which the login may give what it makes. */
  readonly givable: ReadonlySet<string>;
  /** Versions of each extension that the server can install, its default first. */
  readonly extensions: ReadonlyMap<string, readonly string[]>;
  /** `beside` where the login may create databases and swap them in; `inside` where it may only fill an empty one. */
  readonly way: 'beside' | 'inside';
}

/** Databases that exist on every server, to do from what concerns the server as a whole. */
const MAINTENANCE = ['postgres', 'template1'];

/**
 * A session in a database that is not about to be replaced, or in the URL's where no other lets us in.
 */
export async function openAdmin(
  place: Place,
  replaced: readonly string[],
  signal: AbortSignal,
): Promise<Connection> {
  let refused: unknown;
  for (const database of [...MAINTENANCE.filter((name) => !replaced.includes(name)), place.database]) {
    try {
      return await Connection.open(place, { database, signal, name: 'stasis-restore' });
    } catch (error) {
      // No such database, or no right to connect to it; whatever else is wrong is wrong for all.
      if (!hasState(error, '3D000', '42501', '28000')) throw error;
      refused ??= error;
    }
  }
  throw refused;
}

/** Which database each captured one goes to. @throws StasisError `postgres.databases-differ` */
export function namesOfDestinations(spec: PostgresSpec, place: Place, from: PostgresContent): string[] {
  const captured = from.databases.map(({ name }) => name);
  const wanted = selectionOf(spec, place);
  if (wanted === undefined) return captured;
  if (captured.length === 1 && wanted.length === 1) return [...wanted];
  if (spec.databases === undefined) return captured;
  if (captured.length === wanted.length && captured.every((name) => wanted.includes(name))) return captured;
  throw new StasisError(
    'postgres.databases-differ',
    `The snapshot has the databases ${captured.join(', ')}; the target names ${wanted.join(', ')}.`,
    { hint: 'Name the same databases, or none: they are restored under their own names.', at: ['databases'] },
  );
}

/** Reads only. */
export async function lookAtTarget(
  spec: PostgresSpec,
  place: Place,
  host: Host,
  from: PostgresContent,
  context: Context,
): Promise<Target> {
  const { signal } = context;
  const names = namesOfDestinations(spec, place, from);
  await using admin = await openAdmin(place, names, signal);
  const server = await serverFacts(admin, signal);
  const rows: Rows = (sql) => admin.rows(sql, signal);
  const all = await listDatabases(admin, signal);
  const destinations: Destination[] = [];
  for (const [index, captured] of from.databases.entries()) {
    const name = names[index]!;
    const existing = all.find((database) => database.name === name);
    destinations.push({
      captured,
      name,
      existing,
      empty: existing === undefined || (await isEmpty(place, name, signal)),
      restoredBy: existing && (await rememberedRestore(rows, name)),
    });
  }
  const roles = await rows(
    `SELECT rolname::text AS name, ${givableOf(server)} AS givable FROM pg_catalog.pg_roles`,
  );
  return {
    server,
    clients: await clientsOr(spec, host, from, server, signal),
    destinations,
    roles: new Set(roles.map((row) => text(row, 'name'))),
    givable: new Set(roles.filter(({ givable }) => givable === true).map((row) => text(row, 'name'))),
    extensions: await availableExtensions(rows),
    way: wayOf(server, destinations),
  };
}

/**
 * Who is a member of a role may give it something, and who may grant the role can become one: since 16 that takes the admin
 * option of it, before it CREATEROLE did for all but superusers (https://www.postgresql.org/docs/16/release-16.html).
 */
function givableOf({ superuser, major, mayCreateRoles }: ServerFacts): string {
  if (superuser) return 'true';
  const may = (right: string): string => `pg_catalog.pg_has_role(oid, '${right}')`;
  if (major >= 16) return `${may('SET')} OR NOT rolsuper AND ${may('MEMBER WITH ADMIN OPTION')}`;
  return mayCreateRoles ? `${may('MEMBER')} OR NOT rolsuper` : may('MEMBER');
}

async function clientsOr(
  spec: PostgresSpec,
  host: Host,
  from: PostgresContent,
  server: ServerFacts,
  signal: AbortSignal,
): Promise<Clients | StasisError> {
  try {
    return clientsForLoad(await findClients(spec, host, signal), from.dumpedByMajor, server.major, spec);
  } catch (error) {
    if (error instanceof StasisError) return error;
    throw error;
  }
}

/** A database is swapped by renaming it, which takes its owner, and the right to create databases. */
function wayOf(server: ServerFacts, destinations: readonly Destination[]): 'beside' | 'inside' {
  const mayRename = destinations.every(
    ({ existing }) => existing === undefined || server.superuser || existing.owner === server.login,
  );
  return server.mayCreateDatabases && mayRename ? 'beside' : 'inside';
}

/** Nothing of a user's is in it. Installed extensions do not count: hosts install some of their own. */
async function isEmpty(place: Place, database: string, signal: AbortSignal): Promise<boolean> {
  await using connection = await Connection.open(place, { database, signal });
  const row = await connection.row(
    `SELECT EXISTS (SELECT 1 FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
        WHERE c.relpersistence <> 't' AND ${USER_SCHEMA} AND ${ownObject('c', 'pg_class')})
      OR EXISTS (SELECT 1 FROM pg_catalog.pg_proc p JOIN pg_catalog.pg_namespace n ON n.oid = p.pronamespace
        WHERE ${USER_SCHEMA} AND ${ownObject('p', 'pg_proc')})
      OR EXISTS (SELECT 1 FROM pg_catalog.pg_type t JOIN pg_catalog.pg_namespace n ON n.oid = t.typnamespace
        WHERE t.typtype <> 'p' AND ${USER_SCHEMA} AND ${ownObject('t', 'pg_type')})
      OR EXISTS (SELECT 1 FROM pg_catalog.pg_namespace n
        WHERE n.nspname <> 'public' AND ${USER_SCHEMA} AND ${ownObject('n', 'pg_namespace')})
      OR EXISTS (SELECT 1 FROM pg_catalog.pg_largeobject_metadata) AS used`,
    signal,
  );
  return row.used !== true;
}

async function availableExtensions(rows: Rows): Promise<Map<string, string[]>> {
  const found =
    await rows(`SELECT v.name::text AS name, v.version FROM pg_catalog.pg_available_extension_versions v
    JOIN pg_catalog.pg_available_extensions a ON a.name = v.name ORDER BY v.version <> a.default_version`);
  const versions = new Map<string, string[]>();
  for (const row of found) {
    const name = text(row, 'name');
    versions.set(name, [...(versions.get(name) ?? []), text(row, 'version')]);
  }
  return versions;
}

/** What a restore calls the databases that it makes: short, and the same for the same restore. */
export function stagingNames(
  restoreId: string,
  index: number,
): { readonly staging: string; readonly old: string } {
  const id = hash('sha256', restoreId, 'hex').slice(0, 16);
  return { staging: `stasis_new_${id}_${index}`, old: `stasis_old_${id}_${index}` };
}
