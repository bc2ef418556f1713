import type { Context } from '../../../core/context.ts';
import type { CapturePlan } from '../../../core/driver.ts';
import { StasisError, throwIfAborted, toStasisError } from '../../../core/errors.ts';
import type { Host } from '../../../core/host.ts';
import type { OutsideItem } from '../../../core/manifest.ts';
import { clientsForDump, findClients } from '../connect/clients.ts';
import { Connection } from '../connect/connection.ts';
import { type Database, listDatabases, prefixesOf, selectDatabases } from '../connect/databases.ts';
import { type Place, parsePlace } from '../connect/place.ts';
import { NEWEST_MAJOR, OLDEST_MAJOR, type ServerFacts, serverFacts } from '../connect/server.ts';
import { type Rows, text } from '../connect/sql.ts';
import { neededRoles } from '../fingerprint/roles.ts';
import { jobsOf, type PostgresSpec } from '../spec.ts';
import { databaseLosses, serverLosses } from './coverage.ts';
import { refuseStandby } from './session.ts';
import { ownObject, USER_SCHEMA } from './tables.ts';

/** Locks of the whole server that a capture takes at most, as a share: the application needs the rest. */
const LOCK_SHARE = 0.5;
/** How many names a message lists before it only counts. */
const NAMED = 5;

/** Looks at everything that a capture needs, and changes nothing. All problems are told, not only the first. */
export async function planCapture(spec: PostgresSpec, host: Host, context: Context): Promise<CapturePlan> {
  const plan = new Findings();
  try {
    const place = parsePlace(spec.url, host);
    await using connection = await Connection.open(place, { signal: context.signal });
    const server = await serverFacts(connection, context.signal);
    plan.system = { product: 'PostgreSQL', version: server.version };
    plan.problems.push(...versionProblems(server));
    await plan.attempt(() => refuseStandby(server));
    await plan.attempt(async () => {
      clientsForDump(await findClients(spec, host, context.signal), server.major, spec);
    });
    const all = await listDatabases(connection, context.signal);
    const { selected, problems } = selectDatabases(all, spec, place);
    plan.problems.push(...problems, ...connectionProblems(server, spec, selected.length));
    await look(plan, place, server, selected, spec, context);
    const rows: Rows = (sql) => connection.rows(sql, context.signal);
    const names = selected.map(({ name }) => name);
    if (names.length > 0)
      plan.outside.push(
        ...(await serverLosses(rows, server, names, (await neededRoles(rows, names)).length)),
      );
  } catch (error) {
    plan.problems.push(placed(error));
  }
  throwIfAborted(context.signal);
  return plan;
}

class Findings implements CapturePlan {
  readonly problems: StasisError[] = [];
  readonly identities: string[] = [];
  readonly folders: string[] = [];
  sizeBytes = 0;
  readonly pauseMs = 0;
  readonly outside: OutsideItem[] = [];
  system: Readonly<Record<string, string>> = {};

  async attempt(check: () => void | Promise<void>): Promise<void> {
    try {
      await check();
    } catch (error) {
      this.problems.push(placed(error));
    }
  }
}

/** What the driver throws without a place concerns the URL. */
export function placed(thrown: unknown): StasisError {
  const error = toStasisError(thrown, 'postgres.failed');
  return error.at.length > 0 || error.code === 'cancelled' ? error : error.within('url');
}

export function versionProblems(server: ServerFacts): StasisError[] {
  if (server.major < OLDEST_MAJOR)
    return [
      new StasisError(
        'postgres.server-too-old',
        `PostgreSQL ${server.version} is older than ${OLDEST_MAJOR}.`,
        {
          hint: `Versions ${OLDEST_MAJOR} to ${NEWEST_MAJOR} are supported.`,
          at: ['url'],
        },
      ),
    ];
  if (server.major > NEWEST_MAJOR)
    return [
      new StasisError(
        'postgres.server-untested',
        `PostgreSQL ${server.version} is newer than what this driver was made for (${NEWEST_MAJOR}).`,
        { hint: 'Compare the verdict of a restore before you rely on it.', at: ['url'], severity: 'warning' },
      ),
    ];
  return [];
}

/** One connection for the epochs; for each database one that marks, one that reads catalogs, one of pg_dump, and the jobs. */
function connectionProblems(server: ServerFacts, spec: PostgresSpec, databases: number): StasisError[] {
  const needed = 1 + databases * (3 + jobsOf(spec));
  if (needed <= server.freeConnections) return [];
  return [
    new StasisError(
      'postgres.connections',
      `A capture needs up to ${needed} connections; the server has ${server.freeConnections} free.`,
      { hint: 'Lower jobs, or raise max_connections of the server.', at: ['jobs'] },
    ),
  ];
}

