import type { FingerprintEntry } from '../../../core/fingerprint.ts';
import { digestOf } from '../../../core/fingerprint-digest.ts';
import { ownObject, USER_SCHEMA } from '../capture/tables.ts';
import { literal, optionalText, type Rows, text, texts } from '../connect/sql.ts';

/** A role that the captured databases need. */
export interface Role {
  readonly name: string;
  /** What CREATE ROLE says: `LOGIN INHERIT CONNECTION LIMIT 5`. */
  readonly attributes: readonly string[];
  readonly connectionLimit: number;
  /** ISO 8601, or `infinity`. */
  readonly validUntil?: string;
  /** The salted verifier, where the login may read it; never a password. */
  readonly verifier?: string;
  /** `ALTER ROLE … SET`, each `name=value`. */
  readonly settings: readonly string[];
  readonly comment?: string;
  /** Roles that it is a member of. */
  readonly memberOf: readonly Membership[];
}

export interface Membership {
  readonly role: string;
  readonly admin: boolean;
  /** Whether the member has the role's privileges without asking for them. Before 16 that was the member's attribute. */
  readonly inherit: boolean;
  /** Whether the member may SET ROLE to it; before 16 every member may. */
  readonly set: boolean;
}

/** The superuser that every server is born with, and the predefined roles, are the server's, not the application's. */
const OWN = `r.oid >= 16384`;

/**
 * Names of the roles that own, are granted or are named by anything in these databases, with those that they are
 * members of and their members.
 */
export async function neededRoles(rows: Rows, databases: readonly string[]): Promise<string[]> {
  const names = databases.map(literal).join(', ');
  const found = await rows(`WITH RECURSIVE captured AS (
      SELECT d.oid, d.datdba FROM pg_catalog.pg_database d WHERE d.datname IN (${names})
    ), direct AS (
      SELECT s.refobjid AS oid FROM pg_catalog.pg_shdepend s
        WHERE s.refclassid = 'pg_catalog.pg_authid'::pg_catalog.regclass
          AND (s.dbid IN (SELECT oid FROM captured) OR s.dbid = 0
            AND s.classid = 'pg_catalog.pg_database'::pg_catalog.regclass AND s.objid IN (SELECT oid FROM captured))
      UNION SELECT datdba FROM captured
      UNION SELECT setrole FROM pg_catalog.pg_db_role_setting WHERE setdatabase IN (SELECT oid FROM captured)
    ), needed AS (
      SELECT oid FROM direct
      UNION SELECT CASE m.member WHEN n.oid THEN m.roleid ELSE m.member END
        FROM needed n JOIN pg_catalog.pg_auth_members m ON n.oid IN (m.member, m.roleid)
        WHERE n.oid >= 16384
    )
    SELECT r.rolname::text AS name FROM pg_catalog.pg_roles r JOIN needed n ON n.oid = r.oid WHERE ${OWN}
    ORDER BY r.rolname COLLATE "C"`);
  return found.map((row) => text(row, 'name'));
}

/** Who owns something in a database, or the database itself. */
export async function databaseOwners(rows: Rows, database: string): Promise<string[]> {
  const found = await rows(`SELECT DISTINCT r.rolname::text COLLATE "C" AS name
    FROM pg_catalog.pg_database d, pg_catalog.pg_roles r
    WHERE d.datname = ${literal(database)} AND (r.oid = d.datdba OR EXISTS (SELECT 1 FROM pg_catalog.pg_shdepend s
      WHERE s.dbid = d.oid AND s.deptype = 'o' AND s.refclassid = 'pg_catalog.pg_authid'::pg_catalog.regclass
        AND s.refobjid = r.oid)) ORDER BY 1`);
  return found.map((row) => text(row, 'name'));
}

/** Catalogs of what a user owns, each with its owner's column and, where it has one, that of its schema. */
const OWNED = [
  ['pg_class', 'relowner', 'relnamespace'],
  ['pg_proc', 'proowner', 'pronamespace'],
  ['pg_type', 'typowner', 'typnamespace'],
] as const;

/**
 * To whom a restore of the database has to give what it makes. pg_shdepend does not tell: it leaves out the first superuser.
 * The schema `public` is there already, and what belongs to an extension comes with it.
 */
export async function objectOwners(rows: Rows): Promise<string[]> {
  const inSchemas = OWNED.map(
    ([catalog, owner, schema]) => `SELECT o.${owner} AS owner FROM pg_catalog.${catalog} o
      JOIN pg_catalog.pg_namespace n ON n.oid = o.${schema} WHERE ${USER_SCHEMA} AND ${ownObject('o', catalog)}`,
  );
  const found = await rows(`SELECT DISTINCT pg_catalog.pg_get_userbyid(owner)::text COLLATE "C" AS name FROM (
    ${inSchemas.join(' UNION ')} UNION SELECT n.nspowner FROM pg_catalog.pg_namespace n
      WHERE n.nspname <> 'public' AND ${USER_SCHEMA} AND ${ownObject('n', 'pg_namespace')}) AS owned ORDER BY 1`);
  return found.map((row) => text(row, 'name'));
}

