import type { Context } from '../../core/context.ts';
import type { RestorePlan } from '../../core/driver.ts';
import { StasisError } from '../../core/errors.ts';
import type { MemberCapture } from '../../core/manifest.ts';
import { formatBytes } from '../../core/units.ts';
import { type Command, Connection } from './connection.ts';
import { type CapturedContent, readContent } from './content.ts';
import { readSetting, STAND_IN_USER } from './follow/stop-following.ts';
import { factsOf, productName, rdbVersionOf, readInfo, type ServerFacts } from './info.ts';
import { chooseLayout, type Occupancy, readOccupancy } from './layout.ts';
import { hasFieldExpiry } from './live.ts';
import { identitiesOf, kindProblems, modulesOf, rightProblems } from './plan.ts';
import { atUrl, replicaProblem } from './problems.ts';
import { hasExpiringFields, RDB_TYPE, readsType } from './rdb/types.ts';
import { maySwap } from './restored.ts';
import { readServerSettings, settingProblems } from './server-settings.ts';
import type { RedisSpec } from './spec.ts';

const AT_URL = ['url'];

/** What a restore has to run whatever is in the capture, with arguments as it gives them. */
const RESTORE_COMMANDS: readonly Command[] = [
  ['SELECT', '0'],
  ['SET', 'stasis:restore', 'x'],
  ['UNLINK', 'stasis:loading'],
  ['RESTORE', 'key', '0', 'x', 'ABSTTL'],
  ['FLUSHDB', 'ASYNC'],
  ['SCAN', '0'],
  ['TYPE', 'key'],
  ['GETRANGE', 'key', '0', '1'],
  ['LRANGE', 'key', '0', '-1'],
  ['SMEMBERS', 'key'],
  ['ZRANGE', 'key', '0', '-1'],
  ['HGETALL', 'key'],
  ['XINFO', 'STREAM', 'key', 'FULL'],
];

/** Reads only; every problem at `url`. */
export async function planRestore(
  spec: RedisSpec,
  from: MemberCapture,
  context: Context,
): Promise<RestorePlan> {
  const { signal } = context;
  try {
    const content = readContent(from);
    await using connection = await Connection.open(spec, signal);
    const info = await readInfo(connection, signal);
    const facts = factsOf(info);
    const left = (await readSetting(connection, 'masteruser', signal)) === STAND_IN_USER;
    // It follows a stand-in of a restore that died: that is undone before anything else.
    const problems = kindProblems(info).filter(({ code }) => !left || code !== replicaProblem().code);
    const target = await readOccupancy(connection, facts, signal);
    if (problems.length === 0) {
      problems.push(
        ...versionProblems(content, facts, from.system.name ?? 'the source'),
        ...(await moduleProblems(connection, content, signal)),
        ...memoryProblems(content, facts),
        ...(await rightProblems(connection, commandsFor(content, target, facts), signal)),
        ...(await userProblems(connection, content, signal)),
        ...settingProblems(content.settings, await readServerSettings(connection, signal, info)),
        ...layoutProblems(content, target, await maySwap(connection, signal)),
      );
    }
    return {
      problems,
      identities: identitiesOf(facts),
      empty: target.occupied.length === 0 && target.libraries.size === 0,
      restoredBy: target.note?.id,
      sizeBytes: content.usedMemoryBytes,
    };
  } catch (error) {
    return { problems: [atUrl(error)], identities: [], empty: true, sizeBytes: 0 };
  }
}

/** Libraries of functions came with 7.0. */
function knowsFunctions({ major }: ServerFacts): boolean {
  return major >= 7;
}

/** A target that does not know functions is refused for that, not for each of their commands. */
function commandsFor(content: CapturedContent, target: Occupancy, facts: ServerFacts): readonly Command[] {
  const none = content.functions.length === 0 && target.libraries.size === 0;
  if (none || !knowsFunctions(facts)) return RESTORE_COMMANDS;
  return [
    ...RESTORE_COMMANDS,
    ['FUNCTION', 'LOAD', 'REPLACE', '#!lua name=x'],
    ['FUNCTION', 'LIST'],
    ['FUNCTION', 'DELETE', 'x'],
  ];
}

/** Managed services keep ACL users to themselves: no reason not to restore the data. */
async function userProblems(
  connection: Connection,
  content: CapturedContent,
  signal: AbortSignal,
): Promise<StasisError[]> {
  if (content.userRights.length === 0) return [];
  const problems = await rightProblems(
    connection,
    [
      ['ACL', 'LIST'],
      ['ACL', 'GETUSER', 'x'],
      ['ACL', 'SETUSER', 'x'],
    ],
    signal,
  );
  return problems.slice(0, 1).map(
    (problem) =>
      new StasisError(
        'redis.users-left-out',
        `The ACL users of the capture (${content.userRights.map(({ name }) => name).join(', ')}) cannot be made on the target: ${problem.message}`,
        {
          hint: 'They will be named as differences. Grant the login that, or capture with acl: false.',
          at: AT_URL,
          severity: 'warning',
        },
      ),
  );
}

function versionProblems(content: CapturedContent, facts: ServerFacts, source: string): StasisError[] {
  const version = rdbVersionOf(facts);
  const unreadable = content.types.filter(
    (type) => !readsType(facts.product, version, type) && !(hasExpiringFields(type) && hasFieldExpiry(facts)),
  );
  const noFunctions = content.functions.length > 0 && !knowsFunctions(facts);
  if (unreadable.length === 0 && !noFunctions) return [];
  const what = noFunctions ? 'functions' : 'values in a format';
  return [
    new StasisError(
      'redis.target-older',
      `The target is ${productName(facts)}, and the capture of ${source} has ${what} that it does not know.`,
      {
        hint: 'Restore into a server that is at least as new as the source.',
        at: AT_URL,
        details: { types: unreadable },
      },
    ),
  ];
}

async function moduleProblems(
  connection: Connection,
  content: CapturedContent,
  signal: AbortSignal,
): Promise<StasisError[]> {
  if (!content.types.includes(RDB_TYPE.module)) return [];
  const loaded = await modulesOf(connection, signal);
  if (loaded.length >= content.modules.length) return [];
  return [
    new StasisError(
      'redis.module-missing',
      `The capture has values of modules (${content.modules.join(', ')}) that the target has not loaded.`,
      {
        hint: 'Load the same modules into the target.',
        at: AT_URL,
      },
    ),
  ];
}

/** Whatever the eviction policy: what it evicts would be missing. */
function memoryProblems(content: CapturedContent, facts: ServerFacts): StasisError[] {
  const freeBytes = facts.maxMemoryBytes - facts.usedMemoryBytes;
  if (facts.maxMemoryBytes === 0 || content.usedMemoryBytes <= freeBytes) return [];
  return [
    new StasisError(
      'redis.target-memory',
      `The capture needs about ${formatBytes(content.usedMemoryBytes)} of memory, and the target has ${formatBytes(Math.max(0, freeBytes))} left (maxmemory).`,
      {
        hint: 'Raise maxmemory, or give a larger server. What is replaced stays in memory until the release.',
        at: AT_URL,
      },
    ),
  ];
}

function layoutProblems(content: CapturedContent, target: Occupancy, swap: boolean): StasisError[] {
  try {
    chooseLayout(content.databases, target, swap);
    return [];
  } catch (error) {
    return [atUrl(error)];
  }
}
