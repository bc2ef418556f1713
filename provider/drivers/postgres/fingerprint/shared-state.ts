import type { FingerprintEntry } from '../../../core/fingerprint.ts';
import { digestOf } from '../../../core/fingerprint-digest.ts';
import type { Database } from '../connect/databases.ts';
import { literal, optionalText, type Rows, text, texts } from '../connect/sql.ts';
import { definition, grants, json } from './definitions.ts';
import {
  type EffectiveSetting,
  effectiveSettings,
  isMeaningful,
  OF_FENCE,
  settingEntries,
} from './meaning.ts';
import { entriesOf } from './schema.ts';

/**
 * What belongs to a database or to its roles, and lies in the catalogs that all databases share. No dump of a
 * database has it: it is recorded, fingerprinted and restored by us.
 */

/** By which setting of a database the target remembers the restore that filled it. No fingerprint shows it. */
export const MARKER = 'stasis.restore_id';
/** Whether a setting `c` in a row `s` of pg_db_role_setting is ours and not the user's. */
const OURS = `(c LIKE ${literal(`${MARKER}=%`)} OR ${OF_FENCE})`;

/** What stands for the setting at the end of a database's comment, where the login may not make up settings. */
export function commentMark(restoreId: string): string {
  return `\n(stasis restore ${restoreId})`;
}
const COMMENT_MARK = String.raw`\n\(stasis restore ([^\n]*)\)$`;

/** The user's own comment on the database `d`. */
const OWN_COMMENT = `nullif(pg_catalog.regexp_replace(pg_catalog.shobj_description(d.oid, 'pg_database'), ${literal(COMMENT_MARK)}, ''), '')`;

/** The database itself, under `database`: properties, owner, grants, comment. */
export async function databaseEntries(rows: Rows, database: string): Promise<FingerprintEntry[]> {
  const properties = definition({
    object: "'database'",
    content: json({
      encoding: 'pg_catalog.pg_encoding_to_char(d.encoding)',
      collate: 'd.datcollate',
      ctype: 'd.datctype',
      provider: "coalesce(pg_catalog.to_jsonb(d)->>'datlocprovider', 'c')",
      locale: "coalesce(pg_catalog.to_jsonb(d)->>'datlocale', pg_catalog.to_jsonb(d)->>'daticulocale')",
      connectionLimit: 'd.datconnlimit',
    }),
    owner: 'd.datdba',
    acl: grants('d.datacl', 'd', 'd.datdba'),
    comment: OWN_COMMENT,
    from: 'pg_catalog.pg_database d',
    where: `d.datname = ${literal(database)}`,
  });
  const entries = (await rows(properties)).flatMap(entriesOf);
  for (const { role, settings } of await databaseSettings(rows, database)) {
    // What a meaningful setting comes from, database or server, makes no difference.
    const compared = role === undefined ? settings.filter((setting) => !isMeaningful(setting)) : settings;
    if (compared.length === 0) continue;
    entries.push({
      object: role === undefined ? 'database/settings' : `database/settings/${role}`,
      digest: digestOf(...compared),
    });
  }
  entries.push(...settingEntries(await effectiveSettings(rows, database)));
  return entries;
}

/** `ALTER DATABASE … SET`, and `ALTER ROLE … IN DATABASE … SET` where `role` is given. Each is `name=value`. */
export interface DatabaseSettings {
  readonly role?: string;
  readonly settings: readonly string[];
}

export async function databaseSettings(rows: Rows, database: string): Promise<DatabaseSettings[]> {
  const found = await rows(`SELECT r.rolname::text AS role,
      ARRAY(SELECT c FROM pg_catalog.unnest(s.setconfig) AS c WHERE NOT ${OURS}
        ORDER BY c COLLATE "C") AS settings
    FROM pg_catalog.pg_db_role_setting s JOIN pg_catalog.pg_database d ON d.oid = s.setdatabase
      LEFT JOIN pg_catalog.pg_roles r ON r.oid = s.setrole
    WHERE d.datname = ${literal(database)} ORDER BY r.rolname COLLATE "C" NULLS FIRST`);
  return found
    .map((row) => ({ role: optionalText(row, 'role'), settings: texts(row, 'settings') }))
    .filter(({ settings }) => settings.length > 0);
}

/** The restore that filled a database, by its own memory. */
export async function rememberedRestore(rows: Rows, database: string): Promise<string | undefined> {
  const [row] = await rows(`SELECT coalesce(
      (SELECT pg_catalog.substr(c, ${MARKER.length + 2})
        FROM pg_catalog.pg_db_role_setting s, LATERAL pg_catalog.unnest(s.setconfig) AS c
        WHERE s.setdatabase = d.oid AND s.setrole = 0 AND c LIKE ${literal(`${MARKER}=%`)}),
      pg_catalog.substring(pg_catalog.shobj_description(d.oid, 'pg_database'), ${literal(COMMENT_MARK)})) AS id
    FROM pg_catalog.pg_database d WHERE d.datname = ${literal(database)}`);
  return row && optionalText(row, 'id');
}

export interface DatabaseShared {
  readonly owner: string;
  /** Absent where it has the built-in ones. */
  readonly grants?: readonly DatabaseGrant[];
  readonly settings: readonly DatabaseSettings[];
  readonly comment?: string;
  readonly connectionLimit: number;
  /** What changes the meaning of statements, wherever it comes from. */
  readonly effective: readonly EffectiveSetting[];
}

export interface DatabaseGrant {
  /** Undefined is PUBLIC. */
  readonly grantee?: string;
  readonly privilege: string;
  readonly grantable: boolean;
}

export async function databaseShared(rows: Rows, database: Database): Promise<DatabaseShared> {
  const [row] = await rows(`SELECT ${OWN_COMMENT} AS comment, d.datacl IS NOT NULL AS granted
    FROM pg_catalog.pg_database d WHERE d.datname = ${literal(database.name)}`);
  const granted =
    await rows(`SELECT r.rolname::text AS grantee, a.privilege_type AS privilege, a.is_grantable AS grantable
    FROM pg_catalog.pg_database d, LATERAL pg_catalog.aclexplode(d.datacl) a
      LEFT JOIN pg_catalog.pg_roles r ON r.oid = a.grantee
    WHERE d.datname = ${literal(database.name)} ORDER BY 1, 2`);
  return {
    owner: database.owner,
    grants:
      row?.granted === true
        ? granted.map((grant) => ({
            grantee: optionalText(grant, 'grantee'),
            privilege: text(grant, 'privilege'),
            grantable: grant.grantable === true,
          }))
        : undefined,
    settings: await databaseSettings(rows, database.name),
    comment: row && optionalText(row, 'comment'),
    connectionLimit: database.connectionLimit,
    effective: await effectiveSettings(rows, database.name),
  };
}
