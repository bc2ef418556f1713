import { isIP } from 'node:net';
import { StasisError } from '../../../core/errors.ts';
import type { Host, Reach } from '../../../core/host.ts';

/** How the client programs' `ssl-mode` protects a connection, weakest first. */
export const SSL_MODES = ['disabled', 'preferred', 'required', 'verify_ca', 'verify_identity'] as const;
export type SslMode = (typeof SSL_MODES)[number];

/** A URL taken apart. Holds the password: never log it whole. */
export interface Place {
  readonly host: string;
  readonly port: number;
  readonly user: string;
  readonly password: string;
  /** Empty where the URL names none. */
  readonly database: string;
  readonly sslMode: SslMode;
  /** Paths of PEM files. */
  readonly sslCa: string | undefined;
  readonly sslCert: string | undefined;
  readonly sslKey: string | undefined;
  readonly connectTimeoutMs: number;
  /** Set where the server is seen from another machine than ours. */
  readonly reach: Reach | undefined;
}

const DEFAULT_PORT = 3306;
const CONNECT_TIMEOUT_MS = 5_000;
const KNOWN = ['ssl-mode', 'ssl-ca', 'ssl-cert', 'ssl-key', 'connect-timeout'];

/**
 * Takes a URL apart. Nothing is read from the environment or from option files.
 *
 * @param at the machine from which the server is seen; ours unless given
 * @throws StasisError `mariadb.url`, never with the URL in it.
 */
export function parsePlace(url: string, at?: Host): Place {
  const parsed = parseUrl(url);
  const given = parsed.searchParams;
  for (const name of given.keys())
    if (!KNOWN.includes(name)) throw malformed(`has the unknown parameter "${name}"`);
  const host = decode(parsed.hostname.replace(/^\[(.*)\]$/, '$1'));
  const user = decode(parsed.username);
  if (host === '') throw malformed('names no host');
  if (user === '') throw malformed('names no user');
  const sslMode = sslModeOf(given.get('ssl-mode'), given.get('ssl-ca'));
  if (sslMode === 'verify_identity' && isIP(host) !== 0) throw nameless();
  return {
    host: host.toLowerCase(),
    port: portOf(parsed.port),
    user,
    password: decode(parsed.password),
    database: decode(parsed.pathname.slice(1)),
    sslMode,
    sslCa: given.get('ssl-ca') ?? undefined,
    sslCert: given.get('ssl-cert') ?? undefined,
    sslKey: given.get('ssl-key') ?? undefined,
    connectTimeoutMs: timeoutOf(given.get('connect-timeout')),
    reach: at?.reach,
  };
}

/** `mariadb://host:port/database`: equal exactly for the same place, without user, password and options. */
export function endpointOf(place: Place): string {
  const host = place.host.includes(':') ? `[${place.host}]` : place.host;
  return `mariadb://${host}:${place.port}/${encodeURIComponent(place.database)}`;
}

function parseUrl(url: string): URL {
  if (!/^(mariadb|mysql):\/\//.test(url)) throw malformed('does not start with mariadb:// or mysql://');
  try {
    return new URL(url);
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

/** As the client programs do: a root certificate that is named is looked at. */
function sslModeOf(text: string | null, ca: string | null): SslMode {
  if (text === null) return ca === null ? 'preferred' : 'verify_ca';
  const mode = SSL_MODES.find((known) => known === text.toLowerCase().replaceAll('-', '_'));
  if (mode === undefined) throw malformed(`has an ssl-mode that is none of ${SSL_MODES.join(', ')}`);
  return mode;
}

function timeoutOf(text: string | null): number {
  const seconds = Number(text ?? '0');
  if (!Number.isFinite(seconds)) throw malformed('has no valid connect-timeout');
  return seconds > 0 ? seconds * 1_000 : CONNECT_TIMEOUT_MS;
}

/** mysql2 looks for an address nowhere in a certificate, and takes one for `localhost` for right. */
function nameless(): StasisError {
  return new StasisError(
    'mariadb.url',
    'The URL has ssl-mode=verify_identity and an address, where that mode checks a name.',
    { hint: "Write the server's name as its certificate has it, or ssl-mode=verify_ca.", at: ['url'] },
  );
}

function malformed(why: string): StasisError {
  return new StasisError('mariadb.url', `The URL ${why}.`, {
    hint: 'Write mariadb://user:password@host:port/database?ssl-mode=…, or mysql://…, with special characters percent-encoded.',
    at: ['url'],
  });
}
