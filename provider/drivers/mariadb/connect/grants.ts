/** What a login may do, by database: `*` for all of them. */
export type Grants = readonly Grant[];

interface Grant {
  /** Of the databases that it holds for; undefined is all. */
  readonly database: RegExp | undefined;
  readonly privileges: readonly string[];
}

const LINE = /^GRANT (.+) ON (?:(\*)|`((?:[^`]|``)*)`)\.\* TO /;

/**
 * Reads what `SHOW GRANTS` prints. Grants on single tables and routines are left out: who may read only some of a
 * database's tables does not see that there are others, so a capture rests on grants that hold for all of it.
 */
export function parseGrants(lines: readonly string[]): Grants {
  return lines.flatMap((line) => {
    const found = LINE.exec(line);
    if (found === null) return [];
    const [, privileges = '', all, database = ''] = found;
    return [
      {
        database: all === undefined ? patternOf(database.replaceAll('``', '`')) : undefined,
        privileges: privileges.split(',').map((one) => one.replace(/\(.*\)/, '').trim()),
      },
    ];
  });
}

/** A database's name in a grant is a pattern of LIKE. */
function patternOf(like: string): RegExp {
  const source = like.replace(/\\([\\_%])|[_%]|[.*+?^${}()|[\]\\]/g, (token, escaped?: string) => {
    if (escaped !== undefined) return escaped === '\\' ? '\\\\' : escaped;
    return token === '%' ? '.*' : token === '_' ? '.' : `\\${token}`;
  });
  return new RegExp(`^${source}$`, 's');
}

/** Those of the wanted privileges that the login lacks on a database. */
export function lacking(grants: Grants, database: string, wanted: readonly string[]): readonly string[] {
  const held = new Set(
    grants.filter((grant) => grant.database?.test(database) ?? true).flatMap(({ privileges }) => privileges),
  );
  return held.has('ALL PRIVILEGES') ? [] : wanted.filter((privilege) => !held.has(privilege));
}

/** Whether the login has a privilege of the server as a whole. */
export function hasGlobally(grants: Grants, privilege: string): boolean {
  return grants.some(
    ({ database, privileges }) =>
      database === undefined && (privileges.includes(privilege) || privileges.includes('ALL PRIVILEGES')),
  );
}
