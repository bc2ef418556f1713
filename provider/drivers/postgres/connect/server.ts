import type { Connection } from './connection.ts';
import { text } from './sql.ts';

/** What kind of server it is, and what the login may do on it. */
export interface ServerFacts {
  /** `15.18`. */
  readonly version: string;
  readonly major: number;
  /** Equal for a server and its physical copies only (pg_control). */
  readonly systemId: string;
  readonly standby: boolean;
  readonly login: string;
  readonly superuser: boolean;
  readonly mayCreateDatabases: boolean;
  readonly mayCreateRoles: boolean;
  /** How many locks all sessions together can surely hold. */
  readonly lockCapacity: number;
  readonly freeConnections: number;
}

/** The oldest and newest major versions that this driver was written for. */
export const OLDEST_MAJOR = 14;
export const NEWEST_MAJOR = 18;

const FACTS = `SELECT pg_catalog.current_setting('server_version') AS version,
    pg_catalog.current_setting('server_version_num') AS number,
    pg_catalog.pg_is_in_recovery() AS standby,
    r.rolname::text AS login, r.rolsuper AS superuser,
    r.rolsuper OR r.rolcreatedb AS createdb, r.rolsuper OR r.rolcreaterole AS createrole,
    (pg_catalog.current_setting('max_locks_per_transaction')::bigint
      * (pg_catalog.current_setting('max_connections')::bigint
        + pg_catalog.current_setting('max_prepared_transactions')::bigint))::text AS locks,
    (pg_catalog.current_setting('max_connections')::bigint
      - CASE WHEN r.rolsuper THEN 0 ELSE pg_catalog.current_setting('superuser_reserved_connections')::bigint END
      - (SELECT pg_catalog.count(*) FROM pg_catalog.pg_stat_activity a
          WHERE a.backend_type = 'client backend'))::text AS free
  FROM pg_catalog.pg_roles r WHERE r.rolname = current_user`;

export async function serverFacts(connection: Connection, signal: AbortSignal): Promise<ServerFacts> {
  const row = await connection.row(FACTS, signal);
  return {
    version: text(row, 'version').replace(/ .*/, ''),
    major: Math.floor(Number(text(row, 'number')) / 10_000),
    systemId: await systemIdOf(connection, signal),
    standby: row.standby === true,
    login: text(row, 'login'),
    superuser: row.superuser === true,
    mayCreateDatabases: row.createdb === true,
    mayCreateRoles: row.createrole === true,
    lockCapacity: Number(text(row, 'locks')),
    freeConnections: Number(text(row, 'free')),
  };
}

/** Where the login may not read pg_control, the moment the server was started stands for it. */
async function systemIdOf(connection: Connection, signal: AbortSignal): Promise<string> {
  try {
    const row = await connection.row(
      'SELECT system_identifier::text AS id FROM pg_catalog.pg_control_system()',
      signal,
    );
    return text(row, 'id');
  } catch {
    const row = await connection.row(
      "SELECT pg_catalog.to_char(pg_catalog.pg_postmaster_start_time(), 'YYYYMMDDHH24MISSUS') AS id",
      signal,
    );
    return `started-${text(row, 'id')}`;
  }
}
