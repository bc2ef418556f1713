import { StasisError, toStasisError } from '../../../core/errors.ts';
import { endpointOf, type Place } from './place.ts';

interface Meaning {
  readonly code: string;
  readonly hint?: string;
}

const RIGHTS: Meaning = {
  code: 'mariadb.rights',
  hint: 'Grant the login what is missing, or use another one.',
};
const LOST: Meaning = {
  code: 'mariadb.connection-lost',
  hint: 'Somebody or a timeout of the server ended our session: try again.',
};
const CREATORS: Meaning = {
  code: 'mariadb.function-creators',
  hint: 'SET GLOBAL log_bin_trust_function_creators = 1 on the target.',
};
const SLOW: Meaning = {
  code: 'mariadb.query-cancelled',
  hint: 'A timeout of the server ended a query of ours.',
};
const EXPIRED: Meaning = { code: 'mariadb.password', hint: 'The password has expired: set another.' };
const FULL: Meaning = { code: 'mariadb.disk-full', hint: "Make space on the server's disk." };
const CONNECTIONS: Meaning = {
  code: 'mariadb.connections',
  hint: 'Raise max_connections of the server, or lower jobs.',
};

/**
 * Numbers of the server's errors that a user can act on (https://mariadb.com/kb/en/mariadb-error-codes/,
 * https://dev.mysql.com/doc/mysql-errors/9.7/en/server-error-reference.html).
 */
const MEANINGS: Readonly<Record<number, Meaning>> = {
  1045: { code: 'mariadb.password', hint: 'Check the user and the password in the URL, and its host.' },
  1698: { code: 'mariadb.password', hint: 'This user does not log in by password.' },
  1044: RIGHTS,
  1142: RIGHTS,
  1143: RIGHTS,
  1227: RIGHTS,
  1370: RIGHTS,
  1049: { code: 'mariadb.no-database', hint: 'Check the name of the database.' },
  1040: CONNECTIONS,
  1203: CONNECTIONS,
  1226: CONNECTIONS,
  1021: FULL,
  1114: FULL,
  1205: {
    code: 'mariadb.lock-timeout',
    hint: 'Capture when no schema change runs, or raise lockTimeoutMs.',
  },
  1153: {
    code: 'mariadb.packet-too-large',
    hint: 'Raise max_allowed_packet of the server: a row has to fit into it.',
  },
  1418: CREATORS,
  1419: CREATORS,
  1317: LOST,
  1053: LOST,
  1927: LOST,
  4031: LOST,
  3024: SLOW,
  1130: { code: 'mariadb.password', hint: 'The server has no user for the host that we come from.' },
  1820: EXPIRED,
  1862: EXPIRED,
  3118: { code: 'mariadb.password', hint: 'The account is locked: ALTER USER … ACCOUNT UNLOCK.' },
  1969: SLOW,
};

/** No such table, changed since the snapshot was taken, no such database or column: what the cut showed is gone. */
const GONE = [1146, 1412, 1049, 1054, 1356, 1932, 4092];
/** A lock that we do not wait for, or a circle of waits that the server broke. */
const IN_THE_WAY = [1205, 1213];

/** The state that a mark shows can no longer be read: cut again. */
export function lost(why: string, cause?: unknown): StasisError {
  return new StasisError('cut.lost', `What the mark showed is gone: ${why}.`, { cause });
}

/** `cut.lost` when the error says that something named by the mark is no longer there; else the error itself. */
export function lostIfGone(error: unknown): StasisError {
  const fault = toStasisError(error, 'mariadb.failed');
  return hasNumber(fault, ...GONE) ? lost(fault.message, fault) : fault;
}

export function hasNumber(error: unknown, ...numbers: number[]): boolean {
  return (
    error instanceof StasisError &&
    typeof error.details.errno === 'number' &&
    numbers.includes(error.details.errno)
  );
}

export function isInTheWay(error: unknown): boolean {
  return hasNumber(error, ...IN_THE_WAY);
}

/** What `faultOfThrown` is told while there is no connection yet. */
export const CONNECTING = 'connecting';

/** Anything that the client library throws, as a StasisError; never with a password, as its messages have none. */
export function faultOfThrown(thrown: unknown, place: Place, doing: string): StasisError {
  if (thrown instanceof StasisError) return thrown;
  const error = thrown instanceof Error ? thrown : new Error(String(thrown));
  const errno: unknown = Reflect.get(error, 'errno');
  if (typeof errno === 'number' && errno > 0 && Reflect.has(error, 'sqlState')) {
    const meaning = MEANINGS[errno];
    const message = `The server refused ${doing}: ${error.message.trim().replace(/\.$/, '')}.`;
    return new StasisError(meaning?.code ?? 'mariadb.failed', message, {
      hint: meaning?.hint,
      details: { errno },
      cause: error,
    });
  }
  const where = endpointOf(place);
  if (isTls(error))
    return new StasisError('mariadb.tls', `The TLS connection to ${where} failed: ${reasonOf(error)}.`, {
      hint: "Check ssl-mode and ssl-ca in the URL against the server's certificate.",
      cause: error,
    });
  return new StasisError(
    doing === CONNECTING ? 'mariadb.unreachable' : 'mariadb.connection-lost',
    doing === CONNECTING
      ? `The server at ${where} cannot be reached: ${reasonOf(error)}.`
      : `The connection to ${where} broke while ${doing}: ${reasonOf(error)}.`,
    { hint: 'Check that the server runs, and its address, port and firewall.', cause: error },
  );
}

function reasonOf(error: Error): string {
  if (error instanceof AggregateError)
    return error.errors.map((inner: unknown) => (inner instanceof Error ? inner.message : '')).join(', ');
  return error.message.replace(/\.$/, '');
}

function isTls(error: Error): boolean {
  const code: unknown = Reflect.get(error, 'code');
  if (
    typeof code === 'string' &&
    /^(ERR_TLS|ERR_SSL|CERT_|DEPTH_ZERO|SELF_SIGNED|UNABLE_TO|HANDSHAKE_)/.test(code)
  )
    return true;
  return /SSL|TLS|certificate/i.test(error.message);
}
