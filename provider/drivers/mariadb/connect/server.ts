import { type Product, type Release, releaseOf } from '../product/product.ts';
import type { Connection } from './connection.ts';
import { type Grants, parseGrants } from './grants.ts';
import { optionalText, text } from './sql.ts';

/** What kind of server it is, and what the login may do on it. */
export interface ServerFacts {
  /** `10.11.19`. */
  readonly version: string;
  readonly release: Release;
  readonly product: Product;
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

export async function serverFacts(connection: Connection, signal: AbortSignal): Promise<ServerFacts> {
  const variables = await pairs(connection, 'SHOW GLOBAL VARIABLES', signal);
  const status = await pairs(connection, "SHOW GLOBAL STATUS LIKE 'Threads\\_connected'", signal);
  const version = variables.get('version') ?? '';
  const { product } = connection;
  const login = text(await connection.row('SELECT CURRENT_USER() AS login', signal), 'login');
  const shown = await connection.rows('SHOW GRANTS', signal);
  const grants = parseGrants(shown.map((row) => String(Object.values(row)[0])));
  return {
    version: version.replace(/-.*/, ''),
    release: releaseOf(version),
    product,
    serverId: product.serverId(variables),
    readOnly: variables.get('read_only') === 'ON',
    login,
    grants,
    lowerCaseNames: Number(variables.get('lower_case_table_names')),
    maxPacketBytes: Number(variables.get('max_allowed_packet')),
    freeConnections: Number(variables.get('max_connections')) - Number(status.get('Threads_connected')),
    trustsCreators:
      variables.get('log_bin') !== 'ON' || variables.get('log_bin_trust_function_creators') === 'ON',
    noEpoch: await product.epochs.whyNone(variables, grants, (sql) => connection.rows(sql, signal)),
  };
}

async function pairs(connection: Connection, sql: string, signal: AbortSignal): Promise<Map<string, string>> {
  const rows = await connection.rows(sql, signal);
  return new Map(rows.map((row) => [text(row, 'Variable_name'), optionalText(row, 'Value') ?? '']));
}
