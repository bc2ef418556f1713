import type { Context } from '../core/context.ts';
import { StasisError, toStasisError } from '../core/errors.ts';
import { type LogProgress, logSentence } from '../core/log-position.ts';
import { count } from '../core/printable.ts';
import { formatMs } from '../core/units.ts';
import type { MemberDifference } from '../core/verdict.ts';
import { within } from '../core/wait.ts';
import { comparableMembers, comparableSnapshot, compare, type OpenSnapshot } from './compare.ts';
import type { Member } from './member.ts';
import { askBoth, liveAnswers, probesOf, type RestoredProbes, storedAnswers } from './restored-probes.ts';

/** What an original has done since the cut: what a switch to its twin would lose, or do a second time. */
export interface LostWork {
  /** Whether it could be read. Where it could not, nothing is known, and `message` says why. */
  readonly read: boolean;
  /** From the cut until it was read, or was to be; by the wall clock. */
  readonly sinceCutMs: number;
  /** As seen from the snapshot: `extra` was made since. Those that were kept by name; `differenceCount` counts all. */
  readonly differences: readonly MemberDifference[];
  readonly differenceCount: number;
  /** By how much what a probe counts has changed since, by probe: how many jobs were done, how far a queue has grown. */
  readonly changes: Readonly<Record<string, number>>;
  /** How far the log of its writes has come since, where it has one and both ends of that are known. */
  readonly log?: LogProgress;
  /** For people. */
  readonly message: string;
}

/** All of it is read, whatever its size, and what differs is looked into. */
const READ_MS = 7_200_000;
const LOG_MS = 30_000;
const NAMED = 3;

/** Originals that the snapshot does not have, or has of another kind. Placed under `original`. Pure. */
export function originalProblems(
  { manifest }: Pick<OpenSnapshot, 'manifest'>,
  originals: readonly Member[],
): StasisError[] {
  return originals.flatMap(({ name, driver }) => {
    const captured = manifest.members[name];
    if (captured?.driver === driver.name) return [];
    if (captured === undefined)
      return [
        new StasisError('original.unknown', `The snapshot has no member "${name}".`, {
          hint: `It has ${Object.keys(manifest.members).sort().join(', ')}.`,
          at: ['original', name],
        }),
      ];
    return [
      new StasisError('original.other-driver', `"${name}" was captured by ${captured.driver}.`, {
        hint: 'Name the original as the Snapshot names it.',
        at: ['original', name, driver.name],
      }),
    ];
  });
}

/**
 * Compares what runs with what was captured, while it goes on: so it holds for the moment at which each was read. The
 * user's probes are asked as well, and what they count is counted. Never throws: an original may be out of reach, as that
 * may be why there is a restore at all, and whoever interrupts this has had a restore.
 */
export async function lostWork(
  snapshot: OpenSnapshot,
  originals: readonly Member[],
  context: Context,
): Promise<Record<string, LostWork>> {
  const all = originals.map(async (original) => [original.name, await ofOne(snapshot, original, context)]);
  return Object.fromEntries(await Promise.all(all)) as Record<string, LostWork>;
}

async function ofOne(snapshot: OpenSnapshot, original: Member, context: Context): Promise<LostWork> {
  const { name, driver } = original;
  const sinceCutMs = Math.max(0, context.clock.wallMs() - Date.parse(snapshot.manifest.cutAt));
  const { log, said } = await logOf(snapshot, original, context);
  const told = (message: string): Pick<LostWork, 'log' | 'message'> => ({
    ...(log && { log }),
    message: said === undefined ? message : `${message} ${said}`,
  });
  const unread = (message: string): LostWork => ({
    ...{ read: false, sinceCutMs, differences: [], differenceCount: 0, changes: {}, ...told(message) },
  });
  if (driver.traits.layers.includes('runtime')) {
    const message = `It is not stopped to be looked at: whatever its memory has become in the ${formatMs(sinceCutMs)} since the cut.`;
    try {
      return { ...unread(message), changes: await askedChanges(snapshot, original, context) };
    } catch (thrown) {
      const why = toStasisError(thrown, `${driver.name}.failed`).message;
      return unread(`${message} Nor could it be asked: ${why}`);
    }
  }
  try {
    const all = comparableSnapshot(snapshot, [driver]);
    const captured = { ...all, members: { [name]: all.members[name]! } };
    const result = await within(READ_MS, `reading the original of ${name}`, context.signal, (signal) =>
      compare(captured, comparableMembers([original], { ...context, signal }), { ...context, signal }),
    );
    const { differences, differenceCount, probes = {} } = result.members[name]!;
    const message = lostWorkSentence(differenceCount, sinceCutMs, differences);
    return {
      ...{ read: true, sinceCutMs, differences, differenceCount },
      ...{ changes: changesOf(probes), ...told(message) },
    };
  } catch (thrown) {
    return unread(`It could not be read: ${toStasisError(thrown, `${driver.name}.failed`).message}`);
  }
}

/** By what it answers while it goes on. */
async function askedChanges(
  snapshot: OpenSnapshot,
  { name, driver, spec, host }: Member,
  context: Context,
): Promise<LostWork['changes']> {
  const probes = Object.fromEntries(probesOf(snapshot, name));
  if (driver.ask === undefined || Object.keys(probes).length === 0) return {};
  const asked = liveAnswers(await driver.ask(spec, host, context), '', context);
  return changesOf(await askBoth(name, probes, storedAnswers(snapshot), asked, context));
}

function changesOf(probes: RestoredProbes): LostWork['changes'] {
  return Object.fromEntries(
    Object.entries(probes).flatMap(([probe, { change }]) => (change === undefined ? [] : [[probe, change]])),
  );
}

/** Before it is compared, so that nothing of ours is in it. */
async function logOf(
  { manifest }: Pick<OpenSnapshot, 'manifest'>,
  { name, driver, spec, host }: Member,
  context: Context,
): Promise<{ readonly log?: LogProgress; readonly said?: string }> {
  const since = manifest.members[name]?.position;
  if (since === undefined || driver.progress === undefined) return {};
  try {
    const log = await within(LOG_MS, `reading the log of ${name}`, context.signal, (signal) =>
      driver.progress!(spec, host, since, { ...context, signal }),
    );
    return { log, said: logSentence(log) };
  } catch (thrown) {
    return { said: `Of its log nothing is known: ${toStasisError(thrown, `${driver.name}.failed`).message}` };
  }
}

/** How much it was, and the first of it where that is known by name. */
export function lostWorkSentence(
  total: number,
  sinceCutMs: number,
  differences: readonly MemberDifference[] = [],
): string {
  const since = `in the ${formatMs(sinceCutMs)} since the cut`;
  if (total === 0) return `Nothing was changed ${since}.`;
  const named = differences.slice(0, NAMED).map(({ object, message }) => `${object} (${message})`);
  const more = named.length > 0 && total > named.length ? ' and more' : '';
  const which = named.length > 0 ? `: ${named.join(', ')}${more}` : '';
  return `${count(total, 'object')} changed ${since}${which}.`;
}