async function look(
  plan: Findings,
  place: Place,
  server: ServerFacts,
  databases: readonly Database[],
  spec: PostgresSpec,
  context: Context,
): Promise<void> {
  const prefixes = prefixesOf(
    databases.map(({ name }) => name),
    spec,
  );
  let locks = 0;
  for (const [index, database] of databases.entries()) {
    plan.identities.push(`postgres:${server.systemId}/${database.name}`);
    plan.sizeBytes += database.sizeBytes;
    await plan.attempt(async () => {
      const { signal } = context;
      await using connection = await Connection.open(place, { signal, database: database.name });
      const rows: Rows = (sql) => connection.rows(sql, signal);
      plan.problems.push(...(await rightsProblems(rows, database.name, spec)));
      plan.outside.push(...(await databaseLosses(rows, prefixes[index]!)));
      locks += 2 * (await countTables(rows));
    });
  }
  if (locks > server.lockCapacity * LOCK_SHARE)
    plan.problems.push(
      new StasisError(
        'postgres.lock-table-full',
        `A capture needs ${locks} locks, more than half of the ${server.lockCapacity} that the server has room for.`,
        { hint: 'Raise max_locks_per_transaction of the server.', at: ['url'] },
      ),
    );
}

async function countTables(rows: Rows): Promise<number> {
  const [row] = await rows(`SELECT count(*)::text AS count FROM pg_catalog.pg_class c
    JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
    WHERE c.relkind IN ('r', 'p') AND ${USER_SCHEMA} AND ${ownObject('c', 'pg_class')}`);
  return Number(text(row!, 'count'));
}

const OWN = `FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
  WHERE c.relpersistence <> 't' AND ${USER_SCHEMA} AND ${ownObject('c', 'pg_class')}`;
const NAME = `pg_catalog.format('%I.%I', n.nspname, c.relname) AS name`;

/** What the login may not read, or would read in part only. */
async function rightsProblems(rows: Rows, database: string, spec: PostgresSpec): Promise<StasisError[]> {
  const at = spec.databases === undefined ? ['url'] : ['databases'];
  const refused = (what: string, found: readonly string[], hint: string): StasisError[] => {
    if (found.length === 0) return [];
    const more = found.length > NAMED ? ` and ${found.length - NAMED} more` : '';
    const names = `${found.slice(0, NAMED).join(', ')}${more}`;
    return [
      new StasisError('postgres.rights', `In "${database}" the login ${what}: ${names}.`, { hint, at }),
    ];
  };
  const list = async (sql: string): Promise<string[]> => (await rows(sql)).map((row) => text(row, 'name'));
  return [
    ...refused(
      'may not read',
      await list(`SELECT ${NAME} ${OWN} AND c.relkind IN ('r', 'p', 'S')
        AND NOT (pg_catalog.has_schema_privilege(n.oid, 'USAGE') AND pg_catalog.has_table_privilege(c.oid, 'SELECT'))
        ORDER BY 1`),
      'GRANT pg_read_all_data to it, or USAGE on the schemas and SELECT on the tables and sequences.',
    ),
    ...refused(
      'sees only some rows of (row-level security)',
      await list(`SELECT ${NAME} ${OWN} AND c.relkind IN ('r', 'p') AND c.relrowsecurity
        AND pg_catalog.has_table_privilege(c.oid, 'SELECT') AND pg_catalog.row_security_active(c.oid) ORDER BY 1`),
      'Give it BYPASSRLS, or use the owner.',
    ),
    ...refused(
      'may not read the large objects',
      await list(`SELECT m.oid::text AS name FROM pg_catalog.pg_largeobject_metadata m, pg_catalog.pg_roles me
        WHERE me.rolname = current_user AND NOT me.rolsuper AND NOT pg_catalog.pg_has_role(m.lomowner, 'USAGE')
          AND NOT EXISTS (SELECT 1 FROM pg_catalog.aclexplode(m.lomacl) a WHERE a.privilege_type = 'SELECT'
            AND (a.grantee = 0 OR pg_catalog.pg_has_role(a.grantee, 'USAGE'))) ORDER BY m.oid`),
      'GRANT SELECT ON LARGE OBJECT … to it, or use their owner.',
    ),
  ];
}
