import type { Connection } from './connection.ts';
import { hasNumber } from './faults.ts';
import { type Grants, parseGrants } from './grants.ts';
import { optionalText, text } from './sql.ts';

/** What kind of server it is, and what the login may do on it. */
export interface ServerFacts {
  /** `10.11.19`. */
  readonly version: string;
  /** `[10, 11]`. */
  readonly release: readonly [number, number];
  readonly product: 'MariaDB' | 'MySQL';
  /** Equal for the same running server only. */
  readonly serverId: string;
  readonly readOnly: boolean;
  /** `user@host`, as the server knows the login. */
  readonly login: string;
  readonly grants: Grants;
  /** 0 where names of tables are case-sensitive. */
  readonly lowerCaseNames: number;
  readonly maxPacketBytes: number;
  readonly freeConnections: number;
  /** Whether it takes functions and triggers from anybody, though it logs. */
  readonly trustsCreators: boolean;
  /** Why equal positions of the log would not prove that nothing changed; undefined where they do. */
  readonly noEpoch: string | undefined;
}

/** The oldest and newest releases that this driver was written for. */
export const OLDEST: readonly [number, number] = [10, 6];
export const NEWEST: readonly [number, number] = [12, 99];

export async function serverFacts(connection: Connection, signal: AbortSignal): Promise<ServerFacts> {
  const variables = await pairs(connection, 'SHOW GLOBAL VARIABLES', signal);
  const status = await pairs(
    connection,
    "SHOW GLOBAL STATUS WHERE Variable_name IN ('Threads_connected', 'Slaves_running')",
    signal,
  );
  const version = variables.get('version') ?? '';
  const [, major = '0', minor = '0'] = /^(\d+)\.(\d+)/.exec(version) ?? [];
  const product = /mariadb/i.test(version) ? 'MariaDB' : 'MySQL';
  const login = text(await connection.row('SELECT CURRENT_USER() AS login', signal), 'login');
  const logged = product === 'MariaDB' && variables.get('log_bin') === 'ON';
  return {
    version: version.replace(/-.*/, ''),
    release: [Number(major), Number(minor)],
    product,
    serverId:
      variables.get('server_uid') ??
      `${variables.get('hostname')}:${variables.get('port')}${variables.get('datadir')}`,
    readOnly: variables.get('read_only') === 'ON',
    login,
    grants: parseGrants(
      (await connection.rows('SHOW GRANTS', signal)).map((row) => String(Object.values(row)[0])),
    ),
    lowerCaseNames: Number(variables.get('lower_case_table_names')),
    maxPacketBytes: Number(variables.get('max_allowed_packet')),
    freeConnections: Number(variables.get('max_connections')) - Number(status.get('Threads_connected')),
    trustsCreators:
      variables.get('log_bin') !== 'ON' || variables.get('log_bin_trust_function_creators') === 'ON',
    noEpoch: logged ? await whyNoEpoch(connection, variables, status, signal) : 'the binary log is off',
  };
}

/**
 * Settings under which something becomes visible at another time than the log's position tells (see
 * capture/epochs.ts), or is not logged at all.
 */
async function whyNoEpoch(
  connection: Connection,
  variables: ReadonlyMap<string, string>,
  status: ReadonlyMap<string, string>,
  signal: AbortSignal,
): Promise<string | undefined> {
  if (variables.get('binlog_optimize_thread_scheduling') !== 'ON')
    return 'binlog_optimize_thread_scheduling is off: commits are not visible together with their position';
  if (variables.get('wsrep_on') === 'ON') return 'the server is part of a Galera cluster';
  if (variables.get('log_slave_updates') !== 'ON' && status.get('Slaves_running') !== '0')
    return 'the server is a replica that does not log what it replays (log_slave_updates)';
  try {
    const log = await connection.row('SHOW MASTER STATUS', signal);
    const filtered = `${optionalText(log, 'Binlog_Do_DB') ?? ''}${optionalText(log, 'Binlog_Ignore_DB') ?? ''}`;
    return filtered === ''
      ? undefined
      : 'the binary log leaves databases out (binlog-do-db, binlog-ignore-db)';
  } catch (error) {
    if (!hasNumber(error, 1227)) throw error;
    return 'the login may not see whether the binary log leaves databases out (GRANT BINLOG MONITOR ON *.* to it)';
  }
}

async function pairs(connection: Connection, sql: string, signal: AbortSignal): Promise<Map<string, string>> {
  const rows = await connection.rows(sql, signal);
  return new Map(rows.map((row) => [text(row, 'Variable_name'), optionalText(row, 'Value') ?? '']));
}

/** Negative when `a` is the older release. */
export function compareReleases(a: readonly [number, number], b: readonly [number, number]): number {
  return a[0] - b[0] || a[1] - b[1];
}
