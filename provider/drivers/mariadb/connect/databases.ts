import { StasisError } from '../../../core/errors.ts';
import { byCodeUnits } from '../../../core/order.ts';
import type { MariadbSpec } from '../spec.ts';
import type { Connection } from './connection.ts';
import { hasNumber } from './faults.ts';
import type { Place } from './place.ts';
import { identifier, optionalText, text } from './sql.ts';

/** One database of the server. */
export interface Database {
  readonly name: string;
  readonly charset: string;
  readonly collation: string;
  readonly comment: string;
  readonly sizeBytes: number;
}

/** The server's own, and what a restore of ours has not finished with. */
const NOT_THE_USERS = `SCHEMA_NAME NOT IN ('mysql', 'information_schema', 'performance_schema', 'sys')
  AND SCHEMA_NAME NOT RLIKE '^stasis_(new|old)_[0-9a-f]{16}_[0-9]+$'`;

/** All databases that the login sees, in order of their names. */
export async function listDatabases(connection: Connection, signal: AbortSignal): Promise<Database[]> {
  const rows = await connection.rows(
    `SELECT s.SCHEMA_NAME AS name, s.DEFAULT_CHARACTER_SET_NAME AS charset, s.DEFAULT_COLLATION_NAME AS collation,
        ${connection.product.comments.read} AS comment, (SELECT COALESCE(SUM(t.DATA_LENGTH), 0) FROM information_schema.TABLES t
          WHERE t.TABLE_SCHEMA = s.SCHEMA_NAME) AS size
      FROM information_schema.SCHEMATA s WHERE ${NOT_THE_USERS}`,
    signal,
  );
  return rows
    .map((row) => ({
      name: text(row, 'name'),
      charset: text(row, 'charset'),
      collation: text(row, 'collation'),
      comment: optionalText(row, 'comment') ?? '',
      sizeBytes: Number(text(row, 'size')),
    }))
    .sort((a, b) => byCodeUnits(a.name, b.name));
}

/** Which databases a spec means: the URL's, those it lists, or all (undefined). @throws StasisError `mariadb.url` */
export function selectionOf(spec: MariadbSpec, place: Place): readonly string[] | undefined {
  if (spec.databases !== undefined)
    return spec.databases.includes('*') ? undefined : [...new Set(spec.databases)].sort(byCodeUnits);
  if (place.database !== '') return [place.database];
  throw new StasisError('mariadb.url', 'The URL names no database.', {
    hint: 'Write it after the address, or name databases.',
    at: ['url'],
  });
}

/** The selected ones, in order of their names. A missing one is told from one that the login must not see. */
export async function selectDatabases(
  connection: Connection,
  spec: MariadbSpec,
  place: Place,
  signal: AbortSignal,
): Promise<{ readonly selected: readonly Database[]; readonly problems: readonly StasisError[] }> {
  const all = await listDatabases(connection, signal);
  const names = selectionOf(spec, place);
  if (names === undefined) return { selected: all, problems: [] };
  const problems: StasisError[] = [];
  for (const name of names.filter((each) => !all.some((database) => database.name === each)))
    problems.push(await whyMissing(connection, name, all, spec, signal));
  return { selected: all.filter(({ name }) => names.includes(name)), problems };
}

async function whyMissing(
  connection: Connection,
  name: string,
  all: readonly Database[],
  spec: MariadbSpec,
  signal: AbortSignal,
): Promise<StasisError> {
  const at = spec.databases === undefined ? ['url'] : ['databases'];
  const refused = await connection.run(`USE ${identifier(name)}`, signal).then(
    () => undefined,
    (error: unknown) => error,
  );
  if (hasNumber(refused, 1044))
    return new StasisError('mariadb.rights', `The login has no rights on the database "${name}".`, {
      hint: `GRANT SELECT, SHOW VIEW, TRIGGER, EVENT ON ${identifier(name)}.* to it.`,
      at,
    });
  const there = all.map((database) => database.name).join(', ');
  return new StasisError('mariadb.no-database', `The server has no database "${name}".`, {
    hint: there === '' ? 'The login sees none.' : `The login sees ${there}.`,
    at,
  });
}

/**
 * What objects of a database begin with in fingerprints. A single database has no name there, as its name is where
 * it is, not what it is: it may be restored under another one.
 */
export function prefixesOf(names: readonly string[], spec: MariadbSpec): readonly string[] {
  const alone = names.length === 1 && !spec.databases?.includes('*');
  return names.map((name) => (alone ? '' : `db/${name}/`));
}
