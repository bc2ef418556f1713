import { StasisError } from '../../../core/errors.ts';
import type { Host, Reach } from '../../../core/host.ts';

/** How libpq's `sslmode` protects a connection, weakest first. */
export const SSL_MODES = ['disable', 'allow', 'prefer', 'require', 'verify-ca', 'verify-full'] as const;
export type SslMode = (typeof SSL_MODES)[number];

/** A Postgres URL taken apart. Holds the password: never log it whole. */
export interface Place {
  /** A name, an address, or the folder of a Unix socket. */
  readonly host: string;
  readonly port: number;
  readonly user: string;
  readonly password: string;
  readonly database: string;
  readonly sslMode: SslMode;
  /** Paths of PEM files, or `system` for the machine's own roots. */
  readonly sslRootCert: string | undefined;
  readonly sslCert: string | undefined;
  readonly sslKey: string | undefined;
  /** Command-line options for the server process (`-c search_path=…`). */
  readonly options: string | undefined;
  readonly connectTimeoutMs: number;
  /** Set where the server is seen from another machine than ours. */
  readonly reach: Reach | undefined;
}

const DEFAULT_PORT = 5432;
const CONNECT_TIMEOUT_MS = 5_000;
/** Parameters that say nothing we need: libpq takes them, and so do we. */
const IGNORED = ['application_name', 'fallback_application_name', 'target_session_attrs', 'keepalives'];
const KNOWN = [
  ...IGNORED,
  ...['sslmode', 'sslrootcert', 'sslcert', 'sslkey', 'options', 'connect_timeout'],
  ...['host', 'port', 'user', 'password', 'dbname'],
];

/**
 * Takes a URL apart as libpq would. Nothing is read from the environment.
 *
 * @param at the machine from which the server is seen; ours unless given
 * @throws StasisError `postgres.url`, never with the URL in it.
 */
export function parsePlace(url: string, at?: Host): Place {
  const parsed = parseUrl(url);
  const given = parsed.searchParams;
  for (const name of given.keys())
    if (!KNOWN.includes(name)) throw malformed(`has the unknown parameter "${name}"`);
  const host = given.get('host') ?? decode(parsed.hostname.replace(/^\[(.*)\]$/, '$1'));
  const user = given.get('user') ?? decode(parsed.username);
  if (host === '') throw malformed('names no host');
  if (host.includes(',')) throw malformed('names several hosts');
  if (user === '') throw malformed('names no user');
  return {
    host: host.startsWith('/') ? host : host.toLowerCase(),
    port: portOf(given.get('port') ?? parsed.port),
    user,
    password: given.get('password') ?? decode(parsed.password),
    database: given.get('dbname') ?? (decode(parsed.pathname.slice(1)) || user),
    sslMode: sslModeOf(given.get('sslmode')),
    sslRootCert: given.get('sslrootcert') ?? undefined,
    sslCert: given.get('sslcert') ?? undefined,
    sslKey: given.get('sslkey') ?? undefined,
    options: given.get('options') ?? undefined,
    connectTimeoutMs: timeoutOf(given.get('connect_timeout')),
    reach: at?.reach,
  };
}

/** `postgres://host:port/database`: equal exactly for the same place, without user, password and options. */
export function endpointOf(place: Place): string {
  const host = place.host.startsWith('/')
    ? encodeURIComponent(place.host)
    : place.host.includes(':')
      ? `[${place.host}]`
      : place.host;
  return `postgres://${host}:${place.port}/${encodeURIComponent(place.database)}`;
}

function parseUrl(url: string): URL {
  if (!/^postgres(?:ql)?:\/\//.test(url)) throw malformed('does not start with postgres://');
  // A URL without a host in it (`postgres:///db?host=/run/postgresql`) is legal for libpq, not for the WHATWG parser.
  const hostless = /^postgres(?:ql)?:\/\/(?:[^@/?#]*@)?(?=[/?]|$)/.exec(url);
  if (hostless && !url.includes('host=')) throw malformed('names no host');
  const complete = hostless ? `${hostless[0]}socket${url.slice(hostless[0].length)}` : url;
  try {
    return new URL(complete);
  } catch {
    throw malformed('cannot be parsed');
  }
}

function decode(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    throw malformed('has a "%" that is not part of a percent-encoding');
  }
}

function portOf(text: string): number {
  if (text === '') return DEFAULT_PORT;
  const port = Number(text);
  if (!/^\d+$/.test(text) || port < 1 || port > 65_535) throw malformed('has no valid port');
  return port;
}

function sslModeOf(text: string | null): SslMode {
  if (text === null) return 'prefer';
  const mode = SSL_MODES.find((known) => known === text);
  if (mode === undefined) throw malformed(`has an sslmode that is none of ${SSL_MODES.join(', ')}`);
  return mode;
}

function timeoutOf(text: string | null): number {
  const seconds = Number(text ?? '0');
  if (!Number.isFinite(seconds)) throw malformed('has no valid connect_timeout');
  return seconds > 0 ? seconds * 1_000 : CONNECT_TIMEOUT_MS;
}

function malformed(why: string): StasisError {
  return new StasisError('postgres.url', `The URL ${why}.`, {
    hint: 'Write postgres://user:password@host:port/database?sslmode=…, with special characters percent-encoded.',
    at: ['url'],
  });
}