/** A column of pg_auth_members that came with 16, in a query that every version reads. One of several grants is enough. */
function membershipOption(option: 'inherit' | 'set', before16: string): string {
  return `COALESCE((pg_catalog.to_jsonb(m) ->> '${option}_option')::boolean, ${before16})`;
}

/** `verifiers` where the login is a superuser: pg_authid is for superusers only. */
export async function readRoles(rows: Rows, names: readonly string[], verifiers: boolean): Promise<Role[]> {
  if (names.length === 0) return [];
  const found = await rows(`SELECT r.rolname::text AS name, ARRAY[
      CASE WHEN r.rolsuper THEN 'SUPERUSER' ELSE 'NOSUPERUSER' END,
      CASE WHEN r.rolinherit THEN 'INHERIT' ELSE 'NOINHERIT' END,
      CASE WHEN r.rolcreaterole THEN 'CREATEROLE' ELSE 'NOCREATEROLE' END,
      CASE WHEN r.rolcreatedb THEN 'CREATEDB' ELSE 'NOCREATEDB' END,
      CASE WHEN r.rolcanlogin THEN 'LOGIN' ELSE 'NOLOGIN' END,
      CASE WHEN r.rolreplication THEN 'REPLICATION' ELSE 'NOREPLICATION' END,
      CASE WHEN r.rolbypassrls THEN 'BYPASSRLS' ELSE 'NOBYPASSRLS' END] AS attributes,
    r.rolconnlimit::text AS limit, r.rolvaliduntil::text AS until, ${verifiers ? 'a.rolpassword' : 'NULL'} AS verifier,
    ARRAY(SELECT c FROM pg_catalog.pg_db_role_setting s, LATERAL pg_catalog.unnest(s.setconfig) AS c
      WHERE s.setdatabase = 0 AND s.setrole = r.oid ORDER BY c COLLATE "C") AS settings,
    pg_catalog.shobj_description(r.oid, 'pg_authid') AS comment,
    ARRAY(SELECT pg_catalog.format('%s%s%s%s', pg_catalog.bool_or(m.admin_option)::integer,
        pg_catalog.bool_or(${membershipOption('inherit', 'r.rolinherit')})::integer,
        pg_catalog.bool_or(${membershipOption('set', 'true')})::integer, g.rolname)
      FROM pg_catalog.pg_auth_members m JOIN pg_catalog.pg_roles g ON g.oid = m.roleid
      WHERE m.member = r.oid GROUP BY g.rolname ORDER BY g.rolname COLLATE "C") AS member_of
    FROM pg_catalog.pg_roles r ${verifiers ? 'JOIN pg_catalog.pg_authid a ON a.oid = r.oid' : ''}
    WHERE r.rolname IN (${names.map(literal).join(', ')}) ORDER BY r.rolname COLLATE "C"`);
  return found.map((row) => ({
    name: text(row, 'name'),
    attributes: texts(row, 'attributes'),
    connectionLimit: Number(text(row, 'limit')),
    validUntil: optionalText(row, 'until'),
    verifier: optionalText(row, 'verifier'),
    settings: texts(row, 'settings'),
    comment: optionalText(row, 'comment'),
    memberOf: texts(row, 'member_of').map((granted) => ({
      role: granted.slice(3),
      admin: granted[0] === '1',
      inherit: granted[1] === '1',
      set: granted[2] === '1',
    })),
  }));
}

/** The role, with what is granted otherwise than a plain GRANT to a role that inherits would. */
function membershipText({ role, admin, inherit, set }: Membership): string {
  const options = [admin ? 'admin' : '', inherit ? '' : 'no inherit', set ? '' : 'no set'].filter(Boolean);
  return options.length === 0 ? role : `${role} (${options.join(', ')})`;
}

/** Passwords are no part: their verifiers are salted anew wherever they are set. */
export function roleEntries(roles: readonly Role[]): FingerprintEntry[] {
  return roles.flatMap((role): FingerprintEntry[] => {
    const object = `role/${role.name.includes('/') ? JSON.stringify(role.name) : role.name}`;
    const attributes = role.attributes.filter((attribute) => !attribute.startsWith('NO')).join(' ');
    const memberships = role.memberOf.map(membershipText).join(', ');
    const entries: FingerprintEntry[] = [
      {
        object,
        digest: digestOf(...role.attributes, role.connectionLimit, role.validUntil),
        facts: { attributes },
      },
      { object: `${object}/memberships`, digest: digestOf(memberships), facts: { memberships } },
    ];
    if (role.settings.length > 0)
      entries.push({ object: `${object}/settings`, digest: digestOf(...role.settings) });
    if (role.comment !== undefined)
      entries.push({ object: `${object}/comment`, digest: digestOf(role.comment) });
    return entries;
  });
}
