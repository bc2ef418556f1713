import type { Context } from '../../../core/context.ts';
import type { Held, RestoreOptions } from '../../../core/driver.ts';
import { StasisError } from '../../../core/errors.ts';
import type { Host } from '../../../core/host.ts';
import type { MemberCapture } from '../../../core/manifest.ts';
import type { BlobReader } from '../../../core/store.ts';
import type { Clients } from '../connect/clients.ts';
import type { Place } from '../connect/place.ts';
import { parsePlace } from '../connect/place.ts';
import type { DatabaseIndex } from '../content.ts';
import { type PostgresContent, parseContent, readIndex, readRoleRecords } from '../content.ts';
import type { Role } from '../fingerprint/roles.ts';
import type { PostgresSpec } from '../spec.ts';
import { restoreBeside } from './beside.ts';
import { restoreInside } from './inside.ts';
import { targetProblems } from './plan-restore.ts';
import { lookAtTarget, type Target } from './target.ts';

/** All that a restore works with. */
export interface Restoring {
  readonly spec: PostgresSpec;
  readonly place: Place;
  readonly host: Host;
  readonly content: PostgresContent;
  readonly target: Target;
  readonly clients: Clients;
  /** One for each of the content's databases. */
  readonly indexes: readonly DatabaseIndex[];
  readonly roles: readonly Role[];
  readonly blobs: BlobReader;
  readonly options: RestoreOptions;
  readonly context: Context;
}

/** Loads beside the target, or inside an empty one in a transaction that stays open, and keeps it so until release. */
export async function restore(
  spec: PostgresSpec,
  host: Host,
  from: MemberCapture,
  blobs: BlobReader,
  options: RestoreOptions,
  context: Context,
): Promise<Held> {
  const content = parseContent(from);
  const place = parsePlace(spec.url, host);
  const target = await lookAtTarget(spec, place, host, content, context);
  const problem = targetProblems(target, content, from).find(({ severity }) => severity === 'error');
  if (problem) throw problem;
  if (target.clients instanceof StasisError) throw target.clients;
  insistOnEmptiness(target, options);
  const restoring: Restoring = {
    ...{ spec, place, host, content, target, clients: target.clients, blobs, options, context },
    indexes: await Promise.all(content.databases.map((captured) => readIndex(blobs, captured))),
    roles: await readRoleRecords(blobs, content),
  };
  return target.way === 'beside' ? restoreBeside(restoring) : restoreInside(restoring);
}

function insistOnEmptiness(target: Target, options: RestoreOptions): void {
  const full = target.destinations.filter(({ empty }) => !empty);
  if (full.length === 0 || options.overwrite) return;
  throw new StasisError(
    'postgres.target-not-empty',
    `The database ${full.map(({ name }) => `"${name}"`).join(', ')} is not empty.`,
    { hint: 'Name an empty one, or one that does not exist, or set overwrite.', at: ['url'] },
  );
}
