import { StasisError } from '../../core/errors.ts';
import type { FingerprintEntry } from '../../core/fingerprint.ts';
import { digestOf } from '../../core/fingerprint-digest.ts';
import type { Connection } from './connection.ts';
import { readSetting } from './follow/stop-following.ts';
import { type Info, readInfo } from './info.ts';

/** A setting of the server under which it behaves otherwise to its clients, and not only faster or slower. */
export interface ServerSetting {
  readonly name: string;
  readonly value: string;
}

const POLICY = 'maxmemory-policy';
const EVENTS = 'notify-keyspace-events';

/**
 * What becomes of keys when memory is short, which every server tells; and which events clients are told, where there
 * are any and the login may ask (`CONFIG GET`). How much memory there is, how values are packed and what is saved to
 * disk are the machine's matter, and no part.
 */
export async function readServerSettings(
  connection: Connection,
  signal: AbortSignal,
  known?: Info,
): Promise<ServerSetting[]> {
  const info = known ?? (await readInfo(connection, signal));
  const settings: ServerSetting[] = [];
  const policy = info.get('maxmemory_policy');
  if (policy !== undefined) settings.push({ name: POLICY, value: policy });
  const events = (await readSetting(connection, EVENTS, signal)) ?? '';
  // One server may print the letters in another order than another does.
  if (events !== '') settings.push({ name: EVENTS, value: [...events].sort().join('') });
  return settings;
}

/** In order, after all other objects of a server. */
export function settingEntries(settings: readonly ServerSetting[]): FingerprintEntry[] {
  return settings
    .map(({ name, value }) => ({ object: `setting/${name}`, digest: digestOf(value), facts: { value } }))
    .sort((a, b) => (a.object < b.object ? -1 : 1));
}

/** A restore leaves a server's settings alone: what will be named as a difference is told beforehand. */
export function settingProblems(
  captured: readonly ServerSetting[],
  target: readonly ServerSetting[],
): StasisError[] {
  const names = new Set([...captured, ...target].map(({ name }) => name));
  const valueIn = (settings: readonly ServerSetting[], name: string): string =>
    settings.find((setting) => setting.name === name)?.value ?? '';
  return [...names]
    .filter((name) => valueIn(captured, name) !== valueIn(target, name))
    .map(
      (name) =>
        new StasisError(
          'redis.other-setting',
          `The target has ${name} "${valueIn(target, name)}", the original "${valueIn(captured, name)}": this will be named as a difference.`,
          {
            hint: `Set it on the target first (CONFIG SET ${name} "${valueIn(captured, name)}", or the service's parameter), or restore with verify "report".`,
            at: ['url'],
            severity: 'warning',
          },
        ),
    );
}
