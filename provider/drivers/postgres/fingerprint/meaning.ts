import type { FingerprintEntry } from '../../../core/fingerprint.ts';
import { digestOf } from '../../../core/fingerprint-digest.ts';
import { literal, type Rows, text } from '../connect/sql.ts';

/**
 * Settings under which the same statement gives another answer. What an application has of each is the database's own
 * value or else the server's, so that is what is compared, wherever it comes from; a restore gives the database what its
 * new server has otherwise. All other settings of a server (memory, logs, what a plan costs) change how long an answer
 * takes, or who may ask, and not what it is: no part.
 */
const MEANINGFUL: readonly string[] = [
  ...['TimeZone', 'timezone_abbreviations', 'DateStyle', 'IntervalStyle'],
  ...['lc_monetary', 'lc_numeric', 'lc_time', 'default_text_search_config', 'search_path'],
  ...[
    'default_transaction_isolation',
    'default_transaction_read_only',
    'session_replication_role',
    'row_security',
  ],
  ...['standard_conforming_strings', 'backslash_quote', 'transform_null_equals', 'array_nulls'],
  ...['bytea_output', 'xmlbinary', 'xmloption', 'extra_float_digits'],
];

/** One of them as an application of the database has it. */
export interface EffectiveSetting {
  readonly name: string;
  readonly value: string;
  /** Equal exactly where two values do the same: UTC and Etc/UTC do. */
  readonly meaning: string;
}

/** By which setting a fenced database shows that its `default_transaction_read_only` is the fence's, and not its own. */
export const FENCE = 'stasis.fenced';

/** Whether a setting `c` in a row `s` of pg_db_role_setting is a fence's. */
export const OF_FENCE = `(c LIKE ${literal(`${FENCE}=%`)} OR c LIKE 'default\\_transaction\\_read\\_only=%' AND EXISTS (
  SELECT FROM pg_catalog.unnest(s.setconfig) AS f WHERE f LIKE ${literal(`${FENCE}=%`)}))`;

export function isMeaningful(setting: string): boolean {
  const name = setting.slice(0, setting.indexOf('=')).toLowerCase();
  return MEANINGFUL.some((each) => each.toLowerCase() === name);
}

/** What a zone does is told by what it makes of these: winters and summers of thirty years. */
const INSTANTS = [1996, 2006, 2016, 2026]
  .flatMap((year) => [`${year}-01-15 12:00+00`, `${year}-07-15 12:00+00`])
  .map(literal)
  .join(', ');

/**
 * In a session with this very database: `reset_val` is what a session begins with, whatever it has set since (ours pin
 * theirs). A login that has such a setting of its own (ALTER ROLE) shows that in place of the server's.
 */
export async function effectiveSettings(rows: Rows, database: string): Promise<EffectiveSetting[]> {
  const found = await rows(`WITH own AS (
      SELECT pg_catalog.split_part(c, '=', 1) AS name, CASE WHEN ${OF_FENCE} THEN 'off'
        ELSE pg_catalog.substr(c, pg_catalog.strpos(c, '=') + 1) END AS value
      FROM pg_catalog.pg_db_role_setting s JOIN pg_catalog.pg_database d ON d.oid = s.setdatabase,
        LATERAL pg_catalog.unnest(s.setconfig) AS c
      WHERE s.setrole = 0 AND d.datname = ${literal(database)}
    ), effective AS (
      SELECT p.name, coalesce(o.value, p.reset_val) AS value FROM pg_catalog.pg_settings p
        LEFT JOIN own o ON pg_catalog.lower(o.name) = pg_catalog.lower(p.name)
      WHERE p.name IN (${MEANINGFUL.map(literal).join(', ')})
    )
    SELECT e.name, e.value, CASE WHEN e.name = 'TimeZone'
        THEN (SELECT pg_catalog.string_agg((t AT TIME ZONE e.value)::text, ' ' ORDER BY t)
          FROM pg_catalog.unnest(ARRAY[${INSTANTS}]::timestamptz[]) AS t)
        WHEN e.name LIKE 'lc\\_%' THEN pg_catalog.replace(pg_catalog.lower(e.value), 'utf-8', 'utf8')
        ELSE pg_catalog.replace(pg_catalog.lower(e.value), ' ', '') END AS meaning
    FROM effective e ORDER BY e.name COLLATE "C"`);
  return found.map((row) => ({
    name: text(row, 'name'),
    value: text(row, 'value'),
    meaning: text(row, 'meaning'),
  }));
}

export function settingEntries(settings: readonly EffectiveSetting[]): FingerprintEntry[] {
  return settings.map(({ name, value, meaning }) => ({
    object: `database/setting/${name}`,
    digest: digestOf(meaning),
    facts: { value },
  }));
}

/** `name=value` of those that a database has to be given, as here they are otherwise. */
export function settingsToGive(
  captured: readonly EffectiveSetting[],
  here: readonly EffectiveSetting[],
): string[] {
  return captured
    .filter(({ name, meaning }) => here.find((each) => each.name === name)?.meaning !== meaning)
    .map(({ name, value }) => `${name}=${value}`);
}
