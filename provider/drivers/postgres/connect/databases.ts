import { StasisError } from '../../../core/errors.ts';
import { byCodeUnits } from '../../../core/order.ts';
import type { PostgresSpec } from '../spec.ts';
import type { Connection } from './connection.ts';
import type { Place } from './place.ts';
import { optionalText, text } from './sql.ts';

/** One database of the server. */
export interface Database {
  readonly name: string;
  readonly oid: number;
  readonly owner: string;
  readonly encoding: string;
  readonly collate: string;
  readonly ctype: string;
  /** `libc`, `icu`, `builtin`. */
  readonly provider: string;
  /** ICU's or the built-in provider's locale. */
  readonly locale: string | undefined;
  readonly icuRules: string | undefined;
  readonly collationVersion: string | undefined;
  readonly connectionLimit: number;
  readonly sizeBytes: number;
}

/** Columns that came with versions 15 to 17 are read by way of JSON, so that one query suits all. */
const DATABASES = `SELECT d.datname::text AS name, d.oid::text AS oid,
    pg_catalog.pg_get_userbyid(d.datdba)::text AS owner,
    pg_catalog.pg_encoding_to_char(d.encoding)::text AS encoding,
    d.datcollate::text AS collate, d.datctype::text AS ctype,
    CASE coalesce(j->>'datlocprovider', 'c') WHEN 'i' THEN 'icu' WHEN 'b' THEN 'builtin' ELSE 'libc' END AS provider,
    coalesce(j->>'datlocale', j->>'daticulocale') AS locale, j->>'daticurules' AS icu_rules,
    j->>'datcollversion' AS collation_version, d.datconnlimit::text AS connection_limit,
    CASE WHEN pg_catalog.has_database_privilege(d.oid, 'CONNECT')
      THEN pg_catalog.pg_database_size(d.oid)::text ELSE '0' END AS size
  FROM pg_catalog.pg_database d, LATERAL (SELECT pg_catalog.to_jsonb(d) AS j) AS doc
  WHERE d.datallowconn AND NOT d.datistemplate ORDER BY d.datname COLLATE "C"`;

/** All databases that can be connected to, templates left out. */
export async function listDatabases(connection: Connection, signal: AbortSignal): Promise<Database[]> {
  const rows = await connection.rows(DATABASES, signal);
  return rows.map((row) => ({
    name: text(row, 'name'),
    oid: Number(text(row, 'oid')),
    owner: text(row, 'owner'),
    encoding: text(row, 'encoding'),
    collate: text(row, 'collate'),
    ctype: text(row, 'ctype'),
    provider: text(row, 'provider'),
    locale: optionalText(row, 'locale'),
    icuRules: optionalText(row, 'icu_rules'),
    collationVersion: optionalText(row, 'collation_version'),
    connectionLimit: Number(text(row, 'connection_limit')),
    sizeBytes: Number(text(row, 'size')),
  }));
}

/** Which databases a spec means: the URL's, those it lists, or all (undefined). */
export function selectionOf(spec: PostgresSpec, place: Place): readonly string[] | undefined {
  if (spec.databases === undefined) return [place.database];
  return spec.databases.includes('*') ? undefined : [...new Set(spec.databases)].sort(byCodeUnits);
}

/** The selected ones, in order of their names. */
export function selectDatabases(
  all: readonly Database[],
  spec: PostgresSpec,
  place: Place,
): { readonly selected: readonly Database[]; readonly problems: readonly StasisError[] } {
  const names = selectionOf(spec, place);
  if (names === undefined)
    return { selected: [...all].sort((a, b) => byCodeUnits(a.name, b.name)), problems: [] };
  const missing = names.filter((name) => !all.some((database) => database.name === name));
  const problems = missing.map(
    (name) =>
      new StasisError('postgres.no-database', `The server has no database "${name}".`, {
        hint: `It has ${all.map((database) => database.name).join(', ')}.`,
        at: spec.databases === undefined ? ['url'] : ['databases'],
      }),
  );
  return { selected: all.filter(({ name }) => names.includes(name)), problems };
}

/**
 * What objects of a database begin with in fingerprints. A single database has no name there, as its name is where
 * it is, not what it is: it may be restored under another one.
 */
export function prefixesOf(names: readonly string[], spec: PostgresSpec): readonly string[] {
  const alone = names.length === 1 && !spec.databases?.includes('*');
  return names.map((name) => (alone ? '' : `db/${name}/`));
}
