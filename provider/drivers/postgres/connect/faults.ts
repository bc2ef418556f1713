import { StasisError, toStasisError } from '../../../core/errors.ts';
import type { Place } from './place.ts';
import { endpointOf } from './place.ts';

/**
 * SQLSTATE codes of Postgres (https://www.postgresql.org/docs/current/errcodes-appendix.html) that a user can do
 * something about, as our codes.
 */
interface Meaning {
  readonly code: string;
  readonly hint?: string;
}

const LOGIN = 'Check the user, the password, and pg_hba.conf of the server.';
const MEANINGS: Readonly<Record<string, Meaning>> = {
  '28P01': { code: 'postgres.password', hint: 'Check the user and the password in the URL.' },
  '28000': { code: 'postgres.login', hint: LOGIN },
  '3D000': { code: 'postgres.no-database', hint: 'Check the name of the database.' },
  '42501': { code: 'postgres.rights', hint: 'Grant the login what is missing, or use another one.' },
  '53300': { code: 'postgres.connections', hint: 'Raise max_connections, or lower jobs.' },
  '53200': { code: 'postgres.lock-table-full', hint: 'Raise max_locks_per_transaction of the server.' },
  '53100': { code: 'postgres.disk-full', hint: "Make space on the server's disk." },
  '55P03': {
    code: 'postgres.lock-timeout',
    hint: 'Capture when no schema change runs, or raise lockTimeoutMs.',
  },
  '57P03': { code: 'postgres.unreachable', hint: 'The server is starting or stopping: try again.' },
  '57P01': {
    code: 'postgres.connection-lost',
    hint: 'The server ended the session: try again once it runs.',
  },
  '57P02': { code: 'postgres.connection-lost', hint: 'The server crashed: try again once it runs.' },
  '57014': { code: 'postgres.query-cancelled', hint: 'Somebody or a timeout ended a query of ours.' },
  '25P03': { code: 'postgres.connection-lost', hint: 'A timeout of the server ended our transaction.' },
};

/** The name of a relation, schema or snapshot that was there a moment ago: what the cut showed is gone. */
const GONE = ['42P01', '3F000', '42703', '42883', '42704', '55000'];

/** An error that Postgres answered with, in our words; `doing` completes "failed while …". */
export function faultOf(sqlState: string, message: string, doing: string, cause?: unknown): StasisError {
  const meaning = MEANINGS[sqlState];
  return new StasisError(
    meaning?.code ?? 'postgres.failed',
    `Postgres refused ${doing}: ${message.trim().replace(/\.$/, '')}.`,
    { hint: meaning?.hint, details: { sqlState }, cause },
  );
}

/** The state that a mark shows can no longer be read: cut again. */
export function lost(why: string, cause?: unknown): StasisError {
  return new StasisError('cut.lost', `What the mark showed is gone: ${why}.`, { cause });
}

/** `cut.lost` when the error says that something named by the mark is no longer there; else the error itself. */
export function lostIfGone(error: unknown): StasisError {
  const fault = toStasisError(error, 'postgres.failed');
  const { sqlState } = fault.details;
  return typeof sqlState === 'string' && GONE.includes(sqlState) ? lost(fault.message, fault) : fault;
}

/** Whether the error has this SQLSTATE. */
export function hasState(error: unknown, ...sqlStates: string[]): boolean {
  return (
    error instanceof StasisError &&
    typeof error.details.sqlState === 'string' &&
    sqlStates.includes(error.details.sqlState)
  );
}

/** Anything that `pg` throws, as a StasisError; never with a password, as `pg`'s messages have none. */
export function faultOfThrown(thrown: unknown, place: Place, doing: string): StasisError {
  if (thrown instanceof StasisError) return thrown;
  const error = thrown instanceof Error ? thrown : new Error(String(thrown));
  const code: unknown = Reflect.get(error, 'code');
  if (typeof code === 'string' && /^[0-9A-Z]{5}$/.test(code) && Reflect.has(error, 'severity'))
    return faultOf(code, error.message, doing, error);
  const where = endpointOf(place);
  if (isTls(error, code))
    return new StasisError('postgres.tls', `The TLS connection to ${where} failed: ${error.message}.`, {
      hint: "Check sslmode and sslrootcert in the URL against the server's certificate.",
      cause: error,
    });
  return new StasisError(
    doing === CONNECTING ? 'postgres.unreachable' : 'postgres.connection-lost',
    doing === CONNECTING
      ? `The server at ${where} cannot be reached: ${reasonOf(error)}.`
      : `The connection to ${where} broke while ${doing}: ${reasonOf(error)}.`,
    { hint: 'Check that the server runs, and its address, port and firewall.', cause: error },
  );
}

/** What `faultOfThrown` is told while there is no connection yet. */
export const CONNECTING = 'connecting';

function reasonOf(error: Error): string {
  // Several addresses of one name: Node puts each one's error into an AggregateError without a message.
  if (error instanceof AggregateError)
    return error.errors.map((inner: unknown) => (inner instanceof Error ? inner.message : '')).join(', ');
  return error.message;
}

function isTls(error: Error, code: unknown): boolean {
  if (typeof code === 'string' && /^(ERR_TLS|ERR_SSL|CERT_|DEPTH_ZERO|SELF_SIGNED|UNABLE_TO)/.test(code))
    return true;
  return /SSL|TLS|certificate/i.test(error.message);
}
