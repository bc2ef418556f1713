import type { ServerFacts } from '../connect/server.ts';
import { identifier, literal } from '../connect/sql.ts';
import type { Membership, Role } from '../fingerprint/roles.ts';

/** Attributes that only a superuser may give. */
const SUPERUSER_ONLY = ['SUPERUSER', 'REPLICATION', 'BYPASSRLS'];

export interface RoleStatements {
  readonly created: readonly string[];
  readonly statements: readonly string[];
  /** Those whose failure is left to the verdict: they set what the login may not set. */
  readonly optional: readonly string[];
}

/**
 * Makes the roles that are missing. Those that are there are left as they are: they belong to the target's server;
 * only memberships in roles that are made now are added to them.
 */
export function statementsForRoles(
  records: readonly Role[],
  existing: ReadonlySet<string>,
  server: ServerFacts,
): RoleStatements {
  const missing = records.filter(({ name }) => !existing.has(name));
  const created = new Set(missing.map(({ name }) => name));
  const known = (name: string): boolean => existing.has(name) || created.has(name);
  const memberships = records.flatMap(({ name, memberOf }) =>
    memberOf
      .filter(({ role }) => known(role) && (created.has(name) || created.has(role)))
      .map((membership) => grantOf(name, membership, server)),
  );
  return {
    created: [...created],
    statements: [...missing.map((role) => createRole(role, server)), ...memberships],
    optional: missing.flatMap(({ name, settings, comment }) => [
      ...settings.flatMap((setting) => setStatement(`ALTER ROLE ${identifier(name)}`, setting)),
      ...(comment === undefined ? [] : [`COMMENT ON ROLE ${identifier(name)} IS ${literal(comment)}`]),
    ]),
  };
}

/** Before 16 a member inherits by its own attribute, and ADMIN is all that a grant can say. */
function grantOf(member: string, { role, admin, inherit, set }: Membership, server: ServerFacts): string {
  const grant = `GRANT ${identifier(role)} TO ${identifier(member)}`;
  if (server.major < 16) return admin ? `${grant} WITH ADMIN OPTION` : grant;
  const options = Object.entries({ admin, inherit, set }).map(
    ([option, on]) => `${option.toUpperCase()} ${on}`,
  );
  return `${grant} WITH ${options.join(', ')}`;
}

function createRole(role: Role, server: ServerFacts): string {
  const attributes = role.attributes.filter(
    (attribute) => server.superuser || !SUPERUSER_ONLY.includes(attribute),
  );
  const allowed = attributes.filter(
    (attribute) => server.superuser || !SUPERUSER_ONLY.includes(attribute.slice(2)),
  );
  return [
    `CREATE ROLE ${identifier(role.name)} WITH ${allowed.join(' ')} CONNECTION LIMIT ${role.connectionLimit}`,
    role.validUntil === undefined ? '' : ` VALID UNTIL ${literal(role.validUntil)}`,
    role.verifier === undefined ? '' : ` PASSWORD ${literal(role.verifier)}`,
  ].join('');
}

/** Settings whose value is a list of names, already quoted in the catalog (GUC_LIST_QUOTE in the server's source). */
const LISTS = [
  ...['search_path', 'temp_tablespaces', 'local_preload_libraries', 'session_preload_libraries'],
  ...['shared_preload_libraries', 'unix_socket_directories'],
];

/** `ALTER … SET name TO value` for a `name=value` of the catalogs; nothing for a name that is no name. */
export function setStatement(alter: string, setting: string): string[] {
  const at = setting.indexOf('=');
  const [name, value] = [setting.slice(0, at), setting.slice(at + 1)];
  if (!/^[A-Za-z_][\w$]*(\.[A-Za-z_][\w$]*)*$/.test(name)) return [];
  const list = LISTS.includes(name.toLowerCase());
  const written = list ? listOf(value) : literal(value);
  return [`${alter} SET ${name} TO ${written}`];
}

/** A list of quoted names as SET wants it: there an empty name is '', as "" is no identifier. */
function listOf(value: string): string {
  const names = value.match(/"(?:[^"]|"")*"|[^",\s]+/g) ?? ['""'];
  return names.map((name) => (name === '""' ? "''" : name)).join(', ');
}
