import { type Command, text } from '../connection.ts';
import { numberOf, rdbVersionOf, readInfo } from '../info.ts';
import { hasExpiringFields, readsType } from '../rdb/types.ts';
import { checkRights } from '../rights.ts';
import { parseTarget } from '../spec.ts';
import type { FollowLoad } from './following.ts';
import { isPrivate, routeTo } from './route.ts';
import { readSetting } from './stop-following.ts';

/** Below this, RESTORE takes no longer than the lease does to start. */
const WORTHWHILE_BYTES = 32 * 1024 * 1024;

const COMMANDS: readonly Command[] = [
  ['REPLICAOF', 'NO', 'ONE'],
  ['CONFIG', 'SET', 'masterauth', ''],
  ['CONFIG', 'GET', 'masterauth'],
  ['CLIENT', 'PAUSE', '1', 'WRITE'],
  ['CLIENT', 'UNPAUSE'],
  ['CLIENT', 'LIST'],
];

/** What has to be so in the target's configuration. A login to another master of its own could not be put back. */
const SETTINGS: Readonly<Record<string, string>> = {
  masterauth: '',
  masteruser: '',
  'replica-read-only': 'yes',
};

/** Why a target is not let follow a stand-in; undefined where it may be tried. Changes nothing. */
export async function whyNotFollow(load: FollowLoad): Promise<string | undefined> {
  const { content, facts, target, layout, shiftMs, spec, connection, context } = load;
  const { signal } = context;
  if (content.usedMemoryBytes < WORTHWHILE_BYTES) return 'the capture is small';
  // A full sync replaces everything; and only beside nobody sees what is not released yet.
  if (facts.keys.size > 0 || target.libraries.size > 0) return 'the target is not empty';
  if (!layout.beside) return 'it cannot be loaded beside';
  const version = rdbVersionOf(facts);
  if (!content.types.every((type) => readsType(facts.product, version, type)))
    return 'the target does not read all types by itself';
  if (shiftMs !== 0 && content.types.some(hasExpiringFields)) return 'fields have expiry times to be moved';
  if (content.modules.length > 0) return 'there are values of modules';
  if (spec.reach !== undefined) return 'the target is seen from another machine';
  if (parseTarget(spec).secure) return 'the target speaks TLS';
  if (!isPrivate((await routeTo(spec, signal)).local)) return 'the way to the target is not private';
  const rights = await checkRights(connection, COMMANDS, signal);
  if (rights.some((right) => right === 'denied' || right === 'unknown-command'))
    return 'the login may not make the target follow';
  // It would take a master that says it is a replica for one that failed over.
  const clients = text(await connection.attempt(['CLIENT', 'LIST'], { signal }));
  if (clients.includes('name=sentinel-')) return 'a Sentinel watches the target';
  if (numberOf(await readInfo(connection, signal), 'connected_slaves') > 0) return 'the target has replicas';
  for (const [name, wanted] of Object.entries(SETTINGS))
    if ((await readSetting(connection, name, signal)) !== wanted)
      return `"${name}" of the target is not as usual`;
  if ((await readSetting(connection, 'tls-replication', signal)) === 'yes')
    return 'the target replicates by TLS';
  return undefined;
}
