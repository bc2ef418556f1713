import { literal } from './sql.ts';

/**
 * Settings of every session of ours, so that the same state always reads as the same text and nothing of the
 * database's or the role's own settings interferes. Timeouts are off: our own bounds end what takes too long, and a
 * session that holds a mark is idle in its transaction for as long as others copy.
 */
const PINNED: Readonly<Record<string, string>> = {
  search_path: '',
  DateStyle: 'ISO, YMD',
  IntervalStyle: 'postgres',
  TimeZone: 'UTC',
  extra_float_digits: '3',
  bytea_output: 'hex',
  xmloption: 'content',
  xmlbinary: 'base64',
  lc_monetary: 'C',
  lc_numeric: 'C',
  lc_time: 'C',
  array_nulls: 'on',
  standard_conforming_strings: 'on',
  quote_all_identifiers: 'off',
  row_security: 'off',
  default_transaction_read_only: 'off',
  default_transaction_deferrable: 'off',
  synchronize_seqscans: 'off',
  jit: 'off',
  statement_timeout: '0',
  idle_in_transaction_session_timeout: '0',
  idle_session_timeout: '0',
  transaction_timeout: '0',
  lock_timeout: '30000',
  // A machine of ours that vanishes without a word is noticed within half a minute, and its locks go.
  tcp_keepalives_idle: '10',
  tcp_keepalives_interval: '5',
  tcp_keepalives_count: '3',
};

const VALUES = Object.entries(PINNED)
  .map(([name, value]) => `(${literal(name.toLowerCase())}, ${literal(value)})`)
  .join(', ');

/** Sets those that this version of the server knows. */
export const PIN_SETTINGS = `SELECT count(pg_catalog.set_config(s.name, v.value, false)) AS pinned
  FROM (VALUES ${VALUES}) AS v (name, value) JOIN pg_catalog.pg_settings s ON pg_catalog.lower(s.name) = v.name`;

/** A server on a system that cannot watch its clients' sockets refuses this one, and that is no harm. */
export const TOLERANT_SETTINGS = `DO $$ BEGIN
  PERFORM pg_catalog.set_config('client_connection_check_interval', '1000', false);
EXCEPTION WHEN OTHERS THEN NULL; END $$`;
