import { StasisError } from '../../../core/errors.ts';
import type { Database } from '../connect/databases.ts';
import { hasGlobally, lacking } from '../connect/grants.ts';
import type { ServerFacts } from '../connect/server.ts';
import { identifier } from '../connect/sql.ts';
import { compareReleases } from '../product/product.ts';
import type { MariadbSpec } from '../spec.ts';
import { type Table, tableName, wayOf } from './tables.ts';

/** How many names a message lists before it only counts. */
const NAMED = 5;

export function serverProblems(server: ServerFacts): StasisError[] {
  const { version, release } = server;
  const { name, oldest, newest } = server.product;
  if (compareReleases(release, oldest) < 0)
    return [
      new StasisError('mariadb.server-too-old', `${name} ${version} is older than ${oldest.join('.')}.`, {
        hint: `Releases from ${oldest.join('.')} to ${newest[0]} are supported.`,
        at: ['url'],
      }),
    ];
  if (compareReleases(release, newest) > 0)
    return [
      new StasisError(
        'mariadb.server-untested',
        `${name} ${version} is newer than what this driver was made for (${newest[0]}).`,
        { hint: 'Compare the verdict of a restore before you rely on it.', at: ['url'], severity: 'warning' },
      ),
    ];
  return [];
}

/** Without an epoch a member can be marked, which is sharp for one such member in an application. */
export function epochProblems(server: ServerFacts): StasisError[] {
  if (server.noEpoch === undefined) return [];
  return [
    new StasisError(
      'mariadb.no-epoch',
      `The server can be marked, but not shown to be still: ${server.noEpoch}.`,
      {
        hint: 'Mend that where another member has no epoch either: of two such members no instant can be proven.',
        at: ['url'],
        severity: 'warning',
      },
    ),
  ];
}

/** Who may read only some of a database's tables does not see that there are others. */
const NEEDED = ['SELECT', 'SHOW VIEW', 'TRIGGER', 'EVENT'];

export function rightsProblems(
  server: ServerFacts,
  databases: readonly Database[],
  spec: MariadbSpec,
): StasisError[] {
  const blind = blindness(server);
  if (blind !== undefined) return [blind];
  return databases.flatMap(({ name }) => {
    const missing = lacking(server.grants, name, NEEDED);
    if (missing.length === 0) return [];
    const hint = `GRANT ${missing.join(', ')} ON ${identifier(name)}.* TO ${server.login}.`;
    return [
      new StasisError('mariadb.rights', `On "${name}" the login lacks ${missing.join(', ')}.`, {
        hint,
        at: spec.databases === undefined ? ['url'] : ['databases'],
      }),
    ];
  });
}

/** Whom the server does not show others' routines sees none where there are some. */
function blindness({ product: { seesRoutines }, grants, login }: ServerFacts): StasisError | undefined {
  if (seesRoutines.length === 0 || seesRoutines.some((privilege) => hasGlobally(grants, privilege))) return;
  return new StasisError('mariadb.rights', 'The login does not see whether there are routines of others.', {
    hint: `GRANT ${seesRoutines.join(' (or ')}${')'.repeat(seesRoutines.length - 1)} ON *.* TO ${login}.`,
    at: ['url'],
  });
}

/** Tables that no snapshot covers: locked where that can be proven, else refused by name. */
export function engineProblems(server: ServerFacts, tables: readonly Table[]): StasisError[] {
  const problem = (code: string, found: readonly Table[], says: string, hint: string): StasisError[] =>
    found.length === 0 ? [] : [new StasisError(code, `${namesOf(found)} ${says}`, { hint, at: ['url'] })];
  const elsewhere = tables.filter((table) => wayOf(table) === 'none');
  const lockable = tables.filter((table) => wayOf(table) === 'lock');
  const unable = lockable.filter(
    ({ database }) => lacking(server.grants, database, ['LOCK TABLES']).length > 0,
  );
  return [
    ...problem(
      'mariadb.engine',
      elsewhere,
      'are of engines whose rows cannot be tied to an instant.',
      'ALTER them to ENGINE=InnoDB, or name databases without them.',
    ),
    ...(server.noEpoch === undefined
      ? []
      : problem(
          'mariadb.engine',
          lockable,
          `are of engines without transactions, and ${server.noEpoch}, so that nothing proves that all stood still while they are locked.`,
          'ALTER them to ENGINE=InnoDB, or mend that.',
        )),
    ...problem(
      'mariadb.rights',
      unable,
      'are of engines without transactions, and the login may not lock them.',
      'GRANT LOCK TABLES on the database to it, or ALTER them to ENGINE=InnoDB.',
    ),
  ];
}

export function namesOf(tables: readonly Table[]): string {
  const more = tables.length > NAMED ? ` and ${tables.length - NAMED} more` : '';
  return `${tables.slice(0, NAMED).map(tableName).join(', ')}${more}`;
}

/** @throws the first of them that is no warning */
export function refuse(problems: readonly StasisError[]): void {
  const problem = problems.find(({ severity }) => severity === 'error');
  if (problem) throw problem;
}

export function lostEngine(cause: unknown): StasisError {
  return new StasisError(
    'mariadb.schema-moved',
    'A table came to be, or ceased to be, one without transactions.',
    {
      hint: 'Capture again.',
      cause,
    },
  );
}
