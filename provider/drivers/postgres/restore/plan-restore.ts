import type { Context } from '../../../core/context.ts';
import type { RestorePlan } from '../../../core/driver.ts';
import { StasisError, throwIfAborted } from '../../../core/errors.ts';
import type { Host } from '../../../core/host.ts';
import type { MemberCapture } from '../../../core/manifest.ts';
import { placed, versionProblems } from '../capture/plan.ts';
import { parsePlace } from '../connect/place.ts';
import { identifier } from '../connect/sql.ts';
import { type PostgresContent, parseContent } from '../content.ts';
import type { PostgresSpec } from '../spec.ts';
import { type Destination, lookAtTarget, type Target } from './target.ts';

/** Looks at everything that a restore needs, and changes nothing. */
export async function planRestore(
  spec: PostgresSpec,
  host: Host,
  from: MemberCapture,
  context: Context,
): Promise<RestorePlan> {
  try {
    const content = parseContent(from);
    const target = await lookAtTarget(spec, parsePlace(spec.url, host), host, content, context);
    return {
      problems: targetProblems(target, content, from),
      identities: target.destinations.map(({ name }) => `postgres:${target.server.systemId}/${name}`),
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
export function targetProblems(target: Target, content: PostgresContent, from: MemberCapture): StasisError[] {
  return [
    ...versionProblems(target.server),
    ...olderProblems(target, content, from),
    ...(target.server.standby ? [standby()] : []),
    ...(target.clients instanceof StasisError ? [target.clients] : []),
    ...extensionProblems(target),
    ...wayProblems(target),
    ...roleProblems(target, content),
    ...ownerProblems(target, content),
    ...collationProblems(target),
  ];
}

function olderProblems(target: Target, content: PostgresContent, from: MemberCapture): StasisError[] {
  if (target.server.major >= content.serverMajor) return [];
  return [
    new StasisError(
      'postgres.target-older',
      `The target is PostgreSQL ${target.server.version}, the snapshot is of ${from.system.version}.`,
      { hint: `Restore into PostgreSQL ${content.serverMajor} or newer.`, at: ['url'] },
    ),
  ];
}

function standby(): StasisError {
  return new StasisError('postgres.standby', 'The target is a standby: nothing can be written to it.', {
    hint: 'Name the primary.',
    at: ['url'],
  });
}

function extensionProblems({ destinations, extensions }: Target): StasisError[] {
  const problems = new Map<string, StasisError>();
  for (const { name, version } of destinations.flatMap(({ captured }) => captured.extensions)) {
    const available = extensions.get(name);
    if (available?.includes(version)) continue;
    const hint = 'Install the package that brings it on the target.';
    const said =
      available === undefined
        ? `The target lacks the extension "${name}".`
        : `The target has the extension "${name}" only in ${available.join(', ')}, not ${version}.`;
    // The version is part of the fingerprint: a restore with another one is named as drift, and may still be wanted.
    const severity = available === undefined ? 'error' : 'warning';
    problems.set(name, new StasisError('postgres.extension-missing', said, { hint, at: ['url'], severity }));
  }
  return [...problems.values()];
}

function wayProblems({ way, destinations, server }: Target): StasisError[] {
  if (way === 'beside') return [];
  const rights = (message: string): StasisError =>
    new StasisError('postgres.rights', message, {
      hint: 'Give the login CREATEDB and make it owner of the database to replace, or name an empty database.',
      at: ['url'],
    });
  if (destinations.length > 1)
    return [
      rights(
        `The login "${server.login}" may not create and rename databases, which restoring several takes.`,
      ),
    ];
  const [{ name, existing, empty, captured }] = destinations as [Destination];
  if (existing === undefined)
    return [
      rights(`The database "${name}" does not exist, and the login "${server.login}" may not create it.`),
    ];
  const problems: StasisError[] = [];
  if (!empty) problems.push(rights(`The login "${server.login}" may not replace the database "${name}".`));
  if (existing.encoding !== captured.encoding)
    problems.push(
      new StasisError(
        'postgres.encoding-differs',
        `The database "${name}" has the encoding ${existing.encoding}, the snapshot ${captured.encoding}.`,
        { hint: `Create it with ENCODING '${captured.encoding}'.`, at: ['url'] },
      ),
    );
  return problems;
}

/** Roles come back with the snapshot where the login may create them; an owner that will not be there is an error. */
function roleProblems({ server, roles }: Target, content: PostgresContent): StasisError[] {
  const will = (name: string): boolean =>
    roles.has(name) || (server.mayCreateRoles && content.roleNames.includes(name));
  const missingOwners = content.owners.filter((name) => !will(name));
  const missing = content.roleNames.filter((name) => !will(name) && !missingOwners.includes(name));
  const list = [...missingOwners, ...missing].join(', ');
  if (list === '') return [];
  return [
    new StasisError('postgres.role-missing', `The target lacks roles that the snapshot names: ${list}.`, {
      hint: server.mayCreateRoles ? 'Create them first.' : 'Create them first, or give the login CREATEROLE.',
      at: ['url'],
    }),
  ];
}

/** What the login makes and may not give to its owner would be refused in the middle. */
function ownerProblems(
  { server, roles, givable }: Target,
  { objectOwners = [] }: PostgresContent,
): StasisError[] {
  const owners = objectOwners.filter((name) => roles.has(name) && !givable.has(name));
  if (owners.length === 0) return [];
  return [
    new StasisError(
      'postgres.rights',
      `The login "${server.login}" may not give what it restores to its owners: ${owners.join(', ')}.`,
      {
        hint: `Have a superuser of the target GRANT ${owners.map(identifier).join(', ')} TO ${identifier(server.login)}, or restore as a superuser.`,
        at: ['url'],
      },
    ),
  ];
}

/** Another version of a collation may sort text differently; indexes are built anew, so nothing breaks. */
function collationProblems({ destinations }: Target): StasisError[] {
  return destinations.flatMap(({ captured, existing, name }) => {
    const [was, is] = [captured.collationVersion, existing?.collationVersion];
    if (was === undefined || is === undefined || was === is || existing?.collate !== captured.collate)
      return [];
    return [
      new StasisError(
        'postgres.collation-version',
        `The collation ${captured.collate} of "${name}" has version ${is} on the target and ${was} in the snapshot: text may sort differently.`,
        { at: ['url'], severity: 'warning' },
      ),
    ];
  });
}
