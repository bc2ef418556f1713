import { StasisError } from '../../../core/errors.ts';
import type { Host } from '../../../core/host.ts';
import type { PostgresSpec } from '../spec.ts';
import type { Place } from './place.ts';

/** The server's own client programs, all of one folder. */
export interface Clients {
  readonly pgDump: string;
  readonly pgRestore: string;
  readonly psql: string;
  readonly major: number;
  /** `15.18`. */
  readonly version: string;
}

/** What of a member says which programs to take. */
type ClientChoice = Pick<PostgresSpec, 'clientPath'>;

/** Where packages of Postgres put the programs of each major version. */
const VERSIONED = ['/usr/lib/postgresql', '/usr/pgsql', '/opt/homebrew/opt', '/usr/local/opt'];
const PROGRAMS = ['pg_dump', 'pg_restore', 'psql'] as const;
const LOOK_MS = 10_000;

/** Every complete set of client programs on the host, or in the folder that the user names. */
export async function findClients(spec: ClientChoice, host: Host, signal: AbortSignal): Promise<Clients[]> {
  const folders = spec.clientPath === undefined ? await usualFolders(host, signal) : [spec.clientPath];
  const found: Clients[] = [];
  for (const folder of folders) {
    const clients = await clientsIn(folder, host, signal);
    if (clients && !found.some(({ pgDump }) => pgDump === clients.pgDump)) found.push(clients);
  }
  return found;
}

/** Debian's own folders come before PATH: what lies on PATH there is a wrapper that chooses by cluster. */
async function usualFolders(host: Host, signal: AbortSignal): Promise<string[]> {
  const folders: string[] = [];
  for (const root of VERSIONED) {
    const listed = await host.run(['ls', '-1', root], { signal, timeoutMs: LOOK_MS }).catch(() => undefined);
    if (listed?.status !== 0) continue;
    const names = listed.stdout.split('\n').filter((name) => /\d/.test(name));
    folders.push(...names.map((name) => `${root}/${name}/bin`));
  }
  const onPath = await host.which('pg_dump');
  if (onPath !== undefined) folders.push(onPath.replace(/\/[^/]*$/, ''));
  return folders;
}

async function clientsIn(folder: string, host: Host, signal: AbortSignal): Promise<Clients | undefined> {
  const paths = await Promise.all(PROGRAMS.map((name) => host.which(`${folder}/${name}`)));
  const [pgDump, pgRestore, psql] = paths;
  if (pgDump === undefined || pgRestore === undefined || psql === undefined) return undefined;
  const told = await host.run([pgDump, '--version'], { signal, timeoutMs: LOOK_MS }).catch(() => undefined);
  const version = /\(PostgreSQL\) (\d+[\w.]*)/.exec(told?.stdout ?? '')?.[1];
  if (told?.status !== 0 || version === undefined) return undefined;
  return { pgDump, pgRestore, psql, major: Number.parseInt(version, 10), version };
}

/**
 * The programs to dump a server with: of its own major version, else the next newer, as `pg_dump` refuses a newer
 * server and what it writes can be read by every later `pg_restore`, but by no earlier one.
 *
 * @throws StasisError `postgres.client-missing`, `postgres.client-too-old`
 */
export function clientsForDump(found: readonly Clients[], serverMajor: number, spec: ClientChoice): Clients {
  return fitting(found, serverMajor, serverMajor, spec);
}

/** The programs to load with: as new as those that dumped, and nearest to the target's version. */
export function clientsForLoad(
  found: readonly Clients[],
  dumpedByMajor: number,
  targetMajor: number,
  spec: ClientChoice,
): Clients {
  return fitting(found, dumpedByMajor, targetMajor, spec);
}

function fitting(found: readonly Clients[], least: number, near: number, spec: ClientChoice): Clients {
  const at = spec.clientPath === undefined ? [] : ['clientPath'];
  if (found.length === 0)
    throw new StasisError(
      'postgres.client-missing',
      spec.clientPath === undefined
        ? 'The client programs pg_dump, pg_restore and psql were not found.'
        : `pg_dump, pg_restore and psql are not in ${spec.clientPath}.`,
      {
        hint: `Install the client programs of PostgreSQL ${least} or newer (on Debian: apt-get install postgresql-client), or name their folder with clientPath.`,
        at,
      },
    );
  const usable = found.filter(({ major }) => major >= least);
  const [best] = usable.sort((a, b) => distance(a, near) - distance(b, near) || a.major - b.major);
  if (best) return best;
  const have = [...new Set(found.map(({ version }) => version))].join(', ');
  throw new StasisError(
    'postgres.client-too-old',
    `Client programs of PostgreSQL ${least} or newer are needed; found: ${have}.`,
    {
      hint: 'Install newer ones (on Debian: apt-get install postgresql-client), or name their folder with clientPath.',
      at,
    },
  );
}

function distance(clients: Clients, major: number): number {
  return Math.abs(clients.major - major);
}

/** How a client program reaches the server: by its environment, so that no password is ever in an argument list. */
export function clientEnvironment(place: Place, database: string): Record<string, string> {
  return {
    PGHOST: place.host,
    PGPORT: String(place.port),
    PGUSER: place.user,
    PGPASSWORD: place.password,
    PGDATABASE: database,
    PGSSLMODE: place.sslMode,
    PGAPPNAME: 'stasis',
    PGCONNECT_TIMEOUT: String(Math.max(2, Math.ceil(place.connectTimeoutMs / 1_000))),
    ...(place.sslRootCert === undefined ? {} : { PGSSLROOTCERT: place.sslRootCert }),
    ...(place.sslCert === undefined ? {} : { PGSSLCERT: place.sslCert }),
    ...(place.sslKey === undefined ? {} : { PGSSLKEY: place.sslKey }),
    ...(place.options === undefined ? {} : { PGOPTIONS: place.options }),
  };
}

/** A database's name for a `--dbname` argument, where a name like `a=b` would be taken for a connection string. */
export function connectionString(database: string): string {
  return `dbname='${database.replaceAll('\\', '\\\\').replaceAll("'", "\\'")}'`;
}
