import type { Context } from '../../../core/context.ts';
import type { RestorePlan } from '../../../core/driver.ts';
import { StasisError, throwIfAborted } from '../../../core/errors.ts';
import type { Host } from '../../../core/host.ts';
import type { MemberCapture } from '../../../core/manifest.ts';
import { placed } from '../capture/plan.ts';
import { serverProblems } from '../capture/problems.ts';
import { lacking } from '../connect/grants.ts';
import { parsePlace } from '../connect/place.ts';
import { identifier } from '../connect/sql.ts';
import { type MariadbContent, parseContent } from '../content.ts';
import { settingProblems } from '../fingerprint/settings.ts';
import { compareReleases } from '../product/product.ts';
import type { MariadbSpec } from '../spec.ts';
import { type Destination, lookAtTarget, stagingNames, type Target } from './target.ts';

/** Looks at everything that a restore needs, and changes nothing. */
export async function planRestore(
  spec: MariadbSpec,
  at: Host,
  from: MemberCapture,
  context: Context,
): Promise<RestorePlan> {
  try {
    const content = parseContent(from);
    const target = await lookAtTarget(spec, parsePlace(spec.url, at), content, context.signal);
    return {
      problems: targetProblems(target, content, from),
      identities: target.destinations.map(({ name }) => `mariadb:${target.server.serverId}/${name}`),
      empty: target.destinations.every(({ empty }) => empty),
      restoredBy: commonRestore(target.destinations),
      sizeBytes: from.sizeBytes,
    };
  } catch (error) {
    throwIfAborted(context.signal);
    return { problems: [placed(error)], identities: [], empty: true, sizeBytes: from.sizeBytes };
  }
}

function commonRestore(destinations: readonly Destination[]): string | undefined {
  const [first] = destinations;
  return destinations.every(({ restoredBy }) => restoredBy === first?.restoredBy)
    ? first?.restoredBy
    : undefined;
}

/** Errors first found in this order are what `restore` throws. */
export function targetProblems(target: Target, content: MariadbContent, from: MemberCapture): StasisError[] {
  if (target.server.product.name !== content.product) return [otherProduct(target, content, from)];
  return [
    ...serverProblems(target.server),
    ...olderProblems(target, content, from),
    ...(target.server.readOnly ? [readOnly()] : []),
    ...rightsProblems(target),
    ...missingProblems(target, content),
    ...creatorProblems(target, content),
    ...nameProblems(target, content),
    ...settingProblems(content.settings, target.settings),
  ];
}

/** Neither reads all that the other says of itself: types, collations, definitions of views and of code. */
function otherProduct({ server }: Target, { product }: MariadbContent, from: MemberCapture): StasisError {
  return new StasisError(
    'mariadb.other-product',
    `The target is ${server.product.name} ${server.version}, the snapshot is of ${product} ${from.system.version}.`,
    { hint: `Restore into ${product}; move to the other by a tool that translates.`, at: ['url'] },
  );
}

function olderProblems({ server }: Target, content: MariadbContent, from: MemberCapture): StasisError[] {
  if (compareReleases(server.release, content.release) >= 0) return [];
  return [
    new StasisError(
      'mariadb.target-older',
      `The target is ${server.product.name} ${server.version}, the snapshot is of ${from.system.version}.`,
      { hint: `Restore into ${content.product} ${content.release.join('.')} or newer.`, at: ['url'] },
    ),
  ];
}

function readOnly(): StasisError {
  return new StasisError('mariadb.read-only', 'The target is read-only: a replica, perhaps.', {
    hint: 'Name the primary.',
    at: ['url'],
  });
}

const NEEDED = [
  ...['SELECT', 'INSERT', 'CREATE', 'DROP', 'ALTER', 'INDEX', 'REFERENCES', 'TRIGGER', 'EVENT'],
  ...['CREATE VIEW', 'SHOW VIEW', 'CREATE ROUTINE', 'ALTER ROUTINE'],
];

/** On the database itself, and on those that are made beside it. */
function rightsProblems({ server, destinations }: Target): StasisError[] {
  const names = destinations.flatMap(({ name }, index) => {
    const { staging, old } = stagingNames('any', index);
    return [name, staging, old];
  });
  const problem = names.map((name) => ({ name, missing: lacking(server.grants, name, NEEDED) }));
  const [first] = problem.filter(({ missing }) => missing.length > 0);
  if (first === undefined) return [];
  const beside = first.name.startsWith('stasis_') ? '`stasis\\_%`' : identifier(first.name);
  return [
    new StasisError('mariadb.rights', `On ${beside} the login lacks ${first.missing.join(', ')}.`, {
      hint: `A restore is loaded into a database beside the target: GRANT ALL PRIVILEGES ON ${beside}.* TO ${server.login}.`,
      at: ['url'],
    }),
  ];
}

function missingProblems({ collations, engines }: Target, content: MariadbContent): StasisError[] {
  const problem = (code: string, what: string, names: readonly string[]): StasisError[] =>
    names.length === 0
      ? []
      : [
          new StasisError(code, `The target lacks ${what} that the snapshot uses: ${names.join(', ')}.`, {
            hint: 'Use a server that has them.',
            at: ['url'],
          }),
        ];
  return [
    ...problem(
      'mariadb.collation-missing',
      'collations',
      content.collations.filter((name) => !collations.has(name)),
    ),
    ...problem(
      'mariadb.engine-missing',
      'engines',
      content.engines.filter((name) => !engines.has(name)),
    ),
  ];
}

function nameProblems({ server }: Target, content: MariadbContent): StasisError[] {
  if (server.lowerCaseNames === content.lowerCaseNames) return [];
  return [
    new StasisError(
      'mariadb.case-of-names',
      `The target treats the case of tables' names differently (lower_case_table_names is ${server.lowerCaseNames}, not ${content.lowerCaseNames}).`,
      { at: ['url'], severity: 'warning' },
    ),
  ];
}

function creatorProblems({ server }: Target, { undeclared }: MariadbContent): StasisError[] {
  if (server.trustsCreators || undeclared.length === 0) return [];
  return [
    new StasisError(
      'mariadb.function-creators',
      `The target has a binary log, and takes no functions that are not declared DETERMINISTIC, NO SQL or READS SQL DATA: ${undeclared.join(', ')}.`,
      { hint: 'SET GLOBAL log_bin_trust_function_creators = 1 on the target.', at: ['url'] },
    ),
  ];
}
