/**
 * One query for each kind of object that a schema is made of. Each gives `object` (its name in fingerprints),
 * `content` (what defines it, as JSON text), and where they apply `query` (SQL text that versions of the server
 * print differently), `owner`, `acl` (one `grantee=PRIVILEGE,…` each) and `comment`. What belongs to an extension is left out: the extension's
 * version stands for it.
 */
export interface Parts {
  readonly object: string;
  readonly content: string;
  readonly from: string;
  readonly where?: string;
  readonly query?: string;
  readonly owner?: string;
  readonly acl?: string;
  readonly comment?: string;
}

export function definition(parts: Parts): string {
  return `SELECT ${parts.object} AS object, (${parts.content})::text AS content, ${parts.query ?? 'NULL'} AS query,
    ${parts.owner ? `pg_catalog.pg_get_userbyid(${parts.owner})::text` : 'NULL'} AS owner,
    ${parts.acl ?? 'NULL'} AS acl, ${parts.comment ?? 'NULL'} AS comment
  FROM ${parts.from}${parts.where ? ` WHERE ${parts.where}` : ''}`;
}

/** Privileges by grantee, the built-in defaults written out. The grantor is no part: dumps do not keep it. */
export function grants(acl: string, kind: string, owner: string): string {
  return `ARRAY(SELECT g.grantee || '=' || pg_catalog.string_agg(g.privilege, ',' ORDER BY g.privilege COLLATE "C")
    FROM (SELECT DISTINCT CASE a.grantee WHEN 0 THEN 'PUBLIC' ELSE pg_catalog.quote_ident(pg_catalog.pg_get_userbyid(a.grantee)) END AS grantee,
        a.privilege_type || CASE WHEN a.is_grantable THEN '*' ELSE '' END AS privilege
      FROM pg_catalog.aclexplode(coalesce(${acl}, pg_catalog.acldefault('${kind}', ${owner}))) a) AS g
    GROUP BY g.grantee ORDER BY g.grantee COLLATE "C")`;
}

export function commentOf(alias: string, catalog: string): string {
  return `pg_catalog.obj_description(${alias}.oid, '${catalog}')`;
}

export const json = (pairs: Readonly<Record<string, string>>): string =>
  `pg_catalog.jsonb_build_object(${Object.entries(pairs)
    .map(([name, expression]) => `'${name}', ${expression}`)
    .join(', ')})`;

export const inSchema = (alias: string, column: string): string =>
  `JOIN pg_catalog.pg_namespace n ON n.oid = ${alias}.${column}`;
export const named = (kind: string, expression: string): string => `'${kind}/' || ${expression}`;
export const dotted = (name: string): string => `pg_catalog.format('%I.%I', n.nspname, ${name})`;
/** In code-point order, whatever the database's collation. */
export const sorted = (value: string, from: string): string =>
  `ARRAY(SELECT ${value} FROM ${from} ORDER BY ${value} COLLATE "C")`;
